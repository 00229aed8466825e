package access

import (
	"fmt"
	"strings"
)

// Words says what the security asks for, as a person would: "only clients erp,
// shop with scope orders.write, from 10.0.0.0/8; 100 requests a minute each".
func (s Security) Words() string {
	if len(s) == 0 {
		return Way{Public: true}.words()
	}
	ways := make([]string, len(s))
	for i, w := range s {
		ways[i] = w.words()
	}
	if len(ways) == 1 {
		return ways[0]
	}
	return "either " + strings.Join(ways, ", or ")
}

func (w Way) words() string {
	var b strings.Builder
	switch {
	case len(w.Clients.Names) == 1:
		b.WriteString("only client " + w.Clients.Names[0])
	case len(w.Clients.Names) > 1:
		b.WriteString("only clients " + strings.Join(w.Clients.Names, ", "))
	case w.client():
		b.WriteString("any client")
	case w.JWT == nil:
		b.WriteString("anyone")
	}
	if w.Signed {
		b.WriteString(" that signs the request")
	}
	if w.Service != nil {
		b.WriteString(" whose request has the signature of a service in " + w.Service.Header())
	}
	if w.JWT != nil {
		token := "with a token of " + w.JWT.Issuer + " for " + w.JWT.Audience
		if b.Len() == 0 {
			b.WriteString("anyone ")
		} else {
			b.WriteByte(' ')
		}
		b.WriteString(token)
	}
	if len(w.Scopes) > 0 {
		noun := "scope"
		if len(w.Scopes) > 1 {
			noun = "scopes"
		}
		join := " with "
		switch {
		case w.JWT != nil:
			join = " and "
		case w.Signed:
			join = ", with "
		}
		fmt.Fprintf(&b, "%s%s %s", join, noun, strings.Join(w.Scopes, ", "))
	}
	if len(w.IPs) > 0 {
		ips := make([]string, len(w.IPs))
		for i, n := range w.IPs {
			ips[i] = n.String()
		}
		if b.String() == "anyone" && !everywhere(w.IPs) {
			b.Reset()
			b.WriteString("only from ")
		} else {
			b.WriteString(", from ")
		}
		b.WriteString(strings.Join(ips, ", "))
	}
	if !w.Rate.IsZero() {
		b.WriteString("; " + w.Rate.words() + " each")
	}
	if !w.Quota.IsZero() {
		b.WriteString("; at most " + w.Quota.words() + " each")
	}
	return b.String()
}
