package strict

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// contract has each sort of part once.
func contract() Contract {
	return Contract{
		Headers: map[string]Param{"Authorization": {Pattern: "Bearer .+", Required: true, Example: "Bearer t"}},
		Refuse: func(v Violation) Answer {
			status := map[Part]int{PartPath: 404, PartMethod: 405}[v.Part]
			if status == 0 {
				status = 400
			}
			return Answer{Status: status, Body: map[string]string{"error": v.Reason}}
		},
		Rules: []Rule{
			{
				Method: "GET", Path: "/things/{id}", Params: map[string]Param{"id": {Pattern: `\d+`, Example: "7"}},
				Query:  map[string]Param{"limit": {Pattern: `\d{1,3}`, Example: "10"}, "tag": {Many: true, Example: "a"}, "q": {Required: true, Example: "z"}},
				Source: "https://acme.example/docs", Answer: func(r *Request) Answer { return Answer{Body: map[string]any{"id": r.Params["id"]}} },
			},
			{
				Method: "POST", Path: "/things/search", Source: "https://acme.example/docs",
				Body: `{"type": "object", "required": ["name"], "additionalProperties": false, "properties": {
					"name": {"type": "string", "minLength": 1},
					"kind": {"type": "string", "enum": ["a", "b"]},
					"count": {"type": "integer", "maximum": 5},
					"rows": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "object", "required": ["id"], "additionalProperties": false, "properties": {"id": {"type": "string"}}}},
					"more": {"type": "object", "additionalProperties": {"type": "string"}}}}`,
				Example: `{"name": "x", "kind": "a", "count": 3, "rows": [{"id": "1"}], "more": {"k": "v"}}`,
				Answer: func(r *Request) Answer {
					var in struct{ Name string }
					r.Decode(&in)
					return Answer{Status: 201, Body: in}
				},
			},
		},
	}
}

