package run

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trama-run/trama/host/dispatch"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/run/mail"
	"github.com/trama-run/trama/pdk/abi"
)

// stuck is a plugin whose system does not answer until it is let go.
type stuck struct {
	*plugins
	calls atomic.Int64
	let   chan bool
}

func (s *stuck) Call(context.Context, plugin.Call) (json.RawMessage, plugin.Usage, *abi.Error) {
	s.calls.Add(1)
	<-s.let
	return json.RawMessage(`{}`), plugin.Usage{}, nil
}

// TestSlowSystem: however many contacts wait for a system that is slow, others
// go on.
func TestSlowSystem(t *testing.T) {
	const many = 150 // more than a dispatcher runs at once
	r := newRig(t, `schema: 1
id: call
triggers: [{id: go, type: activate}]
nodes: [{id: call, type: slow.go, with: {}}]
edges: [{from: go, to: call}]
`, `schema: 1
id: say
triggers: [{id: go, type: activate}]
nodes: [{id: say, type: send_message, with: {text: here}}]
edges: [{from: go, to: say}]
`)
	s := &stuck{plugins: (*plugins)(r), let: make(chan bool)}
	r.runner.config.Plugins = s
	var keys []string
	for i := range many {
		keys = append(keys, fmt.Sprint("wa/p:", i))
	}
	if _, err := r.runner.Activate(t.Context(), Activation{Flow: "call", Contacts: keys}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	work := dispatch.New(r.store, slog.New(slog.DiscardHandler), map[string]dispatch.Handler{mail.Prefix: r.runner.Contact})
	go func() { ended <- work.Run(ctx, time.Minute) }()
	defer func() {
		close(s.let)
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	within := func(what string, done func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: not within 20 s", what)
			}
		}
	}
	within("all calls", func() bool { return s.calls.Load() == many })
	if _, err := r.runner.Activate(t.Context(), Activation{Flow: "say", Contacts: []string{"wa/p:other"}}); err != nil {
		t.Fatal(err)
	}
	work.Poke()
	within("another contact", func() bool {
		items, err := r.store.Read(t.Context(), "outbox:wa/p:other", 0, 1)
		return err == nil && len(items) == 1
	})
}
