package plugintest

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/egress/redact"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/pdk/abi"
)

// Record makes a case of a call as [Recorded] does, to be kept in a file: values
// with the name of a secret are not in it. The call is made again with
// [redact.Mark] in their place, and answered with what was answered, so that
// nothing that was made of them is in it either. What of a request has such a
// value all the same is left out, and not compared.
func (p *Plugin) Record(ctx context.Context, c Case, out Outcome) (Case, error) {
	switch {
	case out.Cut:
		return c, errors.New("a body is too long to be kept whole")
	case len(out.Unexpected) > 0:
		return c, errors.New("not every request had its answer, so what came of the call is no example of it")
	}
	first := withoutSecrets(Recorded(c, out))
	alone := &Plugin{
		Path: p.Path, Manifest: p.Manifest, Digest: p.Digest, Info: p.Info, Limits: p.Limits, kvBytes: p.kvBytes, blobBytes: p.blobBytes,
		code: p.code, secrets: p.secrets, connection: p.connection,
		recorder: &recorder{base: p.connection, secrets: p.recorder.secrets},
	}
	alone.client = egress.New(egress.Config{Secrets: p.secrets, Transport: alone.recorder})
	defer alone.client.Close()
	call, err := alone.CallOf(first)
	if err != nil {
		return c, err
	}
	again, err := alone.Call(ctx, call)
	if err != nil {
		return c, err
	}
	if len(again.Requests) != len(out.Requests) || (again.Error == nil) != (out.Error == nil) || again.Error != nil && again.Error.Code != out.Error.Code {
		return c, errors.New("without what is secret in it the call ends in another way")
	}
	recorded := Recorded(first, again)
	for i := range recorded.HTTP {
		recorded.HTTP[i].Request = recorded.HTTP[i].Request.withoutSecrets()
	}
	return recorded, nil
}

// withoutSecrets puts the mark in the place of what has the name of a secret in
// what a case gives to its plugin.
func withoutSecrets(c Case) Case {
	c.Input = valueWithout(c.Input)
	c.Config, c.KV = maps.Clone(c.Config), maps.Clone(c.KV)
	for _, values := range []map[string]string{c.Config, c.KV} {
		for name, value := range values {
			if values[name] = textWithout(value); redact.IsSecretName(strings.ToLower(name)) {
				values[name] = redact.Mark
			}
		}
	}
	c.HTTP = slices.Clone(c.HTTP)
	for i, e := range c.HTTP {
		e.Request = Request{URL: originOf(e.Request.URL)}
		if e.Response != nil {
			answer := *e.Response
			answer.Headers = headersWithout(answer.Headers)
			for name, value := range answer.Headers { // as Location's
				answer.Headers[name] = textWithout(value)
			}
			if text, is := answer.Body.Any().(string); is && isForm(answer.Headers) {
				answer.Body = source.ValueOf(formWithout(text))
			} else {
				answer.Body = valueWithout(answer.Body)
			}
			e.Response = &answer
		}
		c.HTTP[i] = e
	}
	return c
}

// originOf keeps of an absolute URL what lets it be reached.
func originOf(text string) string {
	if u, err := url.Parse(text); err == nil && u.Host != "" {
		return u.Scheme + "://" + u.Host
	}
	return ""
}

// valueWithout marks members of JSON, also in a text that is JSON, and what is
// secret in texts that are URLs.
func valueWithout(v source.Value) source.Value {
	if v.IsZero() {
		return v
	}
	if text, is := v.Any().(string); is {
		return source.ValueOf(textWithout(text))
	}
	data, err := marshal(urlsWithout(v.Exact()))
	if err != nil {
		return v // it was read from JSON
	}
	return valueOf([]byte(redact.Members(string(data))))
}

// textWithout does the same in a text.
func textWithout(text string) string {
	return redact.Members(urlsWithout(text).(string))
}

// urlsWithout marks, in place, what is secret in the URLs of a value, also in a
// text that is JSON.
func urlsWithout(value any) any {
	switch value := value.(type) {
	case string:
		inner := valueOf([]byte(value))
		if !inner.IsMapping() && !inner.IsList() {
			return urlWithout(value)
		}
		clean, err := marshal(urlsWithout(inner.Exact()))
		if before, failed := marshal(inner.Exact()); err != nil || failed != nil || bytes.Equal(before, clean) {
			return value // as it was written
		}
		return string(clean)
	case []any:
		for i := range value {
			value[i] = urlsWithout(value[i])
		}
	case map[string]any:
		for name := range value {
			value[name] = urlsWithout(value[name])
		}
	}
	return value
}

// urlWithout marks the user, the password and secret fields of the query of an
// absolute URL.
func urlWithout(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User == nil && !secretField(u.RawQuery) {
		return text
	}
	if u.User != nil {
		u.User = url.User(redact.Mark)
	}
	u.RawQuery = formWithout(u.RawQuery)
	return u.String()
}

func isForm(headers map[string]string) bool {
	return strings.HasPrefix(strings.ToLower(headers["content-type"]), "application/x-www-form-urlencoded")
}

// formWithout marks fields of a form.
func formWithout(text string) string {
	if !secretField(text) {
		return text
	}
	fields, _ := url.ParseQuery(text) // what can't be read of it is left out
	for name := range fields {
		if redact.IsSecretField(strings.ToLower(name)) {
			fields.Set(name, redact.Mark)
		}
	}
	return fields.Encode()
}

// headersWithout leaves out headers that let somebody in, but for those that say
// themselves which secret they had.
func headersWithout(headers map[string]string) map[string]string {
	kept := map[string]string{}
	for name, value := range headers {
		if !redact.IsSecretName(strings.ToLower(name)) || known(value) {
			kept[name] = value
		}
	}
	return kept
}

// withoutSecrets leaves out what is not to be kept of a request.
func (q Request) withoutSecrets() Request {
	form := isForm(q.Headers)
	q.Headers = headersWithout(q.Headers)
	if u, err := url.Parse(q.URL); err != nil || u.User != nil || secretField(u.RawQuery) {
		q.URL = ""
	}
	if text, is := q.Body.Any().(string); is && (form && secretField(text) || !form && secretMember(text)) {
		q.Body = source.Value{}
	}
	if slices.ContainsFunc(q.Parts, func(p abi.HTTPPart) bool {
		return redact.IsSecretField(strings.ToLower(p.Name)) && !known(p.Text) || secretMember(p.Text)
	}) {
		q.Parts = nil
	}
	return q
}

// known says whether a value has nothing to hide: it names its secret, is made
// of what every test has, or was hidden before.
func known(value string) bool {
	return strings.Contains(value, "<secret:") || strings.Contains(value, EffectID) || strings.Contains(value, redact.Mark)
}

// secretField says whether a query or a form has a field to hide.
func secretField(query string) bool {
	fields, err := url.ParseQuery(query)
	for name, values := range fields {
		if redact.IsSecretField(strings.ToLower(name)) && !slices.ContainsFunc(values, known) {
			return true
		}
	}
	return err != nil
}

// knownText is a text of JSON with nothing to hide.
var knownText = regexp.MustCompile(`"[^"]*(<secret:|` + regexp.QuoteMeta(EffectID) + `|` + regexp.QuoteMeta(redact.Mark) + `)[^"]*"`)

// secretMember says whether JSON has a member to hide.
func secretMember(text string) bool {
	text = knownText.ReplaceAllString(text, `"`+redact.Mark+`"`)
	return redact.Members(text) != text
}
