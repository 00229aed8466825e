package host_test

import (
	"fmt"
	"strings"
	"testing"
)

// calling is a flow of one trigger that makes an acme call and says how it
// went: a gateway flow in its answer, a conversation in a message.
func calling(id, trigger, operation string) string {
	say := func(text string) string {
		if trigger == "gateway" {
			return `type: response.json, with: {body: "` + text + `"}`
		}
		return `type: send_message, with: {text: "` + text + `"}`
	}
	return `schema: 1
id: ` + id + `
triggers: [{id: start, type: ` + trigger + `}]
nodes:
  - {id: call, type: acme.` + operation + `, connection: peer, with: {order: 7}}
  - {id: done, ` + say("done {{ input.effect_id }}") + `}
  - {id: failed, ` + say("failed {{ error.code }}") + `}
edges:
  - {from: start, to: call}
  - {from: call, to: done}
  - {from: call, port: error, to: failed}
`
}

// TestInterruptedCalls: a call that a crash cuts short is repeated with the
// same effect id, or, if its plugin says unsafe, reported as unknown.
func TestInterruptedCalls(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		operation, trigger string
		repeated           bool
		committed          bool // the run goes on after the crash
	}{
		{"charge", "gateway", false, true},
		{"register", "gateway", true, true},
		{"look", "gateway", false, false}, // pure: nothing was committed, so the caller asks again
		{"charge", "message", false, true},
		{"register", "message", true, true},
		{"look", "message", true, true}, // pure: the message is taken anew, and its id is another run's
	} {
		t.Run(c.operation+" "+c.trigger, func(t *testing.T) {
			t.Parallel()
			p := newPeer(t)
			i := install(t, nil, join(withPost(t, p, calling("talk", c.trigger, c.operation)), map[string]string{
				"plugins/acme.wasm": guest(t, "acme", "1.0.0"),
				"routes.yaml":       "- {method: POST, path: /charge, flow: talk}\n",
			}))
			i.secrets = map[string]string{"post_key": postKey, "peer_token": "the token of the peer"}
			child := i.startChild()
			p.holdAll()
			if c.trigger == "gateway" {
				go i.send("POST", "http://"+child.addr+"/api/charge", "") // dies with the host
			} else {
				body := webhook(unit{ID: "u1", From: "ana", Text: "hi"})
				if err := i.send("POST", "http://"+child.addr+"/hooks/post", body, "X-Post-Signature", postSignature(body)).want(200); err != nil {
					t.Fatal(err)
				}
			}
			first := p.wait(i, 1)[0]
			child.kill()
			p.release()
			i.start()

			want := "failed unknown"
			charges := 1
			if c.repeated {
				want, charges = "done "+first.Key, 2
			}
			if c.operation == "look" {
				want = "done "
			}
			if c.trigger == "message" {
				i.eventually("the message", func() error {
					if got := p.texts("ana"); len(got) != 1 || !strings.HasPrefix(got[0], want) {
						return fmt.Errorf("ana got %q, want %q", got, want)
					}
					return nil
				})
			} else if runs := i.runs(); c.committed && len(runs) != 1 || !c.committed && len(runs) != 0 {
				t.Fatalf("runs after the crash: %+v", runs)
			} else if c.committed {
				d := i.ended(runs[0].ID)
				last := d.Steps[len(d.Steps)-1]
				if got := fmt.Sprintf("%s", last.Output); d.Status != "done" || !strings.Contains(got, want) {
					t.Errorf("the run ended %s with %s, want %q", d.Status, got, want)
				}
			}
			var keys []string
			for _, s := range p.got() {
				if s.Path == "/charges" {
					keys = append(keys, s.Key)
				}
			}
			if len(keys) != charges || keys[0] == "" || c.operation != "look" && keys[len(keys)-1] != keys[0] {
				t.Errorf("effect ids of the calls: %q, want %d alike", keys, charges)
			}
		})
	}
}

