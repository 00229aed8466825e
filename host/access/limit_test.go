package access

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/store"
)

func TestRateText(t *testing.T) {
	for _, c := range []struct {
		text, want, words string
		bad               bool
	}{
		{text: "100/1m", words: "100 requests a minute"},
		{text: "1/1h", words: "1 request an hour"},
		{text: "10000/1d", words: "10000 requests a day"},
		{text: "5/30s", words: "5 requests in 30 seconds"},
		{text: "5/60s", want: "5/1m", words: "5 requests a minute"},
		{text: "7/36h", words: "7 requests in 36 hours"},
		{text: "1000000000/366d", words: "1000000000 requests in 366 days"},
		{text: "0/1m", bad: true}, {text: "1/0m", bad: true}, {text: "1/367d", bad: true}, {text: "1000000001/1s", bad: true},
		{text: "100", bad: true}, {text: "100/", bad: true}, {text: "/1m", bad: true}, {text: "100/m", bad: true}, {text: "100/1w", bad: true},
		{text: "-1/1m", bad: true}, {text: "+1/1m", bad: true}, {text: "01/1m", bad: true}, {text: "1/01m", bad: true}, {text: "1/1m ", bad: true}, {text: "1.5/1m", bad: true}, {text: "", bad: true},
	} {
		r, err := ParseRate(c.text)
		if c.want == "" {
			c.want = c.text
		}
		switch {
		case c.bad && err == nil:
			t.Errorf("%q is read as %v", c.text, r)
		case !c.bad && (err != nil || r.String() != c.want || r.words() != c.words):
			t.Errorf("%q: %q, %q, %v", c.text, r.String(), r.words(), err)
		}
	}
}

// FuzzRate: a rate that is read is written as it was, and divides.
func FuzzRate(f *testing.F) {
	for _, seed := range []string{"100/1m", "1/366d", "1000000000/1s", "0/0s", "9999999999/1m", "/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRate(text)
		if err != nil {
			return
		}
		if again, err := ParseRate(r.String()); err != nil || again != r || r.each() <= 0 {
			t.Errorf("%q is %v, written %q and read as %v, %v", text, r, r.String(), again, err)
		}
	})
}

func TestRate(t *testing.T) {
	r := newRig(t)
	value, _ := r.client(Client{Name: "erp", Rate: Rate{5, time.Hour}})
	shop, _ := r.client(Client{Name: "shop"})
	security := secured(t, "{clients: any, rate: 3/1m}")
	try := func(id string) (Caller, *problem.Details) {
		return r.Check(t.Context(), asks(security, here, "client_id: "+id))
	}
	for left := 2; left >= 0; left-- {
		caller, refused := try(value)
		if refused != nil {
			t.Fatal(refused)
		}
		want := fmt.Sprintf(`"rate";r=%d;t=%d, "client-rate";r=%d;t=%d`, left, map[bool]int{true: 20, false: (3 - left) * 20}[left == 0], left+2, (3-left)*720)
		if caller.Header["RateLimit"] != want || caller.Header["RateLimit-Policy"] != `"rate";q=3;w=60, "client-rate";q=5;w=3600` {
			t.Errorf("headers %v, want %s", caller.Header, want)
		}
	}
	_, refused := try(value)
	if code(refused) != "429 rate_limited" || refused.RetryAfter != 20*time.Second || !refused.Retry || refused.Header["RateLimit"] == "" {
		t.Errorf("one more: %+v", refused)
	}
	if _, refused := try(shop); refused != nil {
		t.Errorf("another client: %v", refused)
	}
	other := asks(security, here, "client_id: "+value)
	if other.Owner = "GET /b"; true {
		if _, refused := r.Check(t.Context(), other); refused != nil {
			t.Errorf("another route: %v", refused)
		}
	}
	r.now = r.now.Add(20 * time.Second)
	if _, refused := try(value); refused != nil {
		t.Errorf("when it is time: %v", refused)
	}
	r.now = r.now.Add(40 * time.Second)
	_, refused = try(value)
	if code(refused) != "429 rate_limited" || refused.RetryAfter != 11*time.Minute {
		t.Errorf("the client's own rate: %+v", refused)
	}
	security = secured(t, "{public: true, rate: 1/1m}")
	for _, c := range []struct {
		peer string
		want string
	}{
		{here, ""}, {here, "429 rate_limited"}, {"198.51.100.2", ""},
		{"2001:db8::1", ""}, {"2001:db8::2", "429 rate_limited"}, {"2001:db8:0:1::1", ""},
	} {
		if _, refused := r.Check(t.Context(), asks(security, c.peer)); code(refused) != c.want {
			t.Errorf("%s: %v, want %q", c.peer, refused, c.want)
		}
	}
}

