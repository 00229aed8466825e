package simulation

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/channel"
	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/store/memory"
	"github.com/trama-run/trama/pdk/abi"
)

// world is what outlives a process: the disk, the people, the other systems
// and the history. All that happens by chance is decided by the seed and by
// what it happens to, not by the order in which goroutines ask.
type world struct {
	seed     uint64
	odds     odds
	mutant   *Mutant
	editions []*catalog.Catalog
	disk     *memory.Disk
	history  *History

	mu     sync.Mutex
	asked  map[string]uint64 // how often a chance was asked for; guarded by mu
	now    *life             // nil: no process runs; guarded by mu
	people []string          // keys of contacts

	edition              atomic.Int64 // that is published
	runs, messages, refs atomic.Int64
	telling              atomic.Int64 // news that is on its way
	quiet                atomic.Bool  // there are no more faults
	over                 atomic.Bool  // there are no more processes
	clients              sync.WaitGroup
}

// hash gives a number that the seed and names decide.
func (w *world) hash(kind, name string, n uint64) uint64 {
	h := fnv.New64a()
	h.Write(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, w.seed), n))
	h.Write([]byte(kind))
	h.Write([]byte{0})
	h.Write([]byte(name))
	x := h.Sum64() // fnv spreads its last bytes badly
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// share is a number in [0, 1) that stays the same, roll a new one each time.
func (w *world) share(kind, name string) float64 {
	return float64(w.hash(kind, name, 0)>>11) / (1 << 53)
}

func (w *world) roll(kind, name string) float64 { return float64(w.next(kind, name)>>11) / (1 << 53) }

func (w *world) next(kind, name string) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := kind + "\x00" + name
	w.asked[key]++
	return w.hash(kind, name, w.asked[key])
}

// pick gives the index of the chance that comes true; -1: none.
func (w *world) pick(kind, name string, chances ...float64) int {
	x := w.roll(kind, name)
	for i, chance := range chances {
		if x < chance {
			return i
		}
		x -= chance
	}
	return -1
}

// tries counts the tries of something.
func (w *world) tries(name string) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked["tries "+name]++
	return w.asked["tries "+name]
}

// span is how long something takes; no two are the same.
func (w *world) span(kind, name string, most time.Duration) time.Duration {
	return 1 + time.Duration(w.next(kind, name)%uint64(most))
}

func (w *world) sleep(kind, name string, most time.Duration) { time.Sleep(w.span(kind, name, most)) }

func (w *world) fault(what string) { w.history.Add(Event{What: Fault, Name: what}) }

func (w *world) calm() bool { return w.quiet.Load() }

// id names runs.
func (w *world) id() (string, error) { return fmt.Sprintf("run%06d", w.runs.Add(1)), nil }

// catalog is what is published now.
func (w *world) catalog() *catalog.Catalog { return w.editions[w.edition.Load()] }

// up is the process that takes events; nil: none.
func (w *world) up() *life {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now == nil || !w.now.open() {
		return nil
	}
	return w.now
}

// live starts processes, one after the other, until the world ends.
func (w *world) live(end <-chan struct{}) {
	for {
		l := w.begin()
		w.mu.Lock()
		w.now = l
		w.mu.Unlock()
		w.fault("start")
		over := make(chan struct{})
		go func() { l.live(); close(over) }()
		select {
		case <-over:
		case <-end:
			l.stop("the end")
			<-over
			return
		}
		down := 3 * time.Second
		if w.roll("long", "down") < 0.05 {
			down = time.Hour
		}
		w.sleep("down", "", down)
	}
}

// unit is one unit in a webhook.
type unit struct {
	ID    string `json:"id"`
	From  string `json:"from"`
	Text  string `json:"text,omitempty"`
	Sent  string `json:"sent,omitempty"`
	State string `json:"state,omitempty"`
}

// deliver sends a webhook until it is acknowledged.
func (w *world) deliver(channelID, delivery string, units ...unit) bool {
	body, err := json.Marshal(map[string]any{"units": units})
	if err != nil {
		panic(err) // texts marshal
	}
	return w.until("deliver "+delivery, func(ctx context.Context, l *life) bool { return hook(ctx, l, channelID, delivery, body) })
}

// hook sends a webhook once.
func hook(ctx context.Context, l *life, channelID, delivery string, body []byte) bool {
	reply, err := l.channels.Hook(ctx, channel.Request{
		Channel: channelID, Method: "POST", Headers: map[string]string{"x-post-delivery": delivery, "x-token": "token"}, Body: body,
	})
	return err == nil && reply.Status == 200
}

// until asks a process for something until it has said yes; it says whether
// one has.
func (w *world) until(name string, ask func(context.Context, *life) bool) bool {
	for !w.over.Load() {
		if w.ask(ask) {
			return true
		}
		w.sleep("again", name, 3*time.Second)
	}
	return false
}

// ask asks the process once. What it says while it crashes is not heard.
func (w *world) ask(ask func(context.Context, *life) bool) bool {
	l := w.up()
	if l == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return ask(ctx, l) && !l.dead.Load()
}

