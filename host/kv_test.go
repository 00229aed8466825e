package host_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// remembering is a flow that counts a contact's messages in the memory of two
// plugins, and says both counts.
const remembering = `schema: 1
id: talk
triggers: [{id: start, type: message}]
nodes:
  - {id: memo, type: memo.count, with: {key: n, fail: "{{ trigger.text == 'fail' }}", size: "{{ trigger.text == 'huge' ? 1000000 : 0 }}"}}
  - {id: diary, type: diary.count, with: {key: n, fail: "{{ trigger.text == 'late' }}"}}
  - {id: say, type: send_message, with: {text: "{{ nodes.memo.n }} {{ nodes.diary.n }}"}}
  - {id: failed, type: send_message, with: {text: "memo {{ error.code }}"}}
  - {id: late, type: send_message, with: {text: "diary {{ error.code }}"}}
edges:
  - {from: start, to: memo}
  - {from: memo, to: diary}
  - {from: memo, port: error, to: failed}
  - {from: diary, to: say}
  - {from: diary, port: error, to: late}
`

// withMemo adds the plugin memo, under its two names, to a workspace.
func withMemo(t *testing.T, files map[string]string) map[string]string {
	t.Helper()
	files["plugins/memo.wasm"], files["plugins/diary.wasm"] = guest(t, "memo", "1.0.0"), guest(t, "memo", "2.0.0")
	for plugin, file := range map[string]string{"memo": "plugins/memo.wasm", "diary": "plugins/diary.wasm"} {
		files["grants.yaml"] += fmt.Sprintf("- {plugin: %s, of: \"sha256:%s\", egress: [connection], kv: 1KiB}\n", plugin, sha(files[file]))
	}
	return files
}

// first waits for the first n requests at the peer, before which plugins that
// this machine has not seen are compiled.
func (p *peer) first(i *installation, n int) []sent {
	i.t.Helper()
	i.within(startPatience, "the first requests at the peer", func() error {
		if got := p.got(); len(got) < n {
			return fmt.Errorf("%d came", len(got))
		}
		return nil
	})
	return p.got()
}

// TestPluginsRemember: what a plugin remembers of a contact is neither
// another plugin's nor another contact's, and what a call wrote that fails, or
// that is over the quota, is not remembered.
func TestPluginsRemember(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	i := install(t, nil, withMemo(t, withPost(t, p, remembering)))
	i.secrets = map[string]string{"post_key": postKey, "peer_token": "x"}
	i.start()
	got := map[string]int{}
	for n, step := range []struct{ from, text, want string }{
		{"ana", "a", "1 1"}, {"ana", "b", "2 2"}, {"bob", "a", "1 1"},
		{"ana", "fail", "memo meant"}, {"ana", "c", "3 3"},
		{"ana", "late", "diary meant"}, {"ana", "d", "5 4"}, // of two calls, one succeeded
		{"ana", "huge", "memo limit"}, {"ana", "e", "6 5"}, {"bob", "b", "2 2"},
	} {
		i.accepted(fmt.Sprint("d", n), unit{ID: fmt.Sprint("u", n), From: step.from, Text: step.text})
		p.first(i, n+1)
		got[step.from]++
		if texts := p.texts(step.from); len(texts) != got[step.from] || texts[len(texts)-1] != step.want {
			t.Errorf("%s wrote %q and got %q, want %q", step.from, step.text, texts, step.want)
		}
	}
	i.restart()
	i.accepted("again", unit{ID: "again", From: "ana", Text: "f"})
	p.wait(i, 11)
	if texts := p.texts("ana"); texts[len(texts)-1] != "7 6" {
		t.Errorf("after a restart ana got %q", texts)
	}
}

// TestGatewayRunsRememberNothing: a run without a contact is refused, and told
// why.
func TestGatewayRunsRememberNothing(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	i := serve(t, nil, withMemo(t, map[string]string{
		"grants.yaml":      "",
		"routes.yaml":      "- {method: POST, path: /count, flow: count}\n",
		"connections.yaml": `[{id: peer, base_url: "` + p.URL + `"}]`,
		"flows/count.yaml": `schema: 1
id: count
triggers: [{id: start, type: gateway}]
nodes:
  - {id: memo, type: memo.count, with: {key: n}}
  - {id: say, type: response.json, with: {body: "{{ error.code }}: {{ error.message }}"}}
edges:
  - {from: start, to: memo}
  - {from: memo, port: error, to: say}
`,
	}))
	i.within(startPatience, "the refusal", func() error {
		if a := i.call("POST", "/api/count", ""); a.want(200) != nil || !strings.Contains(a.body, "unavailable: kv_get: this call has no contact") {
			return fmt.Errorf("answered %+v", a)
		}
		return nil
	})
}

// telling is a flow that tells the peer how many messages a contact has
// written, within the call that counts them.
const telling = `schema: 1
id: talk
triggers: [{id: start, type: message}]
nodes:
  - {id: memo, type: memo.tell, connection: peer, with: {key: n}}
  - {id: say, type: send_message, with: {text: "{{ input.n }}: {{ trigger.text }}"}}
edges:
  - {from: start, to: memo}
  - {from: memo, to: say}
`

