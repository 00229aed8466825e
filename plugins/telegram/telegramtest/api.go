// Package telegramtest is a stub of the Telegram Bot API, for tests and demos:
// it takes what the API's page says of the methods that a conversation needs,
// and refuses, and remembers having refused, whatever else is asked of it.
//
// Source: core.telegram.org/bots/api (Bot API 10.1). It is a stub and no
// server: nobody reads the messages, and no limits of rates are kept.
package telegramtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Username is the name of the stub's one bot.
const Username = "trama_stub_bot"

// API is the Bot API of one bot. It is an http.Handler.
type API struct {
	token string

	mu      sync.Mutex
	calls   []Call
	faults  []string
	files   map[string][]byte
	answers map[string][]answer
	webhook struct {
		url, secret string
		allowed     json.RawMessage
	}
	last    int           // message_id
	arrived chan struct{} // closed and made anew at each call
}

// Call is one request that was taken.
type Call struct {
	Method string
	// Params are its parameters, as JSON.
	Params map[string]json.RawMessage
	// Files are those that came along, by the names of their parts.
	Files map[string]Upload
	// MessageID is the id of the message that it made; 0 for none.
	MessageID int
}

// Text gives a parameter that is a text, and "" for any other.
func (c Call) Text(name string) string {
	var value string
	if json.Unmarshal(c.Params[name], &value) != nil {
		return ""
	}
	return value
}

// Upload is a file that came along with a request.
type Upload struct {
	Name, Type string
	Data       []byte
}

type answer struct {
	status int
	header http.Header
	body   string
}

// New returns the API of a bot with this token, such as "123456:not-a-token".
func New(token string) *API {
	return &API{token: token, files: map[string][]byte{}, answers: map[string][]answer{}, arrived: make(chan struct{})}
}

// Calls returns the requests that were taken, in order.
func (a *API) Calls() []Call {
	calls, _ := a.Watch()
	return calls
}

// Watch is Calls with a channel that is closed when one more has come.
func (a *API) Watch() ([]Call, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.calls), a.arrived
}

// Await returns the first call after the first n that is of the method, and how
// many calls there were up to it.
func (a *API) Await(ctx context.Context, n int, method string) (Call, int, error) {
	for {
		calls, more := a.Watch()
		for ; n < len(calls); n++ {
			if calls[n].Method == method {
				return calls[n], n + 1, nil
			}
		}
		select {
		case <-more:
		case <-ctx.Done():
			return Call{}, n, fmt.Errorf("no call of %s came (refused were %q)", method, a.Faults())
		}
	}
}

// Faults returns why requests were refused that break the contract.
func (a *API) Faults() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.faults)
}

// AddFile gives the API a file that can be asked for by its id.
func (a *API) AddFile(id string, data []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.files[id] = data
}

// Refuse has the next call of a method refused: the description is the API's
// own sentence ("Forbidden: bot was blocked by the user"), and parameters, such
// as {"retry_after": 3}, may be nil. The method "file" is the download.
func (a *API) Refuse(method string, status int, description string, parameters map[string]any) {
	body := map[string]any{"ok": false, "error_code": status, "description": description}
	if parameters != nil {
		body["parameters"] = parameters
	}
	data, err := json.Marshal(body)
	if err != nil {
		data = []byte(err.Error())
	}
	a.Answer(method, status, http.Header{"Content-Type": {"application/json"}}, string(data))
}

// Answer has the next call of a method answered with these bytes, whatever they
// are.
func (a *API) Answer(method string, status int, header http.Header, body string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answers[method] = append(a.answers[method], answer{status, header, body})
}

