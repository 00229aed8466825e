package host_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/simulation"
	"github.com/trama-run/trama/host/store/badger"
)

// TestCrashes kills the host under load, at random moments, at each named
// point of a commit and in the middle of calls, as often as the variable KILLS
// says (make crash). At the end no promise is broken.
func TestCrashes(t *testing.T) {
	t.Parallel()
	kills := 30
	if text := os.Getenv("KILLS"); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	c := newCrash(t, "")
	began := time.Now()
	c.run(kills)
	took := time.Since(began)
	if problems := c.judge(); len(problems) > 0 {
		kinds := map[string]int{}
		for _, p := range problems {
			kind, _, _ := strings.Cut(p, ":")
			kinds[kind]++
		}
		t.Errorf("%d promises broken, %v:\n%s", len(problems), kinds, strings.Join(problems[:min(len(problems), 50)], "\n"))
	}
	c.report(kills, took)
	if unfinished := kills - c.hit["at random"]; unfinished*2 < kills {
		t.Errorf("%d of %d kills were within a commit or a call, want half", unfinished, kills)
	}
}

// mutantKills are enough to catch each mutant.
const mutantKills = 20

// TestCrashMutants: the crashes catch each store that breaks a promise.
func TestCrashMutants(t *testing.T) {
	if os.Getenv("KILLS") == "" {
		t.Skip("takes minutes: make crash runs it")
	}
	for _, m := range simulation.Mutants() {
		t.Run(m.Name, func(t *testing.T) {
			c := newCrash(t, m.Name)
			c.run(mutantKills)
			problems := c.judge()
			if len(problems) == 0 {
				t.Errorf("not caught with %d kills", mutantKills)
			} else {
				t.Logf("caught: %s", strings.Join(problems[:min(len(problems), 3)], "; "))
			}
		})
	}
}

// crash is a host that is killed again and again, with those who write to it
// and the peer that it calls.
type crash struct {
	*installation
	history *simulation.History
	mutant  string
	peer    *httptest.Server
	host    atomic.Pointer[child]
	armed   atomic.Pointer[func(answered bool)] // called once, at a request of the host
	sent    atomic.Int64
	clients sync.WaitGroup
	done    chan struct{}  // closed when there have been enough kills
	ended   chan struct{}  // closed when the last host ends
	hit     map[string]int // kills, by where
	late    int            // calls that took too long
	ticked  bool           // a schedule was due after the last kill, and ran

	mu     sync.Mutex
	people map[string]string // person -> contact; guarded by mu
	writer [4]string         // who writes now on the channel post; guarded by mu
	failed map[string]bool   // effects that had a bad answer; guarded by mu
}

func newCrash(t *testing.T, mutant string) *crash {
	c := &crash{history: simulation.NewHistory(time.Now), mutant: mutant, done: make(chan struct{}), ended: make(chan struct{}), hit: map[string]int{}, people: map[string]string{}, failed: map[string]bool{}}
	c.peer = httptest.NewServer(c)
	t.Cleanup(func() { c.peer.CloseClientConnections(); c.peer.Close() })
	flows, err := simulation.Flows(crashTerms.Beat)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for path, text := range flows {
		files[path] = string(text)
	}
	post, acme := guest(t, "post", "1.0.0"), guest(t, "acme", "1.0.0")
	c.installation = install(t, nil, join(files, map[string]string{
		"plugins/post.wasm": post, "plugins/acme.wasm": acme,
		"channels.yaml": `- {id: post, adapter: post, connection: peer, secrets: {key: post_key}}
- {id: loud, adapter: post, connection: peer, secrets: {key: post_key}}
` + simulation.Hooks,
		"connections.yaml": `- {id: peer, base_url: "` + c.peer.URL + `"}`,
		"grants.yaml": `- {plugin: post, of: "sha256:` + sha(post) + `", egress: [connection], secrets: [post_key]}
- {plugin: acme, of: "sha256:` + sha(acme) + `", egress: [connection]}
`,
		"routes.yaml": "- {method: POST, path: /order, flow: order}\n",
	}))
	c.secrets = map[string]string{"post_key": postKey, "sim_token": "token"}
	return c
}

