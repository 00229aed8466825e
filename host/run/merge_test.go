package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/trama-run/trama/host/blob"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/kv"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// echoing says what it hears, and asks for more.
const echoing = `schema: 1
id: echo
triggers: [{id: any, type: message}]
nodes:
  - {id: note, type: set_user, with: {append: {heard: "{{ input.text }}"}}}
  - {id: say, type: send_message, with: {text: "{{ user.channel }} {{ input.text }}"}}
edges: [{from: any, to: note}, {from: note, to: say}]
`

const naming = `schema: 1
id: ask
triggers: [{id: any, type: message, keywords: ask}]
nodes:
  - {id: ask, type: send_message, with: {text: name}}
  - {id: wait, type: wait_reply, with: {}}
  - {id: thanks, type: send_message, with: {text: "thanks {{ input.text }}"}}
edges: [{from: any, to: ask}, {from: ask, to: wait}, {from: wait, to: thanks}]
`

func (r *rig) merge(into, from contact.Key, force bool) (Merged, error) {
	r.Helper()
	return r.runner.Merge(r.Context(), into, from, force)
}

// meet makes contacts that have not written.
func (r *rig) meet(keys ...contact.Key) {
	r.Helper()
	for _, key := range keys {
		if _, _, err := r.runner.EditContact(r.Context(), key, ContactEdit{}, "import", false); err != nil {
			r.Fatal(err)
		}
	}
}

// known gives the contacts by key.
func (r *rig) known() map[contact.Key]contact.Contact {
	r.Helper()
	list, err := r.runner.Contacts(r.Context(), "", 1000)
	if err != nil {
		r.Fatal(err)
	}
	all := map[contact.Key]contact.Contact{}
	for _, c := range list {
		all[c.Key()] = c
	}
	return all
}

// TestMerge: two contacts that are one have what both had, and are answered
// where they write.
func TestMerge(t *testing.T) {
	r := newRig(t, echoing)
	r.says("wa/p:1", "one")
	r.says("tg/p:9", "two")
	m, err := r.merge("wa/p:1", "tg/p:9", false)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Conflicts) != 1 || m.Conflicts[0].Name != "user.heard" {
		t.Errorf("conflicts %+v, want the one variable", m.Conflicts)
	}
	r.says("tg/p:9", "three")
	r.says("wa/p:1", "four")
	r.wantSent("wa/p:1", "wa one", "wa four")
	r.wantSent("tg/p:9", "tg two", "tg three")
	all := r.known()
	if c := all["wa/p:1"]; len(all) != 1 || fmt.Sprint(c.Vars["heard"]) != "[one three four]" || !slices.Equal(c.Also, []contact.Key{"tg/p:9"}) || c.Merged.IsZero() {
		t.Errorf("contacts %+v", all)
	}
	_, err = r.merge("tg/p:9", "wa/p:1", false)
	r.is(err, ErrSame)
	for _, pair := range [][2]contact.Key{{"wa/p:1", "wa/p:77"}, {"wa/p:77", "wa/p:1"}} { // of which nothing is known
		_, err = r.merge(pair[0], pair[1], false)
		r.is(err, mail.ErrNoContact)
		if _, found, err := Person(t.Context(), r.store, "wa/p:77"); found || err != nil {
			t.Errorf("merging made a contact: %v", err)
		}
	}
	_, err = r.merge("wa/p:1", "none/p:1", false)
	r.is(err, mail.ErrNoContact)
}

// TestMergeRuns: the run of the one that has any goes on, where it was; of two
// runs one must end, and nobody ends it unasked.
func TestMergeRuns(t *testing.T) {
	r := newRig(t, naming)
	r.meet("wa/p:1")
	r.says("tg/p:9", "ask")
	m, err := r.merge("wa/p:1", "tg/p:9", false)
	if err != nil || m.Moved == "" {
		t.Fatalf("%+v, %v", m, err)
	}
	r.says("tg/p:9", "Ana")
	r.wantSent("tg/p:9", "name", "thanks Ana")
	r.wantSent("wa/p:1")
	r.says("tg/p:9", "ask")
	r.says("wa/p:2", "ask")
	_, err = r.merge("wa/p:1", "wa/p:2", false)
	r.is(err, ErrBothRun)
	m, err = r.merge("wa/p:1", "wa/p:2", true)
	if err != nil || m.Ended == "" {
		t.Fatalf("%+v, %v", m, err)
	}
	for _, record := range r.records() {
		if record.ID == m.Ended && (record.Status != "cancelled" || !strings.Contains(record.Reason, "merged into wa/p:1")) {
			t.Errorf("the run that was ended: %+v", record)
		}
	}
	r.says("wa/p:2", "Bob") // the run of the other hears it, and answers there
	r.wantSent("wa/p:2", "name", "thanks Bob")
}

