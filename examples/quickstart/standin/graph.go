package standin

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"sync"
	"unicode/utf8"
)

// GraphVersion is the version of the Graph API that the stand-in speaks; it
// begins every path.
const GraphVersion = "v23.0"

// Graph takes WhatsApp messages as the Cloud API does: POST
// /<version>/<phone number id>/messages with a bearer token. It is an
// http.Handler.
//
// Source: Meta, "WhatsApp Cloud API, Messages" and "Error Codes".
type Graph struct {
	token string
	path  string

	mu       sync.Mutex
	sends    []Send        // guarded by mu
	failures []string      // guarded by mu
	held     chan struct{} // closed by Release; nil: nothing is held; guarded by mu
	arrived  chan struct{} // closed and made anew at each send; guarded by mu
}

// Send is one accepted message.
type Send struct {
	ID       string   // that the answer gave
	To       string   // the phone number
	Type     string   // "text" or "interactive"
	Text     string   // its body
	Buttons  []Button // of an interactive message
	Callback string   // biz_opaque_callback_data: the sender's own id of the message
}

// Shown gives the text and the buttons in one line.
func (s Send) Shown() string {
	text := strconv.Quote(s.Text)
	for _, b := range s.Buttons {
		text += " [" + b.Title + "]"
	}
	return text
}

// Button is one reply button of a message.
type Button struct {
	ID    string `json:"id"`
	Title string `json:"title"`
}

// NewGraph returns a Graph API that has one phone number and one token.
func NewGraph(phoneNumberID, token string) *Graph {
	return &Graph{token: token, path: "/" + GraphVersion + "/" + phoneNumberID + "/messages", arrived: make(chan struct{})}
}

// Sends returns the messages that arrived, in order, answered or held.
func (g *Graph) Sends() []Send {
	sends, _ := g.Watch()
	return sends
}

// Watch is Sends with a channel that is closed when one more has arrived.
func (g *Graph) Watch() ([]Send, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]Send(nil), g.sends...), g.arrived
}

// Failures returns why requests were refused.
func (g *Graph) Failures() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string(nil), g.failures...)
}

// Hold lets messages arrive and leaves their senders without an answer, until
// Release.
func (g *Graph) Hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held == nil {
		g.held = make(chan struct{})
	}
}

// Release answers what is held and holds no more.
func (g *Graph) Release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held != nil {
		close(g.held)
		g.held = nil
	}
}

// message is the body of a send, as far as the stand-in knows it.
type message struct {
	Product   string `json:"messaging_product"`
	Recipient string `json:"recipient_type"`
	To        string `json:"to"`
	Type      string `json:"type"`
	Callback  string `json:"biz_opaque_callback_data"`
	Text      *struct {
		Body string `json:"body"`
	} `json:"text"`
	Interactive *struct {
		Type string `json:"type"`
		Body struct {
			Text string `json:"text"`
		} `json:"body"`
		Action struct {
			Buttons []struct {
				Type  string `json:"type"`
				Reply Button `json:"reply"`
			} `json:"buttons"`
		} `json:"action"`
	} `json:"interactive"`
}

// The API's limits, in characters.
const (
	maxText        = 4096
	maxInteractive = 1024
	maxButtons     = 3
	maxTitle       = 20
	maxCallback    = 512
)

var phonePattern = regexp.MustCompile(`^\+?[0-9]{7,15}$`)