// run kills the host so many times under load, and ends the load.
func (c *crash) run(kills int) {
	for n := range 4 {
		c.clients.Go(func() { c.write("post", n) })
	}
	c.clients.Go(func() { c.write("loud", 4) })
	c.clients.Go(c.call)
	c.history.Add(simulation.Event{What: simulation.Ticks, Good: true})
	c.history.Add(simulation.Event{What: simulation.Fault, Name: "start"}) // which takes its time
	for n := range kills {
		where, s := "at random", childStore{Mutant: c.mutant}
		arm, wait := 0, 15*time.Second
		switch p := n % 10; {
		case p < 6:
			s.Point, s.When, s.Count = simulation.Points[rand.IntN(len(simulation.Points))], moments[rand.IntN(len(moments))], 1+rand.Int64N(3)
			where = s.When + " " + s.Point
		case p < 8:
			arm, where = 1+rand.IntN(4), "in a call, "+[...]string{"before", "after"}[p-6]+" its answer"
		default:
			wait = time.Duration(rand.IntN(700)) * time.Millisecond
		}
		h := c.launch(s)
		if arm > 0 {
			kill := c.killer(h, arm, strings.Contains(where, "after"))
			c.armed.Store(&kill)
		}
		c.host.Store(h)
		select {
		case <-h.told:
		case <-h.gone:
		}
		select {
		case <-h.gone: // by itself
		case <-time.After(wait):
			where = "at random"
			h.kill()
		}
		c.armed.Store(nil)
		c.hit[where]++
		c.history.Add(simulation.Event{What: simulation.Fault, Name: "killed " + where})
	}
	close(c.done)
	c.host.Store(c.launch(childStore{Mutant: c.mutant, Watch: true}))
	c.ticked = c.ticks()
	c.history.Add(simulation.Event{What: simulation.Ticks})
	c.remove(simulation.PathTick)
	c.clients.Wait()
}

// ticks waits until a schedule has started a run since the last kill; it says
// whether one has. Between the kills any may be late.
func (c *crash) ticks() bool {
	from := len(c.history.Events())
	for began := time.Now(); time.Since(began) < stalled; time.Sleep(50 * time.Millisecond) {
		if slices.ContainsFunc(c.history.Events()[from:], func(e simulation.Event) bool {
			return e.What == simulation.Seen && strings.HasPrefix(e.Name, "s1|")
		}) {
			return true
		}
	}
	return false
}

// killer gives what kills a host at its n-th request.
func (c *crash) killer(h *child, n int, after bool) func(bool) {
	var count atomic.Int64
	return func(answered bool) {
		if answered == after && count.Add(1) == int64(n) {
			h.kill()
		}
	}
}

// stalled is how long nothing happens in a host that has come to a halt: no
// timer of the flows is as long.
const stalled = time.Minute

// crashTerms say how late a timer may be after the last kill: hosts that live
// for half a second leave more work behind than they do, and a busy machine
// takes minutes for that of a thousand. The simulation, whose clock waits for
// the work, knows the bound.
var crashTerms = simulation.Terms{Beat: time.Second, Slack: 5 * time.Minute}

// judge waits until all work has ended, or until none is done any more, and
// gives what is wrong.
func (c *crash) judge() []string {
	h := c.host.Load()
	for waiting := true; waiting; {
		select {
		case <-h.quiet:
			waiting = false
		case <-h.gone:
			c.t.Error("the host has ended by itself")
			waiting = false
		case <-time.After(time.Second):
			if events := c.history.Events(); time.Since(events[len(events)-1].At) > stalled {
				c.t.Log("the host has come to a halt with work left")
				waiting = false
			}
		}
	}
	close(c.ended)
	h.kill()
	s, err := badger.Open(badger.Config{Dir: filepath.Join(c.data, "store")})
	if err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	final, err := simulation.Look(context.Background(), s, slices.Collect(maps.Values(c.people)))
	if err != nil {
		c.t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		c.t.Error(err)
	}
	for _, call := range final.Calls {
		if call.Late() {
			c.late++
		}
	}
	problems := simulation.Check(c.history.Events(), final, crashTerms)
	if !c.ticked {
		problems = append(problems, fmt.Sprintf("schedule: none has run within %s of the last kill", stalled))
	}
	return problems
}

