package main

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
	"github.com/trama-run/trama/plugins/internal/brackets"
)

// Pages says how a list goes on, and how far to follow it.
type Pages struct {
	// By is "link", "cursor" or "page".
	By string `json:"by"`
	// Items is the place of the list in the body, as a key with brackets:
	// data[items]. Empty: the body is the list.
	Items string `json:"items"`
	// Max is how many pages are read at most; 0: 10. A list that goes on is an
	// error for those who want its items alone.
	Max int `json:"max"`
	// Next is the place in the body of the next page's URL (by link, where
	// otherwise the header Link counts), or of the cursor.
	Next string `json:"next"`
	// Param is the query parameter that takes the cursor, or the page's number
	// ("page", if it is left out).
	Param string `json:"param"`
	// Start is the first page's number (by page); nil: 1.
	Start *int `json:"start"`
}

// Collected is what was read of a list, whose items are the body.
type Collected struct {
	Pages int `json:"pages"`
	// More says that Max ended it, and not the list: Next is where it goes on,
	// a URL, a cursor or a number.
	More bool   `json:"more"`
	Next string `json:"next,omitempty"`
}

const (
	byLink   = "link"
	byCursor = "cursor"
	byPage   = "page"

	defaultPages = 10
	maxPages     = 256 // requests that a grant may allow
)

func (p *Pages) check(w Wanted) error {
	switch {
	case p.By != byLink && p.By != byCursor && p.By != byPage:
		return pdk.Errorf(abi.CodeInvalid, "pages.by: %q is not one of link, cursor and page", p.By)
	case p.By == byCursor && (p.Next == "" || p.Param == ""):
		return pdk.Errorf(abi.CodeInvalid, "pages: by cursor needs next, the cursor's place in the body, and param, the query parameter that takes it")
	case p.Max < 0 || p.Max > maxPages:
		return pdk.Errorf(abi.CodeInvalid, "pages.max: %d is not from 1 to %d", p.Max, maxPages)
	case w.As != "" && w.As != asAuto && w.As != asJSON:
		return pdk.Errorf(abi.CodeInvalid, "as: pages are read as JSON, so %q can't be", w.As)
	}
	if p.Max == 0 {
		p.Max = defaultPages
	}
	if p.Param == "" {
		p.Param = "page"
	}
	return nil
}

// pages reads a list page by page. A page that can't be had fails it all: a list
// with a hole would pass for the whole.
func (e exchange) pages(in Outgoing, wanted Wanted, how Pages) (any, error) {
	if err := how.check(wanted); err != nil {
		return nil, err
	}
	wanted.As, wanted.ErrorOnStatus = asJSON, true
	items := []json.RawMessage{}
	number := 1
	if how.Start != nil {
		number = *how.Start
	}
	in.Query = copyOf(in.Query)
	if how.By == byPage {
		in.Query[how.Param] = json.RawMessage(strconv.Itoa(number))
	}
	collected := &Collected{}
	seen := map[string]bool{}
	for {
		response, err := e.answer(in, wanted)
		if err != nil {
			return nil, safely(err)
		}
		collected.Pages++
		page, err := listAt(response.Body, how.Items)
		if err != nil {
			return nil, pdk.Errorf(codeBadPage, "page %d: %v", collected.Pages, err)
		}
		items = append(items, page...)
		next := ""
		switch how.By {
		case byPage:
			if len(page) > 0 {
				number++
				next = strconv.Itoa(number)
			}
		case byLink:
			if how.Next == "" {
				next = nextLink(response.Headers["link"])
				break
			}
			fallthrough
		case byCursor:
			if next, err = textAt(response.Body, how.Next); err != nil {
				return nil, pdk.Errorf(codeBadPage, "page %d: %v", collected.Pages, err)
			}
		}
		if collected.More = next != "" && collected.Pages == how.Max; next == "" || collected.More {
			if collected.More && wanted.Output == "body" {
				return nil, pdk.Errorf(abi.CodeLimit, "pages.max: the list goes on after %d pages, and its items alone, which output: body asks for, can't say so; raise pages.max, or leave output out and read more and next", collected.Pages)
			}
			collected.Next = next
			if response.Body, err = json.Marshal(items); err != nil {
				return nil, err
			}
			response.Collected = collected
			return wanted.output(response, nil)
		}
		if seen[next] {
			return nil, pdk.Errorf(codeBadPage, "page %d: the service names a page as the next one that was there before", collected.Pages)
		}
		seen[next] = true
		if how.By != byLink {
			in.Query[how.Param] = text(next)
		} else if in, err = follow(in, next); err != nil {
			return nil, err
		}
	}
}