func TestQuota(t *testing.T) {
	r := newRig(t)
	value, _ := r.client(Client{Name: "erp", Quota: Rate{100, day}})
	security := secured(t, "{clients: any, quota: 3/1d}")
	try := func() string {
		_, refused := r.Check(t.Context(), asks(security, here, "client_id: "+value))
		if refused != nil && refused.Status == 429 && refused.RetryAfter != 12*time.Hour {
			t.Errorf("retry after %s, want until midnight", refused.RetryAfter)
		}
		return code(refused)
	}
	used := func(want int) {
		t.Helper()
		if n, err := r.Used(t.Context(), r.known[0]); n != want || err != nil {
			t.Errorf("%d of the client's calls are used, %v; want %d", n, err, want)
		}
	}
	for range 2 {
		if refused := try(); refused != "" {
			t.Fatal(refused)
		}
	}
	used(2)
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.start()
	used(2)
	if try() != "" || try() != "429 quota_exceeded" || try() != "429 quota_exceeded" {
		t.Error("a restart forgets, or what is refused counts")
	}
	used(3)
	r.start() // a crash: what was counted since it was saved is given again
	if try() != "" || try() != "429 quota_exceeded" {
		t.Error("a crash gives something else than what was not saved")
	}
	if r.now = r.now.Add(12 * time.Hour); try() != "" {
		t.Error("the day begins anew at midnight")
	}
	used(1)
}

// brittle is a store that fails when it is told to.
type brittle struct {
	store.Store
	broken bool
}

var errBroken = errors.New("broken")

func (b *brittle) Commit(ctx context.Context, batch *store.Batch) (store.Result, error) {
	if b.broken {
		return store.Result{}, errBroken
	}
	return b.Store.Commit(ctx, batch)
}

func (b *brittle) Load(ctx context.Context, id store.ID) (store.Record, error) {
	if b.broken {
		return store.Record{}, errBroken
	}
	return b.Store.Load(ctx, id)
}

// TestQuotaSaved: counts that could not be saved are saved later, and a count
// that memory let go of is not lost.
func TestQuotaSaved(t *testing.T) {
	var broken *brittle
	r := newRig(t, func(r *rig) {
		broken = &brittle{Store: r.store}
		r.store = broken
	})
	r.limits.quotas.max = 2
	security := secured(t, "{public: true, quota: 5/1d}")
	try := func(peer int) string {
		_, refused := r.Check(t.Context(), asks(security, fmt.Sprintf("10.0.0.%d", peer)))
		return code(refused)
	}
	for round := range 2 {
		for peer := range 5 {
			if got := try(peer); got != "" {
				t.Fatalf("round %d, peer %d: %s", round, peer, got)
			}
		}
	}
	broken.broken = true
	if err := r.limits.save(t.Context(), r.now); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	if got := try(9); got != "503 limits_unavailable" {
		t.Errorf("a count that can't be read: %q", got)
	}
	if got := try(0); got != "" {
		t.Errorf("a count that is in memory: %q", got)
	}
	broken.broken = false
	if err := r.limits.save(t.Context(), r.now); err != nil {
		t.Fatal(err)
	}
	r.start()
	for peer := range 5 {
		more := 3
		if peer == 0 {
			more = 2
		}
		for range more {
			if got := try(peer); got != "" {
				t.Errorf("peer %d: %s", peer, got)
			}
		}
		if got := try(peer); got != "429 quota_exceeded" {
			t.Errorf("peer %d was let in once more than it may be: %q", peer, got)
		}
	}
}