// report tells what happened.
func (c *crash) report(kills int, took time.Duration) {
	acked, doubles, seen := 0, 0, map[string]bool{}
	for _, e := range c.history.Events() {
		switch e.What {
		case simulation.Acked:
			acked++
		case simulation.Seen:
			if seen[e.Effect] && e.Effect != "" {
				doubles++
			}
			seen[e.Effect] = true
		}
	}
	c.t.Logf("%d kills in %s, %d acknowledged, %d effects, %d of them came again, %d calls took too long", kills, took.Round(time.Second), acked, len(seen), doubles, c.late)
	if c.late*20 > len(seen) {
		c.t.Errorf("%d of %d calls took longer than the host gives them: this machine is too busy to tell", c.late, len(seen))
	}
	for _, where := range slices.Sorted(maps.Keys(c.hit)) {
		c.t.Logf("%5d %s", c.hit[where], where)
	}
}

// up is the host that runs; nil while there is none.
func (c *crash) up() *child {
	h := c.host.Load()
	if h == nil {
		return nil
	}
	select {
	case <-h.told:
		return h
	default:
		return nil
	}
}

// hook sends a webhook until it is acknowledged, or until all is over: then it
// says false.
func (c *crash) hook(path, body string, headers ...string) bool {
	for {
		if h := c.up(); h != nil && c.send("POST", "http://"+h.addr+path, body, headers...).want(200) == nil {
			return true
		}
		select {
		case <-c.ended:
			return false
		case <-time.After(time.Duration(5+rand.IntN(40)) * time.Millisecond):
		}
	}
}

func (c *crash) deliver(channel, delivery string, units ...unit) bool {
	body := webhook(units...)
	return c.hook("/hooks/"+channel, body, "X-Post-Delivery", delivery, "X-Post-Signature", postSignature(body))
}

// contact gives the key of a person.
func (c *crash) contact(person string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.people[person]
}

// over says that there have been enough kills.
func (c *crash) over(pause time.Duration) bool {
	select {
	case <-c.done:
		return true
	case <-time.After(pause):
		return false
	}
}

// write lets people write, one after the other.
func (c *crash) write(channel string, n int) {
	for next := 0; ; next++ {
		person := fmt.Sprintf("p%d.%d", n, next)
		who := string(contact.KeyOf(channel, address(person)))
		c.mu.Lock()
		c.people[person] = who
		if channel == "post" {
			c.writer[n] = who
		}
		c.mu.Unlock()
		for count := 0; count < 6; {
			var units []unit
			delivery := fmt.Sprintf("%s-d%d", person, count)
			for range 1 + rand.IntN(5)/4 {
				u := unit{ID: fmt.Sprintf("%s-%d", person, count), From: person, Text: simulation.WordLoud}
				if channel == "post" {
					u.Text = simulation.Words[rand.IntN(len(simulation.Words))]
				}
				c.history.Add(simulation.Event{What: simulation.Offered, Name: u.ID, Contact: who, Word: u.Text, With: delivery})
				units = append(units, u)
				count++
			}
			c.deliver(channel, delivery, units...)
			for _, u := range units {
				c.history.Add(simulation.Event{What: simulation.Acked, Name: u.ID, Contact: who})
			}
			if rand.IntN(5) == 0 { // again, and in another webhook
				c.deliver(channel, delivery+"-again", units...)
			}
			if c.over(time.Duration(rand.IntN(120)) * time.Millisecond) {
				return
			}
		}
	}
}

// call lets programs call the gateway and send events.
func (c *crash) call() {
	for n := 0; !c.over(time.Duration(100+rand.IntN(200)) * time.Millisecond); n++ {
		ref := fmt.Sprintf("ref%d", n)
		kind := [...]string{simulation.WordGateway, simulation.WordLone, simulation.WordAfter, simulation.WordHalted}[rand.IntN(4)]
		owner := ""
		if kind == simulation.WordAfter || kind == simulation.WordHalted {
			c.mu.Lock()
			owner = c.writer[n%len(c.writer)]
			c.mu.Unlock()
			if owner == "" { // who writes nothing yet
				continue
			}
		}
		c.history.Add(simulation.Event{What: simulation.Offered, Name: ref, Contact: owner, Word: kind})
		if kind != simulation.WordGateway {
			c.hook("/hooks/"+kind, fmt.Sprintf(`{"ref": %q, "contact": %q}`, ref, owner), "X-Token", "token")
		} else if !c.order(ref) {
			continue
		}
		c.history.Add(simulation.Event{What: simulation.Acked, Name: ref, Contact: owner})
	}
}

// order calls the gateway once.
func (c *crash) order(ref string) bool {
	h := c.up()
	return h != nil && c.send("POST", "http://"+h.addr+"/api/order", fmt.Sprintf(`{"ref": %q}`, ref), "Content-Type", "application/json").want(201) == nil
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