func copyOf(query map[string]json.RawMessage) map[string]json.RawMessage {
	all := map[string]json.RawMessage{}
	for name, value := range query {
		all[name] = value
	}
	return all
}

// listAt finds the list of a page; null and nothing are an empty one.
func listAt(body json.RawMessage, key string) (items []json.RawMessage, err error) {
	if key != "" {
		if body, err = brackets.At(body, key); err != nil {
			return nil, err
		}
	}
	if !isValue(body) {
		return nil, nil
	}
	if body[0] != '[' {
		where := "the body"
		if key != "" {
			where = key
		}
		return nil, pdk.Errorf(codeBadPage, "%s is not the list that pages.items should name", where)
	}
	err = json.Unmarshal(body, &items)
	return items, err
}

// textAt finds the cursor of the next page; "" if there is none. false ends a
// list too, as some services write it.
func textAt(body json.RawMessage, key string) (string, error) {
	value, err := brackets.At(body, key)
	if err != nil || string(value) == "false" {
		return "", err
	}
	text, _, err := brackets.Text(value)
	return text, err
}

// nextLink finds the target of rel="next" in a Link header (RFC 8288, section
// 3), in which several may stand.
func nextLink(header string) string {
	for {
		_, rest, found := strings.Cut(header, "<")
		if !found {
			return ""
		}
		target, rest, found := strings.Cut(rest, ">")
		if !found {
			return ""
		}
		params := unquoted(rest, ',')
		header = rest[len(params):]
		for params != "" {
			param := unquoted(params, ';')
			params = strings.TrimPrefix(params[len(param):], ";")
			name, value, _ := strings.Cut(param, "=")
			if !strings.EqualFold(strings.TrimSpace(name), "rel") {
				continue
			}
			for rel := range strings.FieldsSeq(strings.Trim(strings.TrimSpace(value), `"`)) {
				if strings.EqualFold(rel, "next") {
					return target
				}
			}
		}
	}
}

// unquoted gives the beginning of a text up to a character outside of quotes.
func unquoted(text string, end byte) string {
	inside := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && inside:
			i++
		case c == '"':
			inside = !inside
		case c == end && !inside:
			return text[:i]
		}
	}
	return text
}

// follow makes the request for a next page out of its URL, as it stands in an
// answer: it replaces URL and query.
func follow(in Outgoing, next string) (Outgoing, error) {
	to, err := url.Parse(next)
	if err != nil {
		return in, pdk.Errorf(codeBadPage, "the URL of the next page can't be read")
	}
	in.Query = nil
	if to.Scheme != "" {
		in.URL = to.String()
		return in, nil
	}
	from, err := url.Parse(in.URL)
	if err != nil {
		return in, pdk.Errorf(abi.CodeInvalid, "url: %v", err)
	}
	if from.Host == "" && (to.Host != "" || to.Path != "") {
		// Below which path the connection's base URL lies is not known here.
		return in, pdk.Errorf(codeBadPage, "the next page's URL, %s, is neither absolute nor a query alone, so it must be seen from an absolute one: write the node's url in full (https://...)", to.Path)
	}
	if from.Host == "" {
		from.RawQuery = to.RawQuery
		in.URL = from.String()
		return in, nil
	}
	in.URL = from.ResolveReference(to).String()
	return in, nil
}
