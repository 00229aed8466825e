package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/outbox"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/host/store/memory"
	"github.com/trama-run/trama/pdk/abi"
)

// rig is a runner over a store in memory, with a clock of its own.
type rig struct {
	*testing.T
	disk    *memory.Disk
	store   store.Store
	now     time.Time
	catalog *catalog.Catalog
	runner  *Runner
	log     bytes.Buffer

	call func() // is called while a plugin is; nil: nothing
	gone bool   // the plugin is not there
}

var began = time.Date(2026, 2, 2, 8, 0, 0, 0, time.UTC) // a Monday

func newRig(t *testing.T, flows ...string) *rig {
	t.Helper()
	r := &rig{T: t, disk: memory.NewDisk(), now: began}
	r.open()
	r.apply(flows...)
	return r
}

// open starts a runner on what is on disk; the one before is as good as dead.
func (r *rig) open() {
	r.Helper()
	if onDisk(r.T) {
		r.openBadger()
	} else {
		r.store = memory.Open(r.disk, func() time.Time { return r.now })
	}
	c, err := catalog.Open(r.Context(), r.store, func(*catalog.Snapshot) {})
	if err != nil {
		r.Fatal(err)
	}
	r.catalog = c
	r.runner = New(Config{
		Store: r.store, Catalog: func() *catalog.Catalog { return r.catalog }, Plugins: (*plugins)(r), Poke: func() {},
		Now: func() time.Time { return r.now }, Sleep: func(context.Context, time.Duration) error { return nil },
		Log: slog.New(slog.NewTextHandler(&r.log, nil)),
	})
	runner := r.runner
	r.Cleanup(func() { runner.Close(context.Background()) })
}

// apply makes these the flows, beside the channels wa and tg.
func (r *rig) apply(texts ...string) {
	r.Helper()
	set := catalog.Set{Channels: []catalog.Channel{{ID: "wa", Adapter: "post"}, {ID: "tg", Adapter: "post"}}}
	for _, text := range texts {
		f, err := flow.Parse("f.yaml", []byte(text))
		if err != nil {
			r.Fatal(err)
		}
		set.Flows = append(set.Flows, f)
	}
	if _, err := r.catalog.Apply(r.Context(), set, true); err != nil {
		r.Fatal(err)
	}
}

// work does all that is due, in the order of its instants.
func (r *rig) work() {
	r.Helper()
	for range 1000 {
		wakes, err := r.store.Due(r.Context(), store.Wake{}, r.now, 1)
		if err != nil {
			r.Fatal(err)
		}
		if len(wakes) == 0 {
			return
		}
		r.handle(wakes[0])
	}
	r.Fatal("work without end")
}

// handle is what the dispatcher does with a wake.
func (r *rig) handle(w store.Wake) {
	r.Helper()
	prefix, _, _ := strings.Cut(w.Key, ":")
	var err error
	switch prefix {
	case mail.Prefix:
		w.At, err = r.runner.Contact(r.Context(), w.Key)
	case PrefixRun:
		w.At, err = r.runner.Alone(r.Context(), w.Key)
	case PrefixSchedule:
		w.At, err = r.runner.Schedule(r.Context(), w.Key)
	default:
		w.At = time.Time{} // an outbox
	}
	if err != nil {
		r.Fatalf("%s: %v", w.Key, err)
	}
	r.commit(&store.Batch{Wake: []store.Wake{w}})
}

func (r *rig) commit(b *store.Batch) {
	r.Helper()
	if _, err := r.store.Commit(r.Context(), b); err != nil {
		r.Fatal(err)
	}
}

// write lets a contact write, a second later, and works.
func (r *rig) write(who string, m abi.Message) {
	r.Helper()
	r.now = r.now.Add(time.Second)
	channel, address, err := contact.Key(who).Split()
	if err != nil {
		r.Fatal(err)
	}
	if m.Type == "" {
		m.Type = abi.MessageText
	}
	var b store.Batch
	unit := abi.Unit{ID: fmt.Sprint(channel, r.now.UnixNano()), From: address, Message: &m}
	if err := mail.Post(&b, contact.Key(who), mail.Letter{Unit: unit}, r.now); err != nil {
		r.Fatal(err)
	}
	r.commit(&b)
	r.work()
}

func (r *rig) says(who, text string) { r.Helper(); r.write(who, abi.Message{Text: text}) }

// sent gives the texts that a contact was sent.
func (r *rig) sent(who string) []string {
	r.Helper()
	items, err := r.store.Read(r.Context(), outbox.ContactKey(contact.Key(who)), 0, 1000)
	if err != nil {
		r.Fatal(err)
	}
	texts := []string{}
	for _, item := range items {
		var m outbox.Message
		if err := json.Unmarshal(item.Value, &m); err != nil {
			r.Fatal(err)
		}
		texts = append(texts, m.Message.Text)
	}
	return texts
}

func (r *rig) wantSent(who string, want ...string) {
	r.Helper()
	if got := r.sent(who); !slices.Equal(got, want) {
		r.Errorf("%s was sent %q, want %q", who, got, want)
	}
}

// records gives the records of runs, the oldest first.
func (r *rig) records() []record.Record {
	r.Helper()
	stored, err := r.store.List(r.Context(), record.Kind, "", 1000, false)
	if err != nil {
		r.Fatal(err)
	}
	list := make([]record.Record, len(stored))
	for i, s := range stored {
		if err := json.Unmarshal(s.Value, &list[i]); err != nil {
			r.Fatal(err)
		}
	}
	return list
}

// plugins is one plugin, "slow", whose operation "go" is idempotent.
type plugins rig

func (p *plugins) Call(_ context.Context, c plugin.Call) (json.RawMessage, plugin.Usage, *abi.Error) {
	if p.call != nil {
		p.call()
	}
	return json.RawMessage(`{}`), plugin.Usage{}, nil
}

func (p *plugins) ManifestOf(name, _ string) (abi.Manifest, bool) {
	return abi.Manifest{Name: name, Kind: abi.KindConnector, Operations: []abi.Operation{{Name: "go", Export: "go", Effect: abi.EffectIdempotent}, {Name: "look", Export: "look", Effect: abi.EffectPure}}}, name == "slow" && !p.gone
}

func (p *plugins) Serving(name string) string {
	if name != "slow" || p.gone {
		return ""
	}
	return "d1"
}

func (p *plugins) ReadyOf(name, _ string) *abi.Error {
	if name != "slow" || p.gone {
		return &abi.Error{Code: abi.CodeUnavailable, Message: "there is no plugin " + name}
	}
	return nil
}

// is fails unless an error is what is wanted.
func (r *rig) is(err, want error) {
	r.Helper()
	if !errors.Is(err, want) {
		r.Errorf("%v, want %v", err, want)
	}
}
