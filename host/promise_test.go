package host_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/deadletter"
)

// counting answers each message with how many the contact has written.
const counting = `schema: 1
id: talk
triggers: [{id: start, type: message, channel: post}]
nodes:
  - {id: count, type: set_user, with: {set: {n: "{{ (user.n ?? 0) + 1 }}"}}}
  - {id: say, type: send_message, with: {text: "{{ user.n }}: {{ input.text }}"}}
edges:
  - {from: start, to: count}
  - {from: count, to: say}
`

// startPost starts a host whose channel "post" runs a flow.
func startPost(t *testing.T, plugins []string, flow string, more ...map[string]string) (*installation, *peer) {
	t.Helper()
	p := newPeer(t)
	i := install(t, plugins, join(append([]map[string]string{withPost(t, p, flow)}, more...)...))
	i.secrets = map[string]string{"post_key": postKey, "peer_token": "the token of the peer"}
	i.start()
	return i, p
}

func TestDedup(t *testing.T) {
	t.Parallel()
	i, p := startPost(t, nil, counting)
	first := unit{ID: "u1", From: "ana", Text: "hello"}
	i.accepted("d1", first)
	i.accepted("d1", first)                                                                                  // the same delivery
	i.accepted("d2", first, unit{ID: "u2", From: "ana", Text: "again"}, unit{ID: "u3", From: "bob"})         // the unit in another
	i.accepted("d3", unit{ID: "u2", From: "ana", Text: "again"}, unit{ID: "u2", From: "ana", Text: "again"}) // twice in one
	i.accepted("d4", unit{ID: "u4", From: "ana", Text: "the end"})
	i.accepted("d4", unit{ID: "u9", From: "ana", Text: "of a delivery that is known"})
	p.wait(i, 4)
	if got, want := p.texts("ana"), []string{"1: hello", "2: again", "3: the end"}; !slices.Equal(got, want) {
		t.Errorf("ana got %q, want %q", got, want)
	}
	if p.got()[0].Auth != "Bearer the token of the peer" {
		t.Errorf("sent with %q", p.got()[0].Auth)
	}
	i.restart() // the window outlives the process
	i.accepted("d1", first)
	i.accepted("d5", first)
	i.accepted("d6", unit{ID: "u5", From: "ana", Text: "after"})
	p.wait(i, 5)
	if got := p.texts("ana"); got[len(got)-1] != "4: after" {
		t.Errorf("ana got %q", got)
	}
}

// TestOrder: the messages of one contact are worked on one at a time, in the
// order of their webhooks' answers.
func TestOrder(t *testing.T) {
	t.Parallel()
	i, p := startPost(t, nil, counting)
	const people, messages = 4, 12
	var senders sync.WaitGroup
	for n := range people {
		senders.Go(func() {
			who := fmt.Sprint("p", n)
			for m := range messages {
				id := fmt.Sprint(who, "-", m)
				if err := i.deliver(id, webhook(unit{ID: id, From: who, Text: fmt.Sprint("m", m)})).want(200); err != nil {
					t.Error(err)
				}
			}
		})
	}
	senders.Wait()
	p.wait(i, people*messages)
	for n := range people {
		var want []string
		for m := range messages {
			want = append(want, fmt.Sprintf("%d: m%d", m+1, m))
		}
		if got := p.texts(fmt.Sprint("p", n)); !slices.Equal(got, want) {
			t.Errorf("person %d got %q, want %q", n, got, want)
		}
	}
}

// TestConcurrentWebhooks: one contact's webhooks at the same time lose no
// count.
func TestConcurrentWebhooks(t *testing.T) {
	t.Parallel()
	i, p := startPost(t, nil, counting)
	const messages = 24
	var senders sync.WaitGroup
	for m := range messages {
		senders.Go(func() {
			id := fmt.Sprint("m", m)
			if err := i.deliver(id, webhook(unit{ID: id, From: "ana", Text: id})).want(200); err != nil {
				t.Error(err)
			}
		})
	}
	senders.Wait()
	p.wait(i, messages)
	for n, text := range p.texts("ana") {
		if !strings.HasPrefix(text, fmt.Sprint(n+1, ": ")) {
			t.Fatalf("message %d says %q", n+1, text)
		}
	}
}

// TestVersions: who waits when a new version is published ends on the old one.
func TestVersions(t *testing.T) {
	t.Parallel()
	i, p := startPost(t, nil, talkOf("one"))
	i.accepted("d1", unit{ID: "u1", From: "ana", Text: "hi"})
	p.wait(i, 1)
	i.write("flows/talk.yaml", talkOf("two"))
	i.eventually("version 2", func() error {
		if v := read[admin.FlowDetail](i, "/v1/flows/talk").Version; v != 2 {
			return fmt.Errorf("version %d", v)
		}
		return nil
	})
	i.restart() // and over a restart
	i.accepted("d2", unit{ID: "u2", From: "ana", Text: "reply"}, unit{ID: "u3", From: "bob", Text: "hi"})
	p.wait(i, 3)
	i.accepted("d3", unit{ID: "u4", From: "ana", Text: "hi"})
	p.wait(i, 4)
	if got, want := p.texts("ana"), []string{"ask one", "say one reply", "ask two"}; !slices.Equal(got, want) {
		t.Errorf("ana got %q, want %q", got, want)
	}
	if got := p.texts("bob"); !slices.Equal(got, []string{"ask two"}) {
		t.Errorf("bob got %q", got)
	}
}

