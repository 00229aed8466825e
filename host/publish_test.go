package host_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// talkOf asks, waits and says, as the version of this name.
func talkOf(version string) string {
	return `schema: 1
id: talk
triggers: [{id: start, type: message}]
nodes:
  - {id: ask, type: send_message, with: {text: "ask ` + version + `"}}
  - {id: wait, type: wait_reply}
  - {id: say, type: send_message, with: {text: "say ` + version + ` {{ input.text }}"}}
edges:
  - {from: start, to: ask}
  - {from: ask, to: wait}
  - {from: wait, to: say}
`
}

// TestPublishUnderLoad: while callers and people go on, versions are published
// one after another. Each call is answered, by a version that goes back never;
// each conversation ends on the version that it began with, and none is lost.
func TestPublishUnderLoad(t *testing.T) {
	t.Parallel()
	which := func(version int) string {
		return fmt.Sprintf(`schema: 1
id: which
triggers: [{id: start, type: gateway}]
nodes: [{id: say, type: response.json, with: {body: %d}}]
edges: [{from: start, to: say}]
`, version)
	}
	p := newPeer(t)
	files := withPost(t, p, "")
	delete(files, "flows/talk.yaml")
	i := install(t, nil, files)
	i.secrets = map[string]string{"post_key": postKey, "peer_token": "x"}
	i.start()
	publish := func(version int) {
		for id, text := range map[string]string{"which": which(version), "talk": talkOf(fmt.Sprint("v", version))} {
			if err := i.admin("PUT", "/v1/flows/"+id, text).want(200); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish(1)
	if err := i.admin("POST", "/v1/routes", `{"method": "POST", "path": "/which", "flow": "which"}`).want(200); err != nil {
		t.Fatal(err)
	}

	const versions, callers, people = 8, 3, 3
	var enough atomic.Bool
	var calls, talks atomic.Int64
	var load sync.WaitGroup
	for range callers {
		load.Go(func() {
			for last := 1; !enough.Load(); calls.Add(1) {
				a := i.call("POST", "/api/which", "{}")
				version := 0
				if err := a.want(200); err != nil {
					t.Error(err)
					return
				} else if _, err := fmt.Sscan(a.body, &version); err != nil || version < last || version > versions {
					t.Errorf("answered by version %s after %d", a.body, last)
					return
				}
				last = version
			}
		})
	}
	for n := range people {
		load.Go(func() {
			who := fmt.Sprint("person", n)
			for turn := 0; !enough.Load() || turn%2 == 1; turn++ {
				id := fmt.Sprint(who, "-", turn)
				if err := i.deliver(id, webhook(unit{ID: id, From: who, Text: fmt.Sprint("text", turn)})).want(200); err != nil {
					t.Error(err)
					return
				}
				for begun := time.Now(); len(p.texts(who)) <= turn; time.Sleep(5 * time.Millisecond) {
					if time.Since(begun) > patience {
						t.Errorf("%s got no answer to message %d: %q", who, turn, p.texts(who))
						return
					}
				}
				talks.Add(1)
			}
		})
	}
	for version := 2; version <= versions; version++ {
		more := talks.Load() + people
		i.eventually("talk between publishes", func() error {
			if n := talks.Load(); n < more && !t.Failed() {
				return fmt.Errorf("%d messages were answered", n)
			}
			return nil
		})
		publish(version)
	}
	enough.Store(true)
	load.Wait()
	used := map[string]bool{}
	for n := range people {
		texts := p.texts(fmt.Sprint("person", n))
		for at := 0; at+1 < len(texts); at += 2 {
			version := strings.TrimPrefix(texts[at], "ask ")
			if used[version] = true; texts[at+1] != fmt.Sprintf("say %s text%d", version, at+1) {
				t.Errorf("person%d was told %q after %q", n, texts[at+1], texts[at])
			}
		}
	}
	if calls.Load() == 0 || len(used) < 3 {
		t.Errorf("%d calls; versions %v talked", calls.Load(), used)
	}
}
