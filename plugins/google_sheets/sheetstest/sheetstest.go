// Package sheetstest is a stub of Google Sheets, for tests and demos: it has
// spreadsheets with real cells, so that what is written is read, and takes no
// more than Google's contract says, as far as contract.go has it.
//
// It is a stub and no server: it computes no formulas, formats nothing, knows
// no quotas, and takes any token that it is told to.
package sheetstest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/trama-run/trama/plugins/strict"
)

// Sheets is the stub: an http.Handler whose paths begin with /v4.
type Sheets struct {
	*strict.Stub

	mu     sync.Mutex
	tokens []string // those that are taken; none: all are
	books  map[string]*book
	made   int64         // how many spreadsheets and sheets
	lose   bool          // the answer to the next append
	wrote  chan struct{} // closed and made anew at each change
}

// book is one spreadsheet.
type book struct {
	id, title, locale, zone string
	tabs                    []*tab
}

func (b *book) tab(title string) *tab {
	for _, t := range b.tabs {
		if strings.EqualFold(t.title, title) {
			return t
		}
	}
	return nil
}

// New returns a stub without spreadsheets that takes these tokens; any, if
// there is none.
func New(tokens ...string) *Sheets {
	s := &Sheets{tokens: tokens, books: map[string]*book{}, wrote: make(chan struct{})}
	stub, err := strict.New(s.contract())
	if err != nil {
		panic(err) // the contract is this package's own, and a test sees it whole
	}
	s.Stub = stub
	return s
}

// ServeHTTP answers as Google would.
func (s *Sheets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, is := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	known := len(s.tokens) == 0 || slices.Contains(s.tokens, token)
	s.mu.Unlock()
	if is && !known { // one that was taken may be revoked; none at all is against the contract
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		w.WriteHeader(401)
		fmt.Fprint(w, `{"error": {"code": 401, "message": "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.", "status": "UNAUTHENTICATED"}}`)
		return
	}
	s.Stub.ServeHTTP(w, r)
}

// Tokens changes which tokens are taken.
func (s *Sheets) Tokens(tokens ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = tokens
}

// LoseAppend lets the next append happen and be answered with 500, as if it had
// not.
func (s *Sheets) LoseAppend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lose = true
}

// Put makes a sheet of a spreadsheet, and the spreadsheet too if need be, in
// place of an earlier one of that title. Cells are texts, numbers as
// json.Number, and booleans; "" is an empty one. The grid has 1000 rows and 26
// columns, or as many as there are cells.
func (s *Sheets) Put(spreadsheet, sheet string, rows ...[]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.books[spreadsheet]
	if b == nil {
		b = &book{id: spreadsheet, title: spreadsheet, locale: "pt_BR", zone: "America/Sao_Paulo"}
		s.books[spreadsheet] = b
	}
	t := s.newTab(sheet)
	for i, row := range rows {
		for j, value := range row {
			if value != "" && value != nil {
				t.set(i, j, value)
			}
		}
		t.columns = max(t.columns, len(row))
	}
	t.rows = max(t.rows, len(rows))
	b.tabs = append(slices.DeleteFunc(b.tabs, func(old *tab) bool { return old.title == sheet }), t)
	s.changed()
}

// Grid sets how large a sheet is.
func (s *Sheets) Grid(spreadsheet, sheet string, rows, columns int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.books[spreadsheet].tab(sheet)
	t.rows, t.columns = rows, columns
}

func (s *Sheets) newTab(title string) *tab {
	s.made++
	return &tab{id: s.made, title: title, rows: 1000, columns: 26}
}

// Cells gives the values of a sheet, without empty ones at the ends; nil if it
// is not there. Numbers are json.Number.
func (s *Sheets) Cells(spreadsheet, sheet string) [][]any {
	values, _ := s.Watch(spreadsheet, sheet)
	return values
}

// Watch is Cells with a channel that is closed at the next change of anything.
func (s *Sheets) Watch(spreadsheet, sheet string) ([][]any, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.books[spreadsheet]
	if b == nil || b.tab(sheet) == nil {
		return nil, s.wrote
	}
	return block{tab: b.tab(sheet), rowEnd: -1, columnEnd: -1}.read("", false), s.wrote
}

// Titles lists the sheets of a spreadsheet.
func (s *Sheets) Titles(spreadsheet string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var titles []string
	if b := s.books[spreadsheet]; b != nil {
		for _, t := range b.tabs {
			titles = append(titles, t.title)
		}
	}
	return titles
}

func (s *Sheets) changed() {
	close(s.wrote)
	s.wrote = make(chan struct{})
}

// refused is an error in Google's form.
type refused struct {
	status  int
	word    string
	message string
}

func (r refused) Error() string { return r.message }

func fail(status int, word, message string) error { return refused{status, word, message} }

func (r refused) answer() strict.Answer {
	return Refusal(r.status, r.word, r.message)
}

// Refusal is an error as Google answers it, for strict.Stub.Next.
//
// Source: https://cloud.google.com/apis/design/errors
func Refusal(status int, word, message string) strict.Answer {
	return strict.Answer{Status: status, Body: map[string]any{"error": map[string]any{"code": status, "message": message, "status": word}}}
}

// RateLimited is the answer to too many requests.
//
// Source: https://developers.google.com/workspace/sheets/api/limits
func RateLimited() strict.Answer {
	return strict.Answer{Status: 429, Body: map[string]any{"error": map[string]any{
		"code": 429, "status": "RESOURCE_EXHAUSTED",
		"message": "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute per user' of service 'sheets.googleapis.com' for consumer 'project_number:100000000000'.",
		"details": []any{map[string]any{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED", "domain": "googleapis.com"}},
	}}}
}