func stub(t *testing.T) *Stub {
	s, err := New(contract())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMutations(t *testing.T) {
	n := CheckMutations(t, contract(), func() Checked { return stub(t) })
	if n < 30 {
		t.Errorf("%d requests were broken, want one for each part of two rules", n)
	}
}

// recorder is a test that keeps its failures.
type recorder struct {
	failures []string
	cleanups []func()
}

func (r *recorder) Helper()          {}
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

// lax takes everything.
type lax struct{}

func (lax) ServeHTTP(http.ResponseWriter, *http.Request) {}
func (lax) Violations() []Violation                      { return nil }

// TestMutationsNotice shows that a stub which takes too much is found out.
func TestMutationsNotice(t *testing.T) {
	var r recorder
	n := CheckMutations(&r, contract(), func() Checked { return lax{} })
	if n == 0 || len(r.failures) != n {
		t.Errorf("%d of %d broken requests were told", len(r.failures), n)
	}
	r = recorder{}
	CheckMutations(&r, contract(), func() Checked {
		other := contract()
		other.Headers = map[string]Param{"Authorization": {Pattern: "Basic .+", Required: true}}
		s, err := New(other)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
	if len(r.failures) != 2 || !strings.Contains(r.failures[0], "refuses its own example") {
		t.Errorf("a stub of another contract: %q", r.failures)
	}
}

func TestViolations(t *testing.T) {
	tests := []struct {
		method, target, auth, body string
		status                     int
		violation                  string
	}{
		{"GET", "/things/7?q=1&tag=a&tag=b", "Bearer t", "", 200, ""},
		{"GET", "/things/search?q=1", "Bearer t", "", 404, `path id: "search" is not \d+`},
		{"GET", "/nothing", "Bearer t", "", 404, "no such path"},
		{"PUT", "/things/7", "Bearer t", "", 405, "no such method"},
		{"GET", "/things/7?q=1", "", "", 400, "header Authorization: it is missing"},
		{"GET", "/things/7?q=1", "Basic x", "", 400, "header Authorization: it is not"},
		{"GET", "/things/7", "Bearer t", "", 400, "query q: it is missing"},
		{"GET", "/things/7?q=1&limit=9999", "Bearer t", "", 400, "query limit"},
		{"GET", "/things/7?q=1&q=2", "Bearer t", "", 400, "given 2 times"},
		{"GET", "/things/7?q=1", "Bearer t", "{}", 400, "body: the contract has none"},
		{"POST", "/things/search", "Bearer t", `{"name": "x"}`, 201, ""},
		{"POST", "/things/search", "Bearer t", `{"name": 1}`, 400, "body: - at '/name': got number, want string"},
		{"POST", "/things/search", "Bearer t", `{"name": "x"`, 400, "body: "},
	}
	for _, test := range tests {
		t.Run(test.method+" "+test.target, func(t *testing.T) {
			s := stub(t)
			m := Mutation{Method: test.method, Target: test.target, Body: test.body, Header: map[string]string{"Content-Type": "application/json"}}
			if test.auth != "" {
				m.Header["Authorization"] = test.auth
			}
			if status := m.send(s); status != test.status {
				t.Errorf("answers %d, want %d", status, test.status)
			}
			var r recorder
			s.Guard(&r)
			for _, cleanup := range r.cleanups {
				cleanup()
			}
			if text := strings.Join(r.failures, "\n"); (text == "") != (test.violation == "") || !strings.Contains(text, test.violation) {
				t.Errorf("violations %q, want %q", text, test.violation)
			}
			if seen := s.Requests(); len(seen) != 1 || seen[0].Status != test.status {
				t.Errorf("saw %+v", seen)
			}
		})
	}
}

func TestNext(t *testing.T) {
	s := stub(t)
	server := httptest.NewServer(s)
	defer server.Close()
	get := func() (int, string, error) {
		request, err := http.NewRequest("GET", server.URL+"/things/7?q=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer t")
		response, err := server.Client().Do(request)
		if err != nil {
			return 0, "", err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		return response.StatusCode, string(body), err
	}
	s.Next(Answer{Status: 429, Headers: map[string]string{"Retry-After": "1"}, Text: "slow down"}, Answer{Body: []int{1, 2, 3}, Cut: 2}, Answer{Wait: time.Millisecond})
	if status, body, err := get(); status != 429 || body != "slow down" || err != nil {
		t.Errorf("first %d, %q, %v", status, body, err)
	}
	if _, body, err := get(); err == nil || body != "[1" {
		t.Errorf("cut off %q, %v", body, err)
	}
	if status, body, err := get(); status != 200 || body != "" || err != nil {
		t.Errorf("third %d, %q, %v", status, body, err)
	}
	if status, body, err := get(); status != 200 || body != `{"id":"7"}` || err != nil {
		t.Errorf("then the rule's own: %d, %q, %v", status, body, err)
	}
}

func TestAdmit(t *testing.T) {
	c := contract()
	c.Admit = func(r *Request) (Answer, bool) {
		return Answer{Status: 403}, r.Header.Get("Authorization") == "Bearer t"
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	for token, status := range map[string]int{"t": 200, "u": 403} {
		m := Mutation{Method: "GET", Target: "/things/7?q=1", Header: map[string]string{"Authorization": "Bearer " + token}}
		if got := m.send(s); got != status || len(s.Violations()) > 0 {
			t.Errorf("token %s gets %d, %v", token, got, s.Violations())
		}
	}
}

func TestContractsAreChecked(t *testing.T) {
	answer := func(*Request) Answer { return Answer{} }
	for reason, rule := range map[string]Rule{
		"cites no page":   {Method: "GET", Path: "/x", Answer: answer},
		"has no answer":   {Method: "GET", Path: "/x", Source: "s"},
		"params lacks id": {Method: "GET", Path: "/{id}", Source: "s", Answer: answer},
		"body":            {Method: "GET", Path: "/x", Source: "s", Answer: answer, Body: `{"type": 7}`},
		"q: error":        {Method: "GET", Path: "/x", Source: "s", Answer: answer, Query: map[string]Param{"q": {Pattern: "("}}},
	} {
		if _, err := New(Contract{Rules: []Rule{rule}}); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("got %v, want %q", err, reason)
		}
	}
}