// TestMergeMemory: what plugins remember comes along, and what both had stays
// the first one's.
func TestMergeMemory(t *testing.T) {
	r := newRig(t, echoing)
	r.meet("wa/p:1", "wa/p:2")
	put := func(who, plugin, value string) {
		m := kv.Open(r.store, who)
		c := m.Begin(plugin, 1<<20)
		if err := c.Set(t.Context(), "k", []byte(value)); err != nil {
			t.Fatal(err)
		}
		c.Keep()
		var b store.Batch
		if err := m.Save(&b); err != nil {
			t.Fatal(err)
		}
		r.commit(&b)
	}
	put("wa/p:1", "both", "mine")
	put("wa/p:2", "both", "other")
	put("wa/p:2", "only", "other")
	put("wa/p:2/only", "deep", "another contact's")
	m, err := r.merge("wa/p:1", "wa/p:2", false)
	if err != nil || !slices.Equal(m.Memory, []string{"both"}) {
		t.Fatalf("%+v, %v", m, err)
	}
	r.work()
	for _, c := range []struct{ who, plugin, want string }{
		{"wa/p:1", "both", "mine"}, {"wa/p:1", "only", "other"}, {"wa/p:2", "both", ""}, {"wa/p:2", "only", ""}, {"wa/p:2/only", "deep", "another contact's"},
	} {
		got, _, err := kv.Open(r.store, c.who).Begin(c.plugin, 1<<20).Get(t.Context(), "k")
		if err != nil || string(got) != c.want {
			t.Errorf("%s of %s is %q, %v; want %q", c.plugin, c.who, got, err, c.want)
		}
	}
	if n, err := kv.Erase(t.Context(), r.store, "wa/p:2", true); n != 0 || err != nil {
		t.Errorf("%d values are left, %v", n, err)
	}
}

// TestMergeMemoryCrash: whatever a merge is cut short at, the plugins of a contact
// see nothing of the other's as long as they are two.
func TestMergeMemoryCrash(t *testing.T) {
	r := newRig(t, echoing)
	r.meet("wa/p:1", "wa/p:2")
	m := kv.Open(r.store, "wa/p:2")
	c := m.Begin("crm", 1<<20)
	if err := c.Set(t.Context(), "k", []byte("other")); err != nil {
		t.Fatal(err)
	}
	c.Keep()
	var b store.Batch
	if err := m.Save(&b); err != nil {
		t.Fatal(err)
	}
	r.commit(&b)
	for at := 1; ; at++ {
		r.runner.config.Store = &failing{Store: r.store, at: at}
		_, err := r.runner.Merge(t.Context(), "wa/p:1", "wa/p:2", false)
		r.runner.config.Store = r.store
		got, _, e := kv.Open(r.store, "wa/p:1").Begin("crm", 1<<20).Get(t.Context(), "k")
		if e != nil {
			t.Fatal(e)
		}
		if err == nil {
			if string(got) != "other" || at < 3 {
				t.Errorf("merged in %d commits, it remembers %q", at-1, got)
			}
			break
		}
		if !errors.Is(err, errDied) || got != nil {
			t.Errorf("dead at commit %d: %v, it remembers %q", at, err, got)
		}
	}
}

