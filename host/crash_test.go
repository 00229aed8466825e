package host_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/store"
)

// TestCrashes kills the host at random moments while contacts write: at the
// end each acknowledged message was counted once, in order, and each answer
// was sent at least once, always with the effect id that it had at first.
func TestCrashes(t *testing.T) {
	t.Parallel()
	const kills, people = 10, 4
	p := newPeer(t)
	i := install(t, nil, withPost(t, p, counting))
	i.secrets = map[string]string{"post_key": postKey, "peer_token": "x"}

	var host atomic.Pointer[child]
	host.Store(i.startChild())
	done := make(chan struct{})
	acked := make([]int, people)
	var senders sync.WaitGroup
	for n := range people {
		senders.Go(func() {
			who := fmt.Sprint("p", n)
			for {
				id := fmt.Sprint(who, "-", acked[n]+1)
				body := webhook(unit{ID: id, From: who, Text: id})
				a := i.send("POST", "http://"+host.Load().addr+"/hooks/post", body, "X-Post-Delivery", id, "X-Post-Signature", postSignature(body))
				if a.err == nil && a.status == 200 {
					acked[n]++
				} else if a.err == nil {
					t.Errorf("status %d: %s", a.status, a.body)
				}
				end := done
				if a.err != nil {
					end = nil // it may be stored: it is sent until it is acknowledged
				}
				select {
				case <-end:
					return
				case <-time.After(time.Duration(rand.IntN(60)) * time.Millisecond):
				}
			}
		})
	}
	for range kills {
		time.Sleep(time.Duration(50+rand.IntN(600)) * time.Millisecond)
		host.Load().kill()
		host.Store(i.startChild())
	}
	close(done)
	senders.Wait()

	counts := func(s store.Store) (counts []int) {
		for n := range people {
			key := string(contact.KeyOf("post", address(fmt.Sprint("p", n))))
			record, err := s.Load(context.Background(), store.ID{Kind: run.KindContact, Key: key})
			if err != nil {
				t.Fatalf("contact %s: %v", key, err)
			}
			var c contact.Contact
			if err := json.Unmarshal(record.Value, &c); err != nil {
				t.Fatal(err)
			}
			count, _ := c.Vars["n"].(float64)
			counts = append(counts, int(count))
		}
		return counts
	}
	i.eventually("the last answers", func() error {
		for n := range people {
			if texts := p.texts(fmt.Sprint("p", n)); acked[n] > 0 && !slices.Contains(texts, fmt.Sprintf("%d: p%d-%d", acked[n], n, acked[n])) {
				return fmt.Errorf("person %d wrote %d; got %d", n, acked[n], len(texts))
			}
		}
		return nil
	})
	host.Load().kill()
	i.start()
	i.inStore(func(s store.Store) {
		if got := counts(s); !slices.Equal(got, acked) {
			t.Errorf("counted %v, acknowledged %v", got, acked)
		}
	})
	effects, doubles, total := map[string]string{}, 0, 0
	for _, s := range p.got() {
		if first, again := effects[s.Text]; again {
			doubles++
			if first != s.EffectID {
				t.Errorf("%q was sent with the effect ids %q and %q", s.Text, first, s.EffectID)
			}
		}
		effects[s.Text] = s.EffectID
	}
	for n := range people {
		total += acked[n]
		for m := range acked[n] {
			if text := fmt.Sprintf("%d: p%d-%d", m+1, n, m+1); effects[text] == "" {
				t.Errorf("never sent: %q", text)
			}
		}
		if !inOrder(p.texts(fmt.Sprint("p", n))) {
			t.Errorf("person %d got %q", n, p.texts(fmt.Sprint("p", n)))
		}
	}
	if len(effects) != total || total < people*kills {
		t.Errorf("%d different answers to %d messages", len(effects), total)
	}
	i.dead(0)
	t.Logf("%d messages, %d kills, %d answers sent twice", total, kills, doubles)
}

// inOrder says whether texts that begin with a number never go back, but for
// one that is sent again.
func inOrder(texts []string) bool {
	last := 0
	for _, text := range texts {
		var n int
		if _, err := fmt.Sscanf(text, "%d:", &n); err != nil || n < last || n > last+1 || !strings.Contains(text, ": ") {
			return false
		}
		last = n
	}
	return true
}