// ServeHTTP takes one message, or says who the number is.
func (g *Graph) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case r.Method == http.MethodGet && r.URL.Path+"/messages" == g.path && r.Header.Get("Authorization") == "Bearer "+g.token:
		fmt.Fprintf(w, `{"id": %q, "display_phone_number": "+55 11 4000-0000", "verified_name": "Quickstart", "quality_rating": "GREEN", "status": "CONNECTED"}`, path.Base(r.URL.Path))
		return
	case r.URL.Path != g.path:
		g.refuse(w, 404, "GraphMethodException", 100, "Unsupported request: no object at "+r.URL.Path)
		return
	case r.Method != http.MethodPost:
		g.refuse(w, 400, "GraphMethodException", 100, "Unsupported "+r.Method+" request")
		return
	case r.Header.Get("Authorization") != "Bearer "+g.token:
		g.refuse(w, 401, "OAuthException", 190, "Invalid OAuth access token")
		return
	case err != nil || media != "application/json":
		g.refuse(w, 400, "OAuthException", 100, fmt.Sprintf("Content-Type %q is not application/json", r.Header.Get("Content-Type")))
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return // the client has gone, and no answer reaches it
	}
	send, reason := parse(body)
	if reason != "" {
		g.refuse(w, 400, "OAuthException", 100, "(#100) Invalid parameter: "+reason)
		return
	}
	send, held := g.accept(send)
	if held != nil {
		select {
		case <-held:
		case <-r.Context().Done():
			return
		}
	}
	reply(w, 200, map[string]any{
		"messaging_product": "whatsapp",
		"contacts":          []any{map[string]string{"input": send.To, "wa_id": send.To}},
		"messages":          []any{map[string]string{"id": send.ID}},
	})
}

// parse checks a body and says what is wrong with it.
func parse(body []byte) (send Send, wrong string) {
	var m message
	if err := json.Unmarshal(body, &m); err != nil {
		return send, err.Error()
	}
	send = Send{To: m.To, Type: m.Type, Callback: m.Callback}
	switch {
	case m.Product != "whatsapp":
		return send, fmt.Sprintf("messaging_product is %q, not whatsapp", m.Product)
	case m.Recipient != "" && m.Recipient != "individual":
		return send, fmt.Sprintf("recipient_type is %q, not individual", m.Recipient)
	case !phonePattern.MatchString(m.To):
		return send, fmt.Sprintf("to is %q, not a phone number", m.To)
	case len(m.Callback) > maxCallback:
		return send, "biz_opaque_callback_data is too long"
	case m.Type == "text" && m.Text != nil && m.Interactive == nil:
		send.Text = m.Text.Body
		return send, within("text.body", send.Text, maxText)
	case m.Type == "interactive" && m.Interactive != nil && m.Text == nil:
		return interactive(send, m)
	}
	return send, fmt.Sprintf("type is %q, want text or interactive with the part of that name alone", m.Type)
}

// interactive checks a message with reply buttons.
func interactive(send Send, m message) (Send, string) {
	i := m.Interactive
	send.Text = i.Body.Text
	if wrong := within("interactive.body.text", send.Text, maxInteractive); wrong != "" {
		return send, wrong
	}
	if i.Type != "button" || len(i.Action.Buttons) < 1 || len(i.Action.Buttons) > maxButtons {
		return send, fmt.Sprintf("interactive of type %q with %d buttons, want button with 1 to %d", i.Type, len(i.Action.Buttons), maxButtons)
	}
	for _, b := range i.Action.Buttons {
		if b.Type != "reply" || b.Reply.ID == "" {
			return send, "a button is no reply with an id"
		}
		if wrong := within("reply.title", b.Reply.Title, maxTitle); wrong != "" {
			return send, wrong
		}
		send.Buttons = append(send.Buttons, b.Reply)
	}
	return send, ""
}

// within says what is wrong with a text that may not be empty or longer than
// most characters.
func within(field, text string, most int) string {
	if n := utf8.RuneCountInString(text); n < 1 || n > most {
		return fmt.Sprintf("%s has %d characters, want 1 to %d", field, n, most)
	}
	return ""
}

// accept records a message; held is what its answer has to wait for.
func (g *Graph) accept(send Send) (_ Send, held <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	send.ID = fmt.Sprintf("wamid.QUICKSTART%06d", len(g.sends)+1)
	g.sends = append(g.sends, send)
	close(g.arrived)
	g.arrived = make(chan struct{})
	return send, g.held
}

// refuse answers with an error in the shape of the Graph API.
func (g *Graph) refuse(w http.ResponseWriter, status int, kind string, code int, text string) {
	g.mu.Lock()
	g.failures = append(g.failures, text)
	g.mu.Unlock()
	reply(w, status, map[string]any{"error": map[string]any{
		"message": text, "type": kind, "code": code, "fbtrace_id": "quickstart",
	}})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body) //nolint:errcheck // the client is gone
}

var _ http.Handler = (*Graph)(nil)