// TestMergeFiles: a file that either was given before is the contact's then, and
// nobody else's.
func TestMergeFiles(t *testing.T) {
	r := newRig(t, echoing)
	r.says("wa/p:1", "one")
	r.says("tg/p:9", "two")
	w := blob.Of(r.store, mail.Key("tg/p:9")).Create(t.Context(), "text/plain")
	if _, err := w.Write([]byte("given")); err != nil {
		t.Fatal(err)
	}
	b, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	reads := func(owner string) string {
		of := blobsOf(r.store, owner)
		if _, err := of.Stat(t.Context(), b.ID); err != nil {
			return err.(*abi.Error).Code
		}
		data, err := io.ReadAll(of.Open(t.Context(), b.ID))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	if got := reads(mail.Key("wa/p:1")); got != abi.CodeDenied {
		t.Errorf("before they are one: %q", got)
	}
	if _, err := r.merge("wa/p:1", "tg/p:9", false); err != nil {
		t.Fatal(err)
	}
	r.meet("wa/p:0")
	if _, err := r.merge("wa/p:0", "wa/p:1", false); err != nil { // and once more
		t.Fatal(err)
	}
	for owner, want := range map[string]string{
		mail.Key("wa/p:0"): "given", mail.Key("wa/p:1"): "given", mail.Key("tg/p:9"): "given",
		mail.Key("wa/p:2"): abi.CodeDenied, "run:wa/p:0": abi.CodeDenied,
	} {
		if got := reads(owner); got != want {
			t.Errorf("%s reads %q, want %q", owner, got, want)
		}
	}
}

// TestAlso: an adapter's other addresses are the contact's, whichever came
// first.
func TestAlso(t *testing.T) {
	r := newRig(t, echoing)
	from := func(path, text string, also ...string) {
		t.Helper()
		r.now = r.now.Add(time.Second)
		u := abi.Unit{ID: fmt.Sprint(r.now.UnixNano()), From: abi.Address{Scheme: "p", Path: path}, Message: &abi.Message{Type: abi.MessageText, Text: text}}
		for _, a := range also {
			u.Also = append(u.Also, abi.Address{Scheme: "p", Path: a})
		}
		var b store.Batch
		if err := mail.Post(&b, contact.KeyOf("wa", u.From), mail.Letter{Unit: u}, r.now); err != nil {
			t.Fatal(err)
		}
		r.commit(&b)
		r.work()
	}
	from("1", "a")
	from("2", "b", "1") // known before as 1
	from("1", "c", "2")
	from("3", "d", "4") // neither is known
	from("4", "e")
	all := r.known()
	if c := all["wa/p:1"]; len(all) != 2 || fmt.Sprint(c.Vars["heard"]) != "[a b c]" {
		t.Errorf("contacts %+v", all)
	}
	if c := all["wa/p:3"]; fmt.Sprint(c.Vars["heard"]) != "[d e]" {
		t.Errorf("contacts %+v", all)
	}
	r.wantSent("wa/p:2", "wa b")
	// What a send told makes them so too, whether the other was known or not, and
	// is no message.
	for _, told := range [][2]string{{"1", "5"}, {"1", "3"}, {"1", "2"}} {
		var b store.Batch
		l, err := mail.Named("told "+told[1], contact.Key("wa/p:"+told[0]), []abi.Address{{Scheme: "p", Path: told[1]}}, r.now)
		if err != nil {
			t.Fatal(err)
		}
		if err := mail.Post(&b, contact.Key("wa/p:"+told[0]), l, r.now); err != nil {
			t.Fatal(err)
		}
		r.commit(&b)
		r.work()
	}
	from("5", "f")
	all = r.known()
	if c := all["wa/p:1"]; len(all) != 1 || fmt.Sprint(c.Vars["heard"]) != "[a b c f]" || !c.Has("wa/p:5") || !c.Has("wa/p:4") {
		t.Errorf("contacts %+v", all)
	}
}

// TestOptAndBlock: news of a channel is kept, what is blocked starts nothing,
// and what nobody asked for is marked.
func TestOptAndBlock(t *testing.T) {
	r := newRig(t, echoing, greeting)
	var b store.Batch
	l, err := mail.Opted("u1", "wa/p:1", abi.OptOut, r.now)
	if err != nil {
		t.Fatal(err)
	}
	if err := mail.Post(&b, "wa/p:1", l, r.now); err != nil {
		t.Fatal(err)
	}
	r.commit(&b)
	r.work()
	c := r.stored()
	if c.OptOf("wa/p:1") != abi.OptOut || c.Opts["wa/p:1"].By != contact.ByChannel || !c.LastSeen.IsZero() {
		t.Errorf("the contact is %+v", c)
	}
}

// failing is a store whose commits fail, some before and some after they are
// made.
type failing struct {
	store.Store
	at    int // the commit that fails
	after bool
	count int
}

var errDied = errors.New("the process has died")

func (f *failing) Commit(ctx context.Context, b *store.Batch) (store.Result, error) {
	f.count++
	if f.count < f.at {
		return f.Store.Commit(ctx, b)
	}
	if f.count == f.at && f.after {
		if _, err := f.Store.Commit(ctx, b); err != nil {
			return store.Result{}, err
		}
	}
	return store.Result{}, errDied
}

// TestMergeCrash: a merge that is cut short anywhere is made or not, and ends
// alike when it is asked for again; no message is lost, doubled or out of order.
func TestMergeCrash(t *testing.T) {
	for at := 1; at < 12; at++ {
		for _, after := range []bool{false, true} {
			r := newRig(t, napping, echoing)
			r.says("wa/p:1", "nap")
			r.says("tg/p:9", "nap")
			for n := range 3 { // they wait
				r.says("tg/p:9", fmt.Sprint("t", n))
				r.says("wa/p:1", fmt.Sprint("w", n))
			}
			f := &failing{Store: r.store, at: at, after: after}
			r.runner.config.Store = f
			_, err := r.merge("wa/p:1", "tg/p:9", true)
			for err == nil {
				wakes, e := r.store.Due(t.Context(), store.Wake{}, r.now, 1)
				if e != nil {
					t.Fatal(e)
				}
				if len(wakes) == 0 {
					break
				}
				w := wakes[0]
				if w.At, err = r.runner.Contact(t.Context(), w.Key); err == nil || strings.HasPrefix(w.Key, "outbox") {
					r.commit(&store.Batch{Wake: []store.Wake{w}})
					err = nil
				}
			}
			if err != nil && !errors.Is(err, errDied) {
				t.Fatal(err)
			}
			r.open() // after the crash
			if _, err := r.merge("wa/p:1", "tg/p:9", true); err != nil && !errors.Is(err, ErrSame) {
				t.Fatal(err)
			}
			r.pass(2 * time.Hour)
			heard := fmt.Sprint(r.known()["wa/p:1"].Vars["heard"])
			var tg, wa []string
			for _, word := range strings.Fields(strings.Trim(heard, "[]")) {
				if word[0] == 't' {
					tg = append(tg, word)
				} else {
					wa = append(wa, word)
				}
			}
			if fmt.Sprint(tg) != "[t0 t1 t2]" || fmt.Sprint(wa) != "[w0 w1 w2]" {
				t.Errorf("at commit %d, after %v: heard %s", at, after, heard)
			}
			if len(r.known()) != 1 {
				t.Errorf("at commit %d, after %v: contacts %+v", at, after, r.known())
			}
		}
	}
}

// TestMergesAndMessages: whatever is merged whenever, each address's messages
// are heard once and in their order.
func TestMergesAndMessages(t *testing.T) {
	r, check := newRig(t, echoing), 0
	rapid.Check(t, func(rt *rapid.T) {
		check++
		var keys []contact.Key
		for _, key := range []string{"wa/p:1", "wa/p:2", "tg/p:3", "tg/p:4"} {
			keys = append(keys, contact.Key(fmt.Sprint(key, "-", check)))
		}
		r.meet(keys...)
		want := map[contact.Key][]string{}
		for n := range rapid.IntRange(1, 16).Draw(rt, "steps") {
			one := rapid.SampledFrom(keys).Draw(rt, "one")
			switch rapid.IntRange(0, 3).Draw(rt, "what") {
			case 0:
				other := rapid.SampledFrom(keys).Draw(rt, "other")
				if _, err := r.merge(one, other, true); err != nil && !errors.Is(err, ErrSame) {
					rt.Fatal(err)
				}
			case 1: // works a little
				wakes, err := r.store.Due(t.Context(), store.Wake{}, r.now, 1)
				if err != nil {
					rt.Fatal(err)
				}
				if len(wakes) > 0 {
					r.handle(wakes[0])
				}
			default:
				_, address, _ := one.Split()
				text := fmt.Sprint(n)
				want[one] = append(want[one], strings.SplitN(string(one), "/", 2)[0]+" "+text)
				var b store.Batch
				if err := mail.Post(&b, one, mail.Letter{Unit: abi.Unit{ID: fmt.Sprint(check, "/", text), From: address, Message: &abi.Message{Type: abi.MessageText, Text: text}}}, r.now); err != nil {
					rt.Fatal(err)
				}
				r.commit(&b)
			}
		}
		r.work()
		for _, key := range keys {
			if got := r.sent(string(key)); !slices.Equal(got, append([]string{}, want[key]...)) {
				rt.Fatalf("%s was answered %q, want %q", key, got, want[key])
			}
		}
	})
}
