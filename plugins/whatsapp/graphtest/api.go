// Package graphtest is a stub of the WhatsApp Cloud API, for tests and demos: it
// takes what Meta's pages say of messages, media and a number's webhook, and
// refuses, and remembers having refused, whatever else is asked of it. It signs
// webhooks as Meta does.
//
// It is a stub and no server: nobody reads the messages, templates are whatever
// they are called, and no rates are kept.
package graphtest

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/trama-run/trama/plugins/strict"
)

// API is the Cloud API of one phone number. It is an http.Handler, whose base URL
// is that of a version, such as https://graph.facebook.com/v23.0.
type API struct {
	*strict.Stub
	number, token string

	mu       sync.Mutex
	media    map[string]File
	next     int64
	messages []Message
	uploads  []strict.Violation
	webhook  string
	arrived  chan struct{} // closed and made anew with each message
	numbers  map[string]string
}

// File is a medium.
type File struct {
	Name, Type string
	Data       []byte
}

// Message is one that was sent.
type Message struct {
	ID   string
	To   string // a number, or an id of a user
	Body map[string]any
}

// New returns the API of a number, by its id, for this access token.
func New(number, token string) (*API, error) {
	a := &API{number: number, token: token, media: map[string]File{}, numbers: map[string]string{}, next: 1000, arrived: make(chan struct{})}
	var err error
	a.Stub, err = strict.New(a.contract())
	return a, err
}

// Calls lets WhatsApp know a number by another one, which it answers with.
func (a *API) Calls(number, known string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.numbers[number] = known
}

// Messages returns what was sent, in order, and a channel that is closed when
// one more has come.
func (a *API) Messages() ([]Message, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]Message(nil), a.messages...), a.arrived
}

// Violations are the requests that broke the contract, uploads too.
func (a *API) Violations() []strict.Violation {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append(a.Stub.Violations(), a.uploads...)
}

// Add gives the API a medium, as if a contact had sent it, and returns its id and
// its sum as webhooks have it.
func (a *API) Add(f File) (id, sum string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	digest := sha256.Sum256(f.Data)
	return a.keep(f), base64.StdEncoding.EncodeToString(digest[:])
}

// keep is Add's part that holds the lock.
func (a *API) keep(f File) string {
	a.next++
	id := strconv.FormatInt(a.next, 10)
	a.media[id] = f
	return id
}

// hostHeader carries where the stub was called, for addresses that it gives.
const hostHeader = "X-Stub-Host"

// ServeHTTP takes uploads itself, which are no JSON.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != "POST" || r.URL.Path != "/"+a.number+"/media" {
		r.Header.Set(hostHeader, r.Host)
		a.Stub.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has gone, and no answer reaches it
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	id, reason := a.upload(r)
	answer := map[string]any{"id": id}
	if reason != "" {
		a.mu.Lock()
		a.uploads = append(a.uploads, strict.Violation{Request: "POST " + r.URL.Path, Part: strict.PartBody, Reason: reason})
		a.mu.Unlock()
		answer = failed(400, 100, "(#100) "+reason, "").Body.(map[string]any)
		w.WriteHeader(400)
	}
	json.NewEncoder(w).Encode(answer) //nolint:errcheck // the client has gone
}

// upload takes a file, or says how the request breaks the contract of pageMedia.
func (a *API) upload(r *http.Request) (id, reason string) {
	if r.Header.Get("Authorization") != "Bearer "+a.token {
		return "", "the access token is not the number's"
	}
	kind, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return "", fmt.Sprintf("the content type %q is not multipart/form-data", r.Header.Get("Content-Type"))
	}
	fields, f := map[string]string{}, File{}
	for parts := multipart.NewReader(r.Body, parameters["boundary"]); ; {
		part, err := parts.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", err.Error()
		}
		data, err := io.ReadAll(part)
		switch name := part.FormName(); {
		case err != nil:
			return "", err.Error()
		case name == "file" && part.FileName() != "":
			f = File{part.FileName(), part.Header.Get("Content-Type"), data}
		case name == "messaging_product" || name == "type":
			fields[name] = string(data)
		default:
			return "", fmt.Sprintf("there is no field %q", name)
		}
	}
	switch {
	case fields["messaging_product"] != "whatsapp":
		return "", "messaging_product is not whatsapp"
	case f.Name == "":
		return "", "there is no file"
	case f.Type == "" || fields["type"] != f.Type:
		return "", fmt.Sprintf("type is %q, and the file's %q", fields["type"], f.Type)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.keep(f), ""
}

// admit looks at the access token.
func (a *API) admit(r *strict.Request) (strict.Answer, bool) {
	if r.Header.Get("Authorization") != "Bearer "+a.token {
		return failed(401, 190, "Error validating access token", ""), false
	}
	return strict.Answer{}, true
}