// TestFinishedCalls: a call that has its result is not made again, and its
// outcome is not forgotten, when the host dies in a later one; be that one
// unsafe, or pure and so without an intent of its own.
func TestFinishedCalls(t *testing.T) {
	t.Parallel()
	for later, want := range map[string]struct {
		ports string
		calls int
	}{
		"charge": {"next error", 2},
		"look":   {"next next", 3}, // made again
	} {
		t.Run(later, func(t *testing.T) {
			t.Parallel()
			flow := strings.Replace(calling("talk", "gateway", later),
				"edges:\n  - {from: start, to: call}\n",
				"  - {id: before, type: acme.charge, connection: peer, with: {order: 1}}\nedges:\n  - {from: start, to: before}\n  - {from: before, to: call}\n", 1)
			i, p := startAcme(t, flow)
			child := i.startChild()
			p.answers(func(s sent, n int) int {
				if strings.Contains(s.Body, "7") {
					p.hold = make(chan struct{}) // holds this one: answers runs under p.mu, before hold is read
				}
				return 200
			})
			go i.send("POST", "http://"+child.addr+"/api/charge", "")
			p.wait(i, 2)
			child.kill()
			p.answers(nil)
			p.release()
			i.start()
			d := i.ended(i.runs()[0].ID)
			if len(p.got()) != want.calls || d.Status != "done" {
				t.Errorf("status %s; the peer got %+v", d.Status, p.got())
			}
			if ports := d.Steps[0].Port + " " + d.Steps[1].Port; ports != want.ports {
				t.Errorf("ports %s, want %s: %+v", ports, want.ports, d.Steps)
			}
		})
	}
}

// startAcme installs the connector acme and a route /charge to a flow.
func startAcme(t *testing.T, flow string) (*installation, *peer) {
	t.Helper()
	p := newPeer(t)
	i := install(t, nil, join(withPost(t, p, flow), map[string]string{
		"plugins/acme.wasm": guest(t, "acme", "1.0.0"),
		"routes.yaml":       "- {method: POST, path: /charge, flow: talk}\n",
	}))
	i.secrets = map[string]string{"post_key": postKey, "peer_token": "x"}
	return i, p
}

// TestAnswerThenWork: a run that has answered and goes on is not forgotten.
func TestAnswerThenWork(t *testing.T) {
	t.Parallel()
	i, p := startAcme(t, `schema: 1
id: talk
triggers: [{id: start, type: gateway}]
nodes:
  - {id: accept, type: response.json, with: {status: 202, body: taken}}
  - {id: look, type: acme.look, connection: peer, with: {order: 7}}
  - {id: charge, type: acme.register, connection: peer, with: {order: 8}}
edges:
  - {from: start, to: accept}
  - {from: accept, to: look}
  - {from: look, to: charge}
`)
	child := i.startChild()
	p.holdAll()
	if err := i.send("POST", "http://"+child.addr+"/api/charge", "").want(202); err != nil {
		t.Fatal(err)
	}
	p.wait(i, 1)
	child.kill()
	p.release()
	i.start()
	if d := i.ended(i.runs()[0].ID); d.Status != "done" || len(d.Steps) != 3 {
		t.Errorf("status %s after %d steps, want done after 3", d.Status, len(d.Steps))
	}
	if got := p.got(); len(got) != 3 || !strings.Contains(got[2].Body, "8") {
		t.Errorf("the peer got %+v", got)
	}
}

// TestRetries: a call whose outcome may change is made again, an unsafe one
// never; one that nobody answers in time is an error that may pass.
func TestRetries(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		operation, code string
		timeout         string
		calls           int
	}{
		{"register", "busy", "1m", 3},
		{"charge", "busy", "1m", 1},
		{"register", "timeout", "2s", 3},
		{"charge", "unknown", "2s", 1},
	} {
		t.Run(c.operation+" "+c.code, func(t *testing.T) {
			t.Parallel()
			i, p := startAcme(t, strings.Replace(calling("talk", "gateway", c.operation), "with: {order: 7}",
				"with: {order: 7}, timeout: "+c.timeout+", retry: {attempts: 3, backoff: 10ms}", 1))
			i.start()
			i.eventually("the plugin's code to be loaded", func() error {
				if a := i.call("POST", "/api/charge", ""); !strings.Contains(a.body, "done") {
					return fmt.Errorf("answered %+v", a)
				}
				return nil
			})
			before := len(p.got())
			p.answers(func(sent, int) int { return 503 })
			if c.code != "busy" {
				p.holdAll()
			}
			a := i.call("POST", "/api/charge", "")
			if err := a.want(200); err != nil || !strings.Contains(a.body, "failed "+c.code) {
				t.Errorf("answered %+v, want failed %s", a, c.code)
			}
			if got := len(p.got()) - before; got != c.calls {
				t.Errorf("the peer got %d calls, want %d", got, c.calls)
			}
		})
	}
}