// TestOutbox: a busy service is asked again with the same effect id, a final
// refusal makes a dead letter, and a replay sends it.
func TestOutbox(t *testing.T) {
	t.Parallel()
	i, p := startPost(t, nil, counting)
	p.answers(func(s sent, n int) int {
		switch {
		case n == 1:
			return 503
		case s.To == "nobody":
			return 404
		}
		return 200
	})
	i.accepted("d1", unit{ID: "u1", From: "ana", Text: "one"}, unit{ID: "u2", From: "ana", Text: "two"})
	got := p.wait(i, 3)
	if want := []string{"1: one", "1: one", "2: two"}; !slices.Equal(p.texts("ana"), want) {
		t.Errorf("ana got %q, want %q", p.texts("ana"), want)
	}
	if got[0].EffectID == "" || got[0].EffectID != got[1].EffectID || got[1].EffectID == got[2].EffectID {
		t.Errorf("effect ids %q %q %q", got[0].EffectID, got[1].EffectID, got[2].EffectID)
	}

	i.accepted("d2", unit{ID: "u3", From: "nobody", Text: "hi"})
	letter := i.dead(1)[0]
	if letter.Channel != "post" || letter.Reason.Code != "no_such_person" || !strings.HasPrefix(letter.Queue, "outbox:") {
		t.Errorf("dead letter %+v", letter)
	}
	i.finding("1 dead letters", "trama dead replay")
	p.answers(nil)
	if err := i.admin("POST", "/v1/dead-letters/"+letter.ID+"/replay", "").want(200); err != nil {
		t.Fatal(err)
	}
	got = p.wait(i, 5)
	if got[4].Text != "1: hi" || got[4].EffectID != got[3].EffectID {
		t.Errorf("the replay sent %+v, before %+v", got[4], got[3])
	}
	i.dead(0)
	i.problem(i.admin("POST", "/v1/dead-letters/"+letter.ID+"/replay", ""), 404, "no_dead_letter", letter.ID)

	// Statuses of one message, two in one webhook, and never backwards.
	run := read[[]admin.RunInfo](i, "/v1/runs?limit=1")[0]
	i.eventually("the send to be known", func() error { return i.delivery(run.ID, "sent") })
	i.accepted("d3",
		unit{ID: "s1", From: "nobody", Sent: "m5", State: "delivered"},
		unit{ID: "s2", From: "nobody", Sent: "m5", State: "read"},
		unit{ID: "s3", From: "nobody", Sent: "m5", State: "delivered"},
		unit{ID: "s4", From: "nobody", Sent: "unknown", State: "read"})
	i.eventually("the message to be read", func() error { return i.delivery(run.ID, "read") })
}

// delivery is an error if no message of a run is in this state.
func (i *installation) delivery(run, state string) error {
	detail := read[admin.RunDetail](i, "/v1/runs/"+run)
	for _, d := range detail.Deliveries {
		if d.State == state {
			return nil
		}
	}
	return fmt.Errorf("deliveries are %+v", detail.Deliveries)
}

// dead waits until there are n dead letters.
func (i *installation) dead(n int) []deadletter.Letter {
	i.t.Helper()
	var letters []deadletter.Letter
	i.eventually(fmt.Sprint(n, " dead letters"), func() error {
		if letters = read[[]deadletter.Letter](i, "/v1/dead-letters"); len(letters) != n {
			return fmt.Errorf("there are %d: %+v", len(letters), letters)
		}
		return nil
	})
	return letters
}

// TestTrappingAdapter: a request that crashes the adapter is acknowledged,
// holds no other, and is read once the adapter is replaced.
func TestTrappingAdapter(t *testing.T) {
	t.Parallel()
	i, p := startPost(t, nil, counting)
	i.accepted("d1", unit{ID: "u1", From: "ana", Text: "one"})
	i.accepted("d2", unit{ID: "u2", From: "ana", Text: "poison"})
	i.accepted("d3", unit{ID: "u3", From: "bob", Text: "three"})
	p.wait(i, 2)
	letter := i.dead(1)[0]
	if letter.Reason.Code != "trap" || letter.Queue != "intake:post" || len(letter.Value) != 0 {
		t.Errorf("dead letter %+v", letter)
	}
	if got := p.texts("bob"); !slices.Equal(got, []string{"1: three"}) {
		t.Errorf("bob got %q", got)
	}
	i.write("plugins/post.wasm", guest(t, "post", "1.1.0"))
	i.eventually("the new adapter", func() error {
		if a := i.admin("GET", "/v1/plugins/post", ""); !strings.Contains(a.body, `"version":"1.1.0"`) {
			return fmt.Errorf("%s", a.body)
		}
		return nil
	})
	if err := i.admin("POST", "/v1/dead-letters/"+letter.ID+"/replay", "").want(200); err != nil {
		t.Fatal(err)
	}
	p.wait(i, 3)
	if got := p.texts("ana"); !slices.Equal(got, []string{"1: one", "2: poison"}) {
		t.Errorf("ana got %q", got)
	}
	i.dead(0)
}
