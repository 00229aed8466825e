package strict

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
)

// Mutation is a request that breaks one part of a rule.
type Mutation struct {
	Rule string // method and path
	What string // "body.properties.name: another type"
	// Method, Target, Header and Body make the request.
	Method, Target string
	Header         map[string]string
	Body           string
}

// CheckMutations shows for every part of every rule that a stub refuses a
// request which breaks it, with a 4xx and as a violation, and that it takes each
// rule's examples unbroken. fresh makes a stub; it is asked once for each
// example, so that what one changes no other sees. It gives how many requests
// were broken.
func CheckMutations(t T, contract Contract, fresh func() Checked) int {
	t.Helper()
	whole, broken, err := mutations(contract)
	if err != nil {
		t.Errorf("contract: %v", err)
		return 0
	}
	for _, m := range whole {
		stub := fresh()
		if status := m.send(stub); status >= 500 || len(stub.Violations()) > 0 {
			t.Errorf("%s refuses its own example with %d: %v", m.Rule, status, stub.Violations())
		}
	}
	stub := fresh()
	for _, m := range broken {
		before := len(stub.Violations())
		if status := m.send(stub); status < 400 || status > 499 || len(stub.Violations()) != before+1 {
			t.Errorf("%s takes a request with %s: answers %d", m.Rule, m.What, status)
		}
	}
	return len(broken)
}

// Checked is a stub, or what has one.
type Checked interface {
	http.Handler
	Violations() []Violation
}

func (m Mutation) send(handler http.Handler) int {
	request := httptest.NewRequest(m.Method, m.Target, strings.NewReader(m.Body))
	for name, value := range m.Header {
		request.Header.Set(name, value)
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder.Code
}

// draft is a request that is not put together yet.
type draft struct {
	method string
	params map[string]string
	query  url.Values
	header map[string]string
	body   any
}

// mutations gives a whole request of each rule, and all broken ones.
func mutations(contract Contract) (whole, broken []Mutation, err error) {
	c, err := compile(contract)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range c.rules {
		base := func() draft { return r.example() }
		whole = append(whole, r.mutation("", base()))
		add := func(what string, change func(*draft)) {
			d := base()
			change(&d)
			broken = append(broken, r.mutation(what, d))
		}
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			path := r.mutation("", base()).Target
			if other, _, _ := c.route(method, strings.SplitN(path, "?", 2)[0]); other == nil {
				add("method "+method, func(d *draft) { d.method = method })
				break
			}
		}
		for _, name := range slices.Sorted(maps.Keys(r.params)) {
			if wrong, ok := r.params[name].wrong(); ok && wrong != "" {
				add(fmt.Sprintf("path %s = %q", name, wrong), func(d *draft) { d.params[name] = wrong })
			}
		}
		for _, name := range slices.Sorted(maps.Keys(r.query)) {
			p := r.query[name]
			if p.Required {
				add("no query "+name, func(d *draft) { d.query.Del(name) })
			}
			if wrong, ok := p.wrong(); ok {
				add(fmt.Sprintf("query %s = %q", name, wrong), func(d *draft) { d.query.Set(name, wrong) })
			}
			if !p.Many {
				add("twice query "+name, func(d *draft) { d.query[name] = []string{p.Example, p.Example} })
			}
		}
		add("an unknown query parameter", func(d *draft) { d.query.Set("unheard_of", "1") })
		for _, name := range slices.Sorted(maps.Keys(r.headers)) {
			if r.headers[name].Required {
				add("no header "+name, func(d *draft) { delete(d.header, name) })
			}
			if wrong, ok := r.headers[name].wrong(); ok {
				add(fmt.Sprintf("header %s = %q", name, wrong), func(d *draft) { d.header[name] = wrong })
			}
		}
		if r.body == nil {
			add("a body", func(d *draft) { d.body = map[string]any{} })
			continue
		}
		add("another Content-Type", func(d *draft) { d.header["Content-Type"] = "text/plain" })
		add("no body", func(d *draft) { d.body = nil })
		var schema map[string]any
		if err := json.Unmarshal([]byte(r.Body), &schema); err != nil {
			return nil, nil, fmt.Errorf("%s %s: body: %w", r.Method, r.Path, err)
		}
		for _, m := range breaks(schema, base().body, "body") {
			if r.body.Validate(m.value) == nil {
				return nil, nil, fmt.Errorf("%s %s: its schema takes %s", r.Method, r.Path, m.what)
			}
			add(m.what, func(d *draft) { d.body = m.value })
		}
	}
	return whole, broken, nil
}

// example is the request that keeps to a rule.
func (r *rule) example() draft {
	d := draft{method: r.Method, params: map[string]string{}, query: url.Values{}, header: map[string]string{}}
	for name, p := range r.params {
		d.params[name] = p.Example
	}
	for name, p := range r.query {
		if p.Required || p.Example != "" {
			d.query.Set(name, p.Example)
		}
	}
	for name, p := range r.headers {
		if p.Required || p.Example != "" {
			d.header[name] = p.Example
		}
	}
	if r.body != nil {
		decoder := json.NewDecoder(strings.NewReader(r.Example))
		decoder.UseNumber()
		if err := decoder.Decode(&d.body); err != nil {
			d.body = r.Example // which the stub refuses, and the test tells
		}
		d.header["Content-Type"] = "application/json"
	}
	return d
}

func (r *rule) mutation(what string, d draft) Mutation {
	var path strings.Builder
	for _, segment := range r.segments {
		if name, ok := param(segment); ok {
			segment = url.PathEscape(d.params[name])
		}
		path.WriteString("/" + segment)
	}
	if len(d.query) > 0 {
		path.WriteString("?" + d.query.Encode())
	}
	m := Mutation{Rule: r.Method + " " + r.Path, What: what, Method: d.method, Target: path.String(), Header: d.header}
	if d.body != nil {
		var body bytes.Buffer
		json.NewEncoder(&body).Encode(d.body)
		m.Body = body.String()
		if d.header["Content-Type"] == "" {
			d.header["Content-Type"] = "application/json"
		}
	}
	return m
}

// wrong gives a value that the pattern doesn't take; there is none for a
// pattern that takes all.
func (p pattern) wrong() (string, bool) {
	for _, value := range []string{"x", "~wrong~", "-1.5", "a b", ""} {
		if !p.MatchString(value) {
			return value, true
		}
	}
	return "", false
}
