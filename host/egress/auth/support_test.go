package auth

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trama-run/trama/pdk/abi"
)

// now is the time in these tests.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// surroundings is a scope with secrets; it remembers what was hidden.
type surroundings struct {
	mu      sync.Mutex
	secrets map[string]string // guarded by mu
	hidden  []string          // guarded by mu
}

func (s *surroundings) Open(name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, ok := s.secrets[name]
	if !ok {
		return "", &abi.Error{Code: abi.CodeNoSecret, Message: name}
	}
	s.hidden = append(s.hidden, value)
	return value, nil
}

func (s *surroundings) Hide(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hidden = append(s.hidden, text)
}

func (s *surroundings) Redact(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.hidden {
		text = strings.ReplaceAll(text, h, "[redacted]")
	}
	return text
}

func (s *surroundings) hides(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.hidden, text)
}

func (s *surroundings) set(name, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets[name] = value
}

func (s *surroundings) Fetch(r *http.Request) (int, []byte, error) {
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return 0, nil, &abi.Error{Code: abi.CodeUnreachable, Message: err.Error()}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, body, err
}

// seen is a request as a server saw it.
type seen struct {
	*http.Request
	body string
}

// target is a loopback server that remembers the last request.
type target struct {
	*httptest.Server
	last chan seen
}

func newTarget(t *testing.T) *target {
	t.Helper()
	s := &target{last: make(chan seen, 1)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.last <- seen{r, string(body)}
	}))
	t.Cleanup(s.Close)
	return s
}

// send sends a request with credentials and returns what arrived.
func (s *target) send(t *testing.T, k *Keeper, a Auth, scope Scope, method, path, body string, headers ...string) seen {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if problems := a.Validate(func(string) error { return nil }); len(problems) > 0 {
		t.Fatal(problems)
	}
	if err := k.Apply(t.Context(), a, scope, r); err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return <-s.last
}

func keeperAt(at time.Time) *Keeper {
	return NewKeeper(Config{Now: func() time.Time { return at }})
}