// TestMemoryOfAnInterruptedCall: what a call wrote before the host died is
// forgotten with the call; its repeat counts the same, under the same effect
// id.
func TestMemoryOfAnInterruptedCall(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	i := install(t, nil, withMemo(t, withPost(t, p, telling)))
	i.secrets = map[string]string{"post_key": postKey, "peer_token": "x"}
	child := i.startChild()
	p.holdAll()
	body := webhook(unit{ID: "u1", From: "ana", Text: "hi"})
	if err := i.send("POST", "http://"+child.addr+"/hooks/post", body, "X-Post-Signature", postSignature(body)).want(200); err != nil {
		t.Fatal(err)
	}
	first := p.first(i, 1)[0]
	child.kill()
	p.release()
	i.start()
	i.eventually("the answer", func() error {
		if texts := p.texts("ana"); !slices.Equal(texts, []string{"1: hi"}) {
			return fmt.Errorf("ana got %q", texts)
		}
		return nil
	})
	if second := p.got()[1]; first.Path != "/told" || second.Path != "/told" || first.Body != "1" || second.Body != "1" || first.Key != second.Key || first.Key == "" {
		t.Errorf("the peer was told %+v, then %+v", first, second)
	}
	i.accepted("d2", unit{ID: "u2", From: "ana", Text: "again"})
	i.eventually("the second answer", func() error {
		if texts := p.texts("ana"); !slices.Equal(texts, []string{"1: hi", "2: again"}) {
			return fmt.Errorf("ana got %q", texts)
		}
		return nil
	})
}

// TestCrashesKeepMemory kills the host at random moments while contacts write:
// each message is counted once in the plugins' memory, in order.
func TestCrashesKeepMemory(t *testing.T) {
	t.Parallel()
	const kills, people = 5, 3
	p := newPeer(t)
	flow := strings.Replace(remembering, `text: "{{ nodes.memo.n }} {{ nodes.diary.n }}"`, `text: "{{ nodes.memo.n }}: {{ nodes.diary.n }} {{ trigger.text }}"`, 1)
	i := install(t, nil, withMemo(t, withPost(t, p, flow)))
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
				}
				select {
				case <-done:
					return
				case <-time.After(time.Duration(rand.IntN(60)) * time.Millisecond):
				}
			}
		})
	}
	for range kills {
		time.Sleep(time.Duration(100+rand.IntN(700)) * time.Millisecond)
		host.Load().kill()
		host.Store(i.startChild())
	}
	close(done)
	senders.Wait()
	for n := range people {
		who := fmt.Sprint("p", n)
		i.within(startPatience, "the last answer to "+who, func() error {
			if texts := p.texts(who); acked[n] > 0 && !slices.Contains(texts, fmt.Sprintf("%d: %d %s-%d", acked[n], acked[n], who, acked[n])) {
				return fmt.Errorf("%d messages, %d answers", acked[n], len(texts))
			}
			return nil
		})
		for m := range acked[n] {
			if want := fmt.Sprintf("%d: %d %s-%d", m+1, m+1, who, m+1); !slices.Contains(p.texts(who), want) {
				t.Errorf("%s never got %q", who, want)
			}
		}
		if !inOrder(p.texts(who)) {
			t.Errorf("%s got %q", who, p.texts(who))
		}
	}
	if slices.Max(acked) < kills {
		t.Errorf("only %v messages", acked)
	}
}

// TestBlobsOfRuns: a body goes from one system to another without passing
// through the plugin, by a reference that another contact can't use.
func TestBlobsOfRuns(t *testing.T) {
	t.Parallel()
	p := newPeer(t)
	const flow = `schema: 1
id: talk
triggers: [{id: start, type: message}]
nodes:
  - {id: own, type: conditional, with: {branches: [{port: fetch, when: "trigger.text == 'fetch'"}]}}
  - {id: fetch, type: memo.fetch, connection: peer, with: {path: /file}}
  - {id: put, type: memo.put, connection: peer, with: {path: /put, blob: "{{ nodes.fetch.blob.id }}"}}
  - {id: said, type: send_message, with: {text: "{{ nodes.fetch.blob.id }}"}}
  - {id: steal, type: memo.put, connection: peer, with: {path: /put, blob: "{{ trigger.text }}"}}
  - {id: failed, type: send_message, with: {text: "{{ error.code }}"}}
  - {id: stolen, type: send_message, with: {text: stolen}}
edges:
  - {from: start, to: own}
  - {from: own, port: fetch, to: fetch}
  - {from: own, port: else, to: steal}
  - {from: fetch, to: put}
  - {from: put, to: said}
  - {from: steal, to: stolen}
  - {from: steal, port: error, to: failed}
`
	i := install(t, nil, withMemo(t, withPost(t, p, flow)))
	i.secrets = map[string]string{"post_key": postKey, "peer_token": "x"}
	i.start()
	i.accepted("d1", unit{ID: "u1", From: "ana", Text: "fetch"})
	requests := p.first(i, 3)
	if requests[0].Path != "/file" || requests[1].Path != "/put" || requests[1].Body != "m1" {
		t.Errorf("the peer got %+v", requests)
	}
	id := p.texts("ana")[0]
	for n, step := range []struct{ from, text, want string }{
		{"bob", id, "denied"}, {"ana", "blob_AAAAAAAAAAAAAAAAAAAAAAAAAA", "denied"}, {"ana", id, "stolen"}, // her own: no theft
	} {
		i.accepted(fmt.Sprint("s", n), unit{ID: fmt.Sprint("s", n), From: step.from, Text: step.text})
		i.eventually("the answer to "+step.from, func() error {
			if texts := p.texts(step.from); len(texts) == 0 || texts[len(texts)-1] != step.want {
				return fmt.Errorf("%s got %q, want %q", step.from, texts, step.want)
			}
			return nil
		})
	}
}