// failed is an error of the Graph API: see pageErrorCode.
func failed(status, code int, message, details string) strict.Answer {
	e := map[string]any{"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "AStubTrace"}
	if details != "" {
		e["error_data"] = map[string]any{"messaging_product": "whatsapp", "details": details}
	}
	return strict.Answer{Status: status, Body: map[string]any{"error": e}}
}

func (a *API) message(r *strict.Request) strict.Answer {
	if r.Params["id"] != a.number {
		return failed(400, 100, "Unsupported post request", "")
	}
	var body map[string]any
	r.Decode(&body)
	if body["status"] != nil {
		return strict.Answer{Body: map[string]any{"success": true}}
	}
	to, _ := body["to"].(string)
	if to == "" {
		to, _ = body["recipient"].(string)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range mediaIn(body) {
		if _, ok := a.media[id]; !ok {
			return failed(400, 100, "(#100) Invalid parameter", "Media with id "+id+" is not uploaded")
		}
	}
	m := Message{ID: fmt.Sprintf("wamid.STUB%04d", len(a.messages)+1), To: to, Body: body}
	a.messages = append(a.messages, m)
	close(a.arrived)
	a.arrived = make(chan struct{})
	known := cmp.Or(a.numbers[to], to)
	return strict.Answer{Body: map[string]any{
		"messaging_product": "whatsapp", "contacts": []any{map[string]any{"input": to, "wa_id": known}}, "messages": []any{map[string]any{"id": m.ID}},
	}}
}

// mediaIn lists the ids of media that a message of a kind of medium names.
func mediaIn(body map[string]any) (ids []string) {
	kind, _ := body["type"].(string)
	content, _ := body[kind].(map[string]any)
	if id, ok := content["id"].(string); ok {
		ids = append(ids, id)
	}
	return ids
}

// node is a medium or the number.
func (a *API) node(r *strict.Request) strict.Answer {
	id := r.Params["id"]
	a.mu.Lock()
	defer a.mu.Unlock()
	if f, ok := a.media[id]; ok {
		sum := sha256.Sum256(f.Data)
		return strict.Answer{Body: map[string]any{
			"messaging_product": "whatsapp", "id": id, "url": "http://" + r.Header.Get(hostHeader) + "/media/" + id + "/file",
			"mime_type": f.Type, "sha256": hex.EncodeToString(sum[:]), "file_size": len(f.Data),
		}}
	}
	if id != a.number {
		return failed(400, 100, "Unsupported get request. Object with ID '"+id+"' does not exist", "")
	}
	all := map[string]any{
		"id": a.number, "display_phone_number": "+55 11 4000-0000", "verified_name": "Loja", "quality_rating": "GREEN", "status": "CONNECTED",
		"webhook_configuration": map[string]any{"application": "https://app.example.com/hooks", "phone_number": a.webhook},
	}
	asked := map[string]any{"id": a.number}
	for field := range strings.SplitSeq(r.Query.Get("fields"), ",") {
		if value, ok := all[field]; ok {
			asked[field] = value
		}
	}
	return strict.Answer{Body: asked}
}

// override keeps where the number's webhooks are to go. The stub does not ask the
// address for the token.
func (a *API) override(r *strict.Request) strict.Answer {
	var body struct {
		Webhook struct {
			URL string `json:"override_callback_uri"`
		} `json:"webhook_configuration"`
	}
	r.Decode(&body)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.webhook = body.Webhook.URL
	return strict.Answer{Body: map[string]any{"success": true}}
}

func (a *API) file(r *strict.Request) strict.Answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	f, ok := a.media[r.Params["id"]]
	if !ok {
		return strict.Answer{Status: 404}
	}
	return strict.Answer{Text: string(f.Data), Headers: map[string]string{"Content-Type": f.Type}}
}

// Webhook gives the body and the headers of a webhook of one message from a
// contact, signed with an app's secret. message is the message as Meta has it,
// without what all have: {"type": "text", "text": {"body": "Oi"}}.
func (a *API) Webhook(secret, from, name, id string, at time.Time, message map[string]any) (body []byte, header http.Header, err error) {
	m := map[string]any{"from": from, "id": id, "timestamp": strconv.FormatInt(at.Unix(), 10)}
	for field, value := range message {
		m[field] = value
	}
	return a.notice(secret, map[string]any{
		"contacts": []any{map[string]any{"profile": map[string]any{"name": name}, "wa_id": from}},
		"messages": []any{m},
	})
}

// Status gives the body and the headers of a webhook that says what became of a
// message that was sent, with what was sent along with it.
func (a *API) Status(secret string, m Message, state string, at time.Time) (body []byte, header http.Header, err error) {
	s := map[string]any{"id": m.ID, "status": state, "timestamp": strconv.FormatInt(at.Unix(), 10), "recipient_id": m.To}
	if callback, ok := m.Body["biz_opaque_callback_data"]; ok {
		s["biz_opaque_callback_data"] = callback
	}
	return a.notice(secret, map[string]any{"statuses": []any{s}})
}

// notice gives a webhook, signed as Meta signs.
func (a *API) notice(secret string, value map[string]any) (body []byte, header http.Header, err error) {
	value["messaging_product"] = "whatsapp"
	value["metadata"] = map[string]any{"display_phone_number": "551140000000", "phone_number_id": a.number}
	body, err = json.Marshal(map[string]any{"object": "whatsapp_business_account", "entry": []any{
		map[string]any{"id": "102290129340398", "changes": []any{map[string]any{"field": "messages", "value": value}}},
	}})
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return body, http.Header{"Content-Type": {"application/json"}, "X-Hub-Signature-256": {"sha256=" + hex.EncodeToString(mac.Sum(nil))}}, err
}
