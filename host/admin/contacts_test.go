package admin

import (
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// TestContactPages: a list of contacts carries their variables if it is asked
// to, in pages of a bounded size, and finds those that others became.
func TestContactPages(t *testing.T) {
	r := newRig(t)
	r.config.Runs = run.New(run.Config{Store: r.config.Store, Log: slog.New(slog.DiscardHandler)})
	defer r.config.Runs.Close(t.Context())
	r.mount(newAPI(r.config).endpoints())
	for _, one := range []struct {
		path   string
		size   int
		merged time.Time
	}{{"1", 3 << 20, time.Time{}}, {"2", 3 << 20, r.now}, {"3", 10, r.now.Add(-time.Hour)}, {"4", 5 << 20, time.Time{}}, {"5", 10, time.Time{}}} {
		known := contact.Contact{Channel: "wa", Address: abi.Address{Scheme: "p", Path: one.path}, Merged: one.merged, Vars: map[string]any{"big": strings.Repeat("x", one.size)}}
		data, err := json.Marshal(known)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.config.Store.Commit(t.Context(), &store.Batch{Put: []store.Put{{ID: store.ID{Kind: run.KindContact, Key: string(known.Key())}, Value: data}}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ query, want, more string }{
		{"", "1 2 3 4 5", ""},
		{"limit=2", "1 2", "wa/p:2"},
		{"limit=5", "1 2 3 4 5", ""},
		{"variables=true", "1+ 2+", "wa/p:2"},
		{"variables=true&after=wa/p:2", "3+ 4+", "wa/p:4"}, // one is on a page whatever its size
		{"variables=true&after=wa/p:4", "5+", ""},
		{"variables=true&after=wa/p:44", "5+", ""}, // who stood there is gone
		{"merged_since=" + r.now.Format(time.RFC3339), "2", ""},
		{"merged_since=" + r.now.Add(-time.Hour).Format(time.RFC3339), "2 3", ""},
	} {
		q := httptest.NewRequest("GET", "/v1/contacts?"+c.query, nil)
		q.Header.Set("Authorization", "Bearer "+fileToken)
		answer, err := r.app.Test(q, -1)
		if err != nil {
			t.Fatal(err)
		}
		var list []ContactInfo
		err = json.NewDecoder(answer.Body).Decode(&list)
		answer.Body.Close()
		var got []string
		for _, one := range list {
			name := strings.TrimPrefix(string(one.Key), "wa/p:")
			if one.Variables != nil {
				name += "+"
			}
			got = append(got, name)
		}
		if more := answer.Header.Get(HeaderMore); err != nil || answer.StatusCode != 200 || strings.Join(got, " ") != c.want || more != c.more {
			t.Errorf("%q: %d %q and more behind %q (%v); want %q and %q", c.query, answer.StatusCode, got, more, err, c.want, c.more)
		}
	}
	described, err := describe(newAPI(r.config).endpoints())
	if err != nil {
		t.Fatal(err)
	}
	if described.Paths["/contacts"]["get"].Responses["200"].Headers[HeaderMore].Description == "" {
		t.Errorf("the document does not say what %s is", HeaderMore)
	}
}
