package host_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"

	"github.com/trama-run/trama/host/simulation"
)

// ServeHTTP is the peer.
func (c *crash) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the host is gone
	}
	var e simulation.Event
	var message sent
	if r.URL.Path == "/messages" {
		if err = json.Unmarshal(body, &message); err == nil {
			e, err = simulation.Send(c.contact(message.To), message.Text, message.EffectID)
		}
	} else {
		e, err = simulation.Call(body, r.Header.Get("Idempotency-Key"))
	}
	if err != nil {
		c.t.Error(err)
		return
	}
	c.history.Add(e)
	c.reached(false)
	id, good := fmt.Sprintf("m%d", c.sent.Add(1)), !c.fails(e)
	if !good { // whether the host lives to see a good answer is not known here
		c.history.Add(simulation.Event{What: simulation.Answered, Name: e.Name, Effect: e.Effect})
		w.WriteHeader(503)
	}
	fmt.Fprint(w, id)
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
	if good && message.To != "" {
		go c.tell(message.To, id)
	}
	c.reached(true)
}

// fails says whether a request gets a bad answer: some do, once, since the
// pauses between many tries would be longer than all else.
func (c *crash) fails(e simulation.Event) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if simulation.Stubborn(e.Name) {
		return rand.IntN(3) != 0
	}
	if c.failed[e.Effect] || rand.IntN(20) != 0 {
		return false
	}
	c.failed[e.Effect] = true
	return true
}

// reached kills the host, if it is to die here.
func (c *crash) reached(answered bool) {
	if kill := c.armed.Load(); kill != nil {
		(*kill)(answered)
	}
}

// tell lets the service tell what became of a message.
func (c *crash) tell(person, message string) {
	channel, _, _ := strings.Cut(c.contact(person), "/")
	state := [...]string{"delivered", "read"}[rand.IntN(2)]
	if c.deliver(channel, "news-"+message, unit{ID: "news-" + message, From: person, Sent: message, State: state}) {
		c.history.Add(simulation.Event{What: simulation.Told, Name: message, Word: state})
	}
}