// TestOpen: addresses alone keep nobody out if they are all there are.
func TestOpen(t *testing.T) {
	for security, want := range map[string]bool{
		"{public: true}":                       true,
		"{ips: [10.0.0.0/8]}":                  false,
		"{ips: [0.0.0.0/0, \"::/0\"]}":         true,
		"{ips: [0.0.0.0/0]}":                   true,
		"{ips: [\"::/0\"]}":                    true,
		"{ips: [128.0.0.0/1, 0.0.0.0/1]}":      true,
		"{ips: [\"::/1\", \"8000::/1\"]}":      true,
		"{ips: [0.0.0.0/1, 192.0.0.0/2]}":      false,
		"{ips: [\"8000::/1\", 128.0.0.0/1]}":   false,
		"{ips: [0.0.0.0/0], clients: any}":     false,
		"{ips: [0.0.0.0/0], signed: true}":     false,
		"[{clients: any}, {ips: [0.0.0.0/0]}]": true,
		"{ips: [0.0.0.0/0], signature: {scheme: {preset: hubspot-v2}, secret: a}}":               false,
		"{ips: [0.0.0.0/0], jwt: {issuer: i, audience: a, algorithms: [HS256], secret: tokens}}": false,
	} {
		if got := secured(t, security).Open(); got != want {
			t.Errorf("%s: open: %v", security, got)
		}
	}
	if !Security(nil).Open() {
		t.Error("nothing asked is not open")
	}
}

func TestWords(t *testing.T) {
	jwt := `jwt: {issuer: "https://login.example", audience: orders, algorithms: [RS256], jwks: "https://login.example/keys"}`
	for _, c := range []struct{ security, want string }{
		{"{public: true}", "anyone"},
		{"{public: true, rate: 10/1m}", "anyone; 10 requests a minute each"},
		{"{ips: [10.0.0.0/8, \"::1\"]}", "only from 10.0.0.0/8, ::1"},
		{"{ips: [0.0.0.0/0, \"::/0\"]}", "anyone, from 0.0.0.0/0, ::/0"},
		{"{clients: any}", "any client"},
		{"{clients: [erp]}", "only client erp"},
		{"{clients: [erp, shop], scopes: [orders.write], ips: [10.0.0.0/8], rate: 100/1m}", "only clients erp, shop with scope orders.write, from 10.0.0.0/8; 100 requests a minute each"},
		{"{signed: true, quota: 10000/1d}", "any client that signs the request; at most 10000 requests a day each"},
		{"{clients: [erp], signed: true, scopes: [a, b]}", "only client erp that signs the request, with scopes a, b"},
		{"{" + jwt + ", scopes: [a]}", "anyone with a token of https://login.example for orders and scope a"},
		{"{clients: [erp], " + jwt + "}", "only client erp with a token of https://login.example for orders"},
		{"[{ips: [10.0.0.0/8]}, {clients: any, rate: 1/1s}]", "either only from 10.0.0.0/8, or any client; 1 request a second each"},
	} {
		if got := secured(t, c.security).Words(); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.security, got, c.want)
		}
	}
	if got := Security(nil).Words(); got != "anyone" {
		t.Errorf("nothing asked: %q", got)
	}
	for _, w := range []string{"erp", "login.example", "10.0.0.0/8"} {
		r := newRig(t)
		_, refused := r.Check(t.Context(), asks(secured(t, "[{clients: [erp], ips: [10.0.0.0/8]}, {"+jwt+"}]"), here))
		if strings.Contains(string(refused.JSON())+fmt.Sprint(refused.Header), w) {
			t.Errorf("an answer tells of %s: %s", w, refused.JSON())
		}
	}
}

// TestSaveEnds: what is counted while counts are saved is for the next time.
func TestSaveEnds(t *testing.T) {
	var during *meanwhile
	r := newRig(t, func(r *rig) {
		during = &meanwhile{Store: r.store}
		r.store = during
	})
	security := secured(t, "{public: true, quota: 10/1d}")
	call := func() {
		if _, refused := r.Check(t.Context(), asks(security, "10.0.0.1")); refused != nil {
			t.Fatal(refused)
		}
	}
	call()
	during.do = func() { // one commit, and one call in it
		if during.commits > 1 {
			t.Fatal("it saves on and on")
		}
		call()
	}
	if err := r.limits.save(t.Context(), r.now); err != nil {
		t.Fatal(err)
	}
	during.do = func() {}
	if err := r.Close(t.Context()); err != nil || during.commits != 2 {
		t.Errorf("%d commits, %v", during.commits, err)
	}
	r.start()
	for range 8 {
		call()
	}
	if _, refused := r.Check(t.Context(), asks(security, "10.0.0.1")); code(refused) != "429 quota_exceeded" {
		t.Errorf("the eleventh call: %q", code(refused))
	}
}

// meanwhile does something during each commit.
type meanwhile struct {
	store.Store
	do      func()
	commits int
}

func (m *meanwhile) Commit(ctx context.Context, batch *store.Batch) (store.Result, error) {
	m.commits++
	m.do()
	return m.Store.Commit(ctx, batch)
}
