package strict

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Answer is what a stub says.
type Answer struct {
	Status  int // 200 if 0
	Headers map[string]string
	// Body is sent as JSON; nil is none. Text, where it is not empty, is sent
	// as it stands instead.
	Body any
	Text string
	// Wait comes before the answer, unless the client goes first.
	Wait time.Duration
	// Cut ends the connection after that many bytes of the body, though more
	// were announced; 0 doesn't.
	Cut int
}

// Stub is a server of a contract. It is an [http.Handler].
type Stub struct {
	contract *compiled

	mu         sync.Mutex
	next       []Answer
	requests   []Seen
	violations []Violation
}

// Seen is one request that came, with the status that it was answered.
type Seen struct {
	Method, Path, Query string
	Header              http.Header
	Body                string
	Status              int
}

// New makes a stub; the error is about the contract.
func New(contract Contract) (*Stub, error) {
	c, err := compile(contract)
	if err != nil {
		return nil, fmt.Errorf("contract: %w", err)
	}
	return &Stub{contract: c}, nil
}

// Next lets the next requests that keep to the contract have these answers, in
// order, instead of their rules' own.
func (s *Stub) Next(answers ...Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = append(s.next, answers...)
}

// Requests lists what came, in order.
func (s *Stub) Requests() []Seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Violations lists the requests that broke the contract.
func (s *Stub) Violations() []Violation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.violations)
}

// T is what of a test is needed.
type T interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
}

// Guard lets the test fail at its end for each violation.
func (s *Stub) Guard(t T) {
	t.Cleanup(func() {
		for _, violation := range s.Violations() {
			t.Errorf("the stub's contract was broken: %s", violation)
		}
	})
}

// ServeHTTP answers by the contract. Rules' answers are made one at a time.
func (s *Stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := readAll(r)
	if err != nil {
		return // the client has gone, and no answer reaches it
	}
	answer := s.answer(r, body)
	if answer.Status == 0 {
		answer.Status = 200
	}
	s.mu.Lock()
	s.requests = append(s.requests, Seen{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Clone(), string(body), answer.Status})
	s.mu.Unlock()
	answer.send(w, r)
}

func (s *Stub) answer(r *http.Request, body []byte) Answer {
	request, violation := s.contract.check(r, body)
	s.mu.Lock()
	defer s.mu.Unlock()
	if violation != nil {
		s.violations = append(s.violations, *violation)
		return s.contract.Refuse(*violation)
	}
	if s.contract.Admit != nil {
		if answer, ok := s.contract.Admit(request); !ok {
			return answer
		}
	}
	if len(s.next) > 0 {
		answer := s.next[0]
		s.next = s.next[1:]
		return answer
	}
	return request.Rule.Answer(request)
}

func (a Answer) send(w http.ResponseWriter, r *http.Request) {
	if a.Wait > 0 {
		select {
		case <-time.After(a.Wait):
		case <-r.Context().Done():
			return
		}
	}
	data := []byte(a.Text)
	if a.Text == "" && a.Body != nil {
		var err error
		if data, err = json.Marshal(a.Body); err != nil {
			panic(fmt.Sprintf("strict: the answer to %s %s: %v", r.Method, r.URL.Path, err))
		}
		w.Header().Set("Content-Type", "application/json;charset=utf-8")
	}
	for name, value := range a.Headers {
		w.Header().Set(name, value)
	}
	if a.Cut > 0 && a.Cut < len(data) {
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		w.WriteHeader(a.Status)
		w.Write(data[:a.Cut]) // net/http ends the connection of a body that is too short
		return
	}
	w.WriteHeader(a.Status)
	w.Write(data)
}