// write lets a person write messages.
func (w *world) write(channelID, person string, random *rand.Rand) {
	who := string(contact.KeyOf(channelID, abi.Address{Scheme: "post", Path: person}))
	word := func() string {
		if channelID == "loud" {
			return WordLoud
		}
		return Words[random.IntN(len(Words))]
	}
	var sending sync.WaitGroup
	for n, messages := 0, 2+random.IntN(5); n < messages; {
		time.Sleep(time.Duration(random.Int64N(int64(pauses[random.IntN(len(pauses))]))))
		var units []unit
		delivery := fmt.Sprintf("%s-d%d", person, n)
		for range 1 + random.IntN(5)/4 {
			u := unit{ID: fmt.Sprintf("%s-%d", person, n), From: person, Text: word()}
			w.history.Add(Event{What: Offered, Name: u.ID, Contact: who, Word: u.Text, With: delivery})
			units = append(units, u)
			n++
		}
		again, apart, wait := random.IntN(4) == 0, random.IntN(4) == 0, random.IntN(5) != 0
		send := func() {
			w.deliver(channelID, delivery, units...)
			for _, u := range units {
				w.history.Add(Event{What: Acked, Name: u.ID, Contact: who})
			}
			if again {
				w.deliver(channelID, delivery, units...)
			}
			if apart {
				w.deliver(channelID, delivery+"-apart", units[0])
			}
		}
		if wait {
			send()
		} else {
			sending.Go(send)
		}
	}
	sending.Wait()
}

// pauses are the longest between two messages.
var pauses = [...]time.Duration{50 * time.Millisecond, 3 * time.Second, 15 * time.Second, 45 * time.Second}

// call lets programs call the gateway, emit events and activate contacts.
func (w *world) call(random *rand.Rand) {
	for range 1 + random.IntN(4) {
		time.Sleep(time.Duration(random.Int64N(int64(30 * time.Second))))
		ref := fmt.Sprintf("ref%d", w.refs.Add(1))
		who := w.people[random.IntN(len(w.people))]
		kind, owner := random.IntN(8), ""
		word := [...]string{WordGateway, WordAfter, WordLone, WordAfter, WordHalted, WordLone, WordAfter, WordHalted}[kind]
		if word == WordAfter || word == WordHalted {
			owner = who
		}
		w.history.Add(Event{What: Offered, Name: ref, Contact: owner, Word: word})
		ask := func(ctx context.Context, l *life) bool {
			var err error
			switch kind {
			case 0:
				var answer run.Answer
				answer, err = l.runs.Gateway(ctx, "", w.catalog().Snapshot().Flows["order"], "start", map[string]any{"body": map[string]any{"ref": ref}}, func() {})
				return err == nil && answer.Response != nil
			case 1:
				_, err = l.runs.Activate(ctx, run.Activation{Flow: "after", Contacts: []string{who}, Variables: map[string]any{"ref": ref}})
			case 2:
				_, err = l.runs.Emit(ctx, run.Event{ID: ref, Name: "sim.lone", Data: map[string]any{"ref": ref}})
			case 3, 4:
				name := map[string]string{WordAfter: "sim.after", WordHalted: "sim.halt"}[word]
				_, err = l.runs.Emit(ctx, run.Event{ID: ref, Name: name, Data: map[string]any{"ref": ref}, Contact: who})
			default:
				return hook(ctx, l, word, "", fmt.Appendf(nil, `{"ref": %q, "contact": %q}`, ref, who))
			}
			return err == nil
		}
		acked := w.ask(ask)
		if kind > 1 { // what has an id can be sent again
			w.until("emit "+ref, ask)
			acked = true
		}
		if acked {
			w.history.Add(Event{What: Acked, Name: ref, Contact: owner})
		}
	}
}

// tell lets the service tell what became of a message, late, twice and out of
// order.
func (w *world) tell(channelID, person, message string) {
	states := []string{"delivered", "read"}
	if w.share("order of news", message) < 0.5 {
		states[0], states[1] = states[1], states[0]
	}
	for i, state := range states {
		if w.share("news", message+state) < 0.4 {
			continue
		}
		name := fmt.Sprintf("%s-%d", message, i)
		w.telling.Add(1)
		go func() {
			defer w.telling.Add(-1)
			longest := 200 * time.Millisecond
			if w.share("late news", name) < 0.3 {
				longest = time.Minute
			}
			w.sleep("news", name, longest)
			if w.deliver(channelID, "news-"+name, unit{ID: name, From: person, Sent: message, State: state}) {
				w.history.Add(Event{What: Told, Name: message, Word: state})
			}
		}()
	}
}

// trouble stops processes at any time.
func (w *world) trouble(random *rand.Rand) {
	for range random.IntN(5) {
		time.Sleep(time.Duration(random.Int64N(int64(time.Minute))))
		l := w.up()
		if l == nil || w.calm() {
			continue
		}
		if random.IntN(3) == 0 {
			l.stop("a stop in order")
		} else {
			l.crash("a crash at any time")
		}
	}
}