// Deliver sends an update to the webhook that was set, as Telegram does, and
// returns the status of the answer.
func (a *API) Deliver(ctx context.Context, update any) (int, error) {
	data, err := json.Marshal(update)
	if err != nil {
		return 0, err
	}
	a.mu.Lock()
	url, secret := a.webhook.url, a.webhook.secret
	a.mu.Unlock()
	if url == "" {
		return 0, fmt.Errorf("no webhook is set")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(data))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	if secret != "" {
		request.Header.Set("X-Telegram-Bot-Api-Secret-Token", secret)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

var secretPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)

// maxBody bounds a request's body: an upload's 50 MB and what is around it.
const maxBody = 51 << 20

// ServeHTTP takes one request: /bot<token>/<method> or
// /file/bot<token>/<file_path>.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rest, isFile := strings.CutPrefix(r.URL.Path, "/file/bot")
	if !isFile {
		var ok bool
		if rest, ok = strings.CutPrefix(r.URL.Path, "/bot"); !ok {
			a.refuse(w, 404, "Not Found")
			return
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
		a.refuse(w, 413, "Request Entity Too Large")
		return
	}
	if err != nil {
		return // the client has gone, and no answer reaches it
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	token, name, _ := strings.Cut(rest, "/")
	switch {
	case token != a.token:
		a.refuse(w, 401, "Unauthorized")
	case isFile:
		a.serveFile(w, r, name)
	default:
		a.serveMethod(w, r, name)
	}
}

func (a *API) serveMethod(w http.ResponseWriter, r *http.Request, name string) {
	m, known := contract[name]
	if !known || r.Method != http.MethodGet && r.Method != http.MethodPost {
		a.refuse(w, 404, "Not Found")
		return
	}
	c, wrong := readCall(r, name)
	if wrong == "" {
		wrong = checkObject("", m.fields, c.Params, c.Files)
	}
	if wrong == "" && name == "setWebhook" && c.Params["secret_token"] != nil && !secretPattern.MatchString(c.Text("secret_token")) {
		wrong = "secret token contains unallowed characters"
	}
	if wrong != "" {
		a.refuse(w, 400, "Bad Request: "+wrong)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var result any
	injected, is := a.injected(name)
	if !is {
		result = m.result(a, c)
		if message, sent := result.(map[string]any); sent {
			c.MessageID, _ = message["message_id"].(int)
		}
	}
	a.calls = append(a.calls, c)
	close(a.arrived)
	a.arrived = make(chan struct{})
	switch failed := result.(type) {
	case nil:
		injected.write(w)
	case badRequest:
		reply(w, 400, map[string]any{"ok": false, "error_code": 400, "description": "Bad Request: " + string(failed)})
	default:
		reply(w, 200, map[string]any{"ok": true, "result": result})
	}
}

// badRequest is a result that is a refusal.
type badRequest string

// injected takes the answer that a test wants for a call of a method.
func (a *API) injected(name string) (answer, bool) {
	list := a.answers[name]
	if len(list) == 0 {
		return answer{}, false
	}
	a.answers[name] = list[1:]
	return list[0], true
}

func (i answer) write(w http.ResponseWriter) {
	for name, values := range i.header {
		w.Header()[name] = values
	}
	w.WriteHeader(i.status)
	io.WriteString(w, i.body) //nolint:errcheck // the client is gone
}

func (a *API) serveFile(w http.ResponseWriter, r *http.Request, name string) {
	a.mu.Lock()
	injected, is := a.injected("file")
	data, known := a.files[path.Base(name)]
	a.mu.Unlock()
	switch {
	case is:
		injected.write(w)
	case r.Method != http.MethodGet || !known || name != filePath(path.Base(name)):
		a.refuse(w, 404, "Not Found")
	default:
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write(data) //nolint:errcheck // the client is gone
	}
}

// filePath is where a file lies. The space is one that has to be escaped.
func filePath(id string) string { return "all files/" + id }

// readCall reads the parameters, of a query, a form, parts or JSON
// (core.telegram.org/bots/api#making-requests).
func readCall(r *http.Request, name string) (c Call, wrong string) {
	c = Call{Method: name, Params: map[string]json.RawMessage{}, Files: map[string]Upload{}}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err != nil && r.ContentLength != 0:
		return c, fmt.Sprintf("Content-Type %q can't be read", r.Header.Get("Content-Type"))
	case media == "application/json":
		data, err := io.ReadAll(r.Body)
		if err != nil {
			return c, err.Error()
		}
		members, ok := membersOf(data)
		if !ok {
			return c, "the body is no JSON object"
		}
		c.Params = members
		return c, ""
	case media == "multipart/form-data":
		err = r.ParseMultipartForm(maxBody)
	default:
		err = r.ParseForm()
	}
	if err != nil {
		return c, err.Error()
	}
	for name, values := range r.Form {
		if len(values) > 1 {
			return c, name + " is there twice"
		}
		c.Params[name] = asJSON(name, values[0], contract[c.Method].fields)
	}
	if r.MultipartForm == nil {
		return c, ""
	}
	for name, headers := range r.MultipartForm.File {
		f, err := headers[0].Open()
		if err != nil {
			return c, err.Error()
		}
		data, err := io.ReadAll(f)
		f.Close()
		if err != nil {
			return c, err.Error()
		}
		c.Files[name] = Upload{headers[0].Filename, headers[0].Header.Get("Content-Type"), data}
	}
	return c, ""
}

// asJSON writes the text of a form's field as JSON: what is no text is JSON
// there already.
func asJSON(name, value string, fields []field) json.RawMessage {
	for _, f := range fields {
		if f.name == name && !slices.Contains([]kind{text, data, words, address, file}, f.kind) && json.Valid([]byte(value)) {
			return json.RawMessage(value)
		}
	}
	quoted, _ := json.Marshal(value) // a text: can't fail
	return quoted
}

// refuse answers what breaks the contract.
func (a *API) refuse(w http.ResponseWriter, status int, description string) {
	a.mu.Lock()
	a.faults = append(a.faults, description)
	a.mu.Unlock()
	reply(w, status, map[string]any{"ok": false, "error_code": status, "description": description})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body) //nolint:errcheck // the client is gone
}

func done(*API, Call) any { return true }

func (a *API) me(Call) any {
	return map[string]any{"id": json.Number("7700000001"), "is_bot": true, "first_name": "Stub", "username": Username}
}

func (a *API) setWebhook(c Call) any {
	a.webhook.url, a.webhook.secret, a.webhook.allowed = c.Text("url"), c.Text("secret_token"), c.Params["allowed_updates"]
	return true
}

func (a *API) webhookInfo(Call) any {
	info := map[string]any{"url": a.webhook.url, "has_custom_certificate": false, "pending_update_count": 0}
	if a.webhook.allowed != nil {
		info["allowed_updates"] = a.webhook.allowed
	}
	return info
}

func (a *API) getFile(c Call) any {
	id := c.Text("file_id")
	data, known := a.files[id]
	switch {
	case !known:
		return badRequest("wrong file_id or the file is temporarily unavailable")
	case len(data) > 20<<20:
		return badRequest("file is too big")
	}
	return map[string]any{"file_id": id, "file_unique_id": "u" + id, "file_size": len(data), "file_path": filePath(id)}
}

func (a *API) sent(c Call) any {
	a.last++
	return a.message(c, a.last)
}

func (a *API) edited(c Call) any {
	var number int
	if json.Unmarshal(c.Params["message_id"], &number) != nil || number > a.last {
		return badRequest("message to edit not found")
	}
	return a.message(c, number)
}

func (a *API) message(c Call, number int) map[string]any {
	return map[string]any{
		"message_id": number, "date": time.Now().Unix(),
		"chat": map[string]any{"id": c.Params["chat_id"], "type": "private"},
	}
}
