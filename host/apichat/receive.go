package apichat

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"mime"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/trama-run/trama/host/contact"
	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/pdk/abi"
)

// Scheme is that of the addresses of a system's users.
const Scheme = "apichat"

// maxEntries bounds what one request may bring.
const maxEntries = 100

// Receive reads what a system posts to the address for users' messages: one
// entry, or a list of them, as JSON or as a form. delivery names the request: an
// entry without an id is known by it. Of several entries the good ones are
// taken, and wrong says of each other what is wrong with it. The error says what
// the system did wrong where there is no good one; kinds that are not known are
// no mistake, and kept as they came.
func Receive(delivery, contentType string, body []byte) (units []abi.Unit, wrong []string, err error) {
	v, err := document(contentType, body)
	if err != nil {
		return nil, nil, err
	}
	entries, _ := v.([]any)
	if f, is := v.(map[string]any); is {
		var several bool
		if entries, several = f["messages"].([]any); !several {
			entries = []any{v}
		}
	}
	if len(entries) == 0 || len(entries) > maxEntries {
		return nil, nil, fmt.Errorf("the body is no entry, nor a list of 1 to %d of them", maxEntries)
	}
	units = []abi.Unit{}
	for i, e := range entries {
		f, ok := e.(map[string]any)
		if !ok {
			wrong = append(wrong, fmt.Sprintf("entry %d is no object", i+1))
			continue
		}
		some, err := entry(f, fmt.Sprintf("%s#%d", delivery, i+1))
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("entry %d: %v", i+1, err))
			continue
		}
		units = append(units, some...)
	}
	if len(wrong) == len(entries) {
		return nil, nil, errors.New(strings.Join(wrong, "; "))
	}
	return units, wrong, nil
}

// nameOf is the id of a unit: ids may be of one conversation, so it has the
// user's, and what stands for the slash between them is in neither.
func nameOf(user, id string) string { return url.PathEscape(user) + "/" + url.PathEscape(id) }

// idIn gives the system's id of a message of a user out of the id of its unit;
// another id is as it is.
func idIn(user, unit string) string {
	rest, of := strings.CutPrefix(unit, url.PathEscape(user)+"/")
	if !of {
		return unit
	}
	id, _, _ := strings.Cut(rest, "/") // what follows counts its files
	if id, err := url.PathUnescape(id); err == nil {
		return id
	}
	return unit
}

// entry reads one entry; unnamed is its id if it brings none.
func entry(f map[string]any, unnamed string) ([]abi.Unit, error) {
	sender, _ := f["sender"].(map[string]any)
	u := abi.Unit{ID: unnamed, Name: word(sender["name"]), TimeMillis: millis(f)}
	u.From = abi.Address{Scheme: Scheme, Path: first(sender, "id", "identifier")}
	if u.From.Path == "" {
		u.From.Path = word(f["conversation_id"])
	}
	if id := first(f, "id", "message_id", "source_id"); id != "" {
		u.ID = nameOf(u.From.Path, id)
	}
	event := word(f["event"])
	if state, is := strings.CutPrefix(event, "message_"); is && (state == "sent" || state == "delivered" || state == "read" || state == "failed") {
		return status(f, u, state)
	}
	if err := contact.CheckAddress(u.From); err != nil {
		return nil, errors.New("sender.id is missing or too long: a text or a number that names the user")
	}
	switch word(f["message_type"]) {
	case "", "incoming", "0": // the numbers are those of Chatwoot's API
	default:
		return nil, nil // such as our own message, which comes back
	}
	if event != "" && event != "message_created" {
		return unknown(u, f)
	}
	return messages(f, u)
}

// status reads news of a message of ours.
func status(f map[string]any, u abi.Unit, state string) ([]abi.Unit, error) {
	s := &abi.Status{MessageID: first(f, "message_id", "id"), State: state}
	if s.MessageID == "" {
		return nil, errors.New("message_id is missing: the id of the message that this is news of")
	}
	if state == "failed" {
		text := first(f, "error", "reason")
		if e, is := f["error"].(map[string]any); is {
			text = first(e, "message", "code")
		}
		s.Error = &abi.Error{Code: "failed", Message: text}
	}
	if u.From.Path == "" { // news needs no user: the message has one
		u.From = abi.Address{}
	}
	u.Status, u.ID = s, s.MessageID+"/"+state
	return []abi.Unit{u}, nil
}

// messages reads what a user wrote: one message for each file, the text with the
// first.
func messages(f map[string]any, u abi.Unit) ([]abi.Unit, error) {
	text := word(f["content"])
	m := abi.Message{ID: u.ID, Type: abi.MessageText, Text: text, ReplyTo: first(f, "reply_to", "in_reply_to")}
	attributes, _ := f["content_attributes"].(map[string]any)
	postback, _ := f["postback"].(map[string]any)
	for _, from := range []map[string]any{f, postback, attributes} {
		if payload := word(from["payload"]); payload != "" {
			m.Type, m.Payload = abi.MessageButtonReply, payload
			if title := word(from["title"]); title != "" && m.Text == "" {
				m.Text = title
			}
			u.Message = &m
			return []abi.Unit{u}, nil
		}
	}
	if l, is := place(f["location"]); is {
		m.Type, m.Location = abi.MessageLocation, l
		u.Message = &m
		return []abi.Unit{u}, nil
	}
	files, _ := f["attachments"].([]any)
	if one, is := f["attachment"].(map[string]any); is {
		files = append(files, one)
	}
	if len(files) > maxEntries {
		return nil, fmt.Errorf("%d attachments, over the limit of %d", len(files), maxEntries)
	}
	var units []abi.Unit
	for i, file := range files {
		part, partOf := m, u
		if i > 0 {
			partOf.ID, part.Text = fmt.Sprintf("%s/%d", u.ID, i+1), ""
			part.ID = partOf.ID
		}
		a, _ := file.(map[string]any)
		if l, is := place(a); is {
			part.Type, part.Location = abi.MessageLocation, l
		} else if media := attachment(a); media != nil {
			part.Type, part.Media = abi.MessageMedia, media
		} else {
			return unknown(u, f)
		}
		partOf.Message = &part
		units = append(units, partOf)
	}
	if len(units) > 0 {
		return units, nil
	}
	if text == "" {
		return unknown(u, f)
	}
	u.Message = &m
	return []abi.Unit{u}, nil
}

// unknown keeps an entry as it came, but for files in it: they would be more than
// a run can hold.
func unknown(u abi.Unit, f map[string]any) ([]abi.Unit, error) {
	raw, err := json.Marshal(bare(f))
	if err != nil {
		return nil, err
	}
	u.Message = &abi.Message{ID: u.ID, Type: abi.MessageUnknown, Raw: raw}
	return []abi.Unit{u}, nil
}

// bare gives a value without the files that it holds.
func bare(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, inner := range v {
			if text, is := inner.(string); is && (IsInline(text) || name == "data" && len(text) > maxName) {
				continue
			}
			out[name] = bare(inner)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = bare(inner)
		}
		return out
	}
	return v
}

// attachment reads a file: by its address, or as base64 in it.
func attachment(a map[string]any) *abi.Media {
	kinds := map[string]string{"image": "image", "audio": "audio", "video": "video", "file": "document", "document": "document", "voice": "voice", "sticker": "sticker"}
	kind := kinds[first(a, "file_type", "type")]
	m := &abi.Media{Kind: kind, URL: first(a, "data_url", "url"), MIME: first(a, "content_type", "mime_type"), Filename: bareName(first(a, "file_name", "filename", "name"))}
	if data := word(a["data"]); data != "" && m.URL == "" {
		m.URL = dataURL(m.MIME, data)
	}
	if kind == "" || m.URL == "" {
		return nil
	}
	return m
}

// maxName is how many characters of a file's name are kept, of its end: there
// it says what kind of file it is.
const maxName = 200

// bareName makes a file's name of what a user's device calls it: without a
// path, and without what is no text in a line.
func bareName(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) || r == utf8.RuneError {
			return -1
		}
		return r
	}, name)
	name = strings.TrimSpace(name[strings.LastIndexAny(name, `/\`)+1:])
	if name == "." || name == ".." {
		return ""
	}
	if letters := []rune(name); len(letters) > maxName {
		name = string(letters[len(letters)-maxName:])
	}
	return name
}

// place reads a location, if a value is one.
func place(v any) (*abi.Location, bool) {
	f, _ := v.(map[string]any)
	number := func(names ...string) (float64, bool) {
		n, err := strconv.ParseFloat(first(f, names...), 64)
		return n, err == nil
	}
	lat, ok := number("latitude", "coordinates_lat", "lat")
	long, ok2 := number("longitude", "coordinates_long", "lng")
	if !ok || !ok2 || !(math.Abs(lat) <= 90 && math.Abs(long) <= 180) { // "NaN" is a float as well
		return nil, false
	}
	return &abi.Location{Latitude: lat, Longitude: long, Name: first(f, "name", "fallback_title"), Address: word(f["address"])}, true
}

// millis reads when an entry was made; 0 if it doesn't say.
func millis(f map[string]any) int64 {
	text := first(f, "created_at", "timestamp")
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n < 1e12 && n > -1e12 { // seconds
			n *= 1000
		}
		return n
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at.UnixMilli()
	}
	return 0
}

// document reads a body: JSON, whatever its type says, or else a form, whose
// names may have brackets.
func document(contentType string, body []byte) (any, error) {
	var v any
	if utf8.Valid(body) && expr.UnmarshalJSON(body, &v) == nil { // numbers keep their digits
		return v, nil
	}
	kind, _, _ := mime.ParseMediaType(contentType) //nolint:errcheck // what can't be read is no form
	if kind != "application/x-www-form-urlencoded" {
		return nil, errors.New("the body is neither JSON nor a form")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, errors.New("the body can't be read as a form")
	}
	object := map[string]any{}
	for name, values := range form {
		if len(values) != 1 {
			return nil, fmt.Errorf("the field %.40q is there %d times", name, len(values))
		}
		if err := set(object, name, values[0]); err != nil {
			return nil, err
		}
	}
	return listed(object), nil
}

// set sets "sender[id]" in an object.
func set(object map[string]any, name, value string) error {
	head, rest, nested := strings.Cut(name, "[")
	path := []string{head}
	if nested {
		for _, step := range strings.Split(rest, "[") {
			if step = strings.TrimSuffix(step, "]"); step == "" {
				step = "0"
			}
			path = append(path, step)
		}
	}
	if len(path) > 6 {
		return fmt.Errorf("the field %.40q is too deep", name)
	}
	for _, step := range path[:len(path)-1] {
		next, is := object[step].(map[string]any)
		if !is {
			if _, there := object[step]; there {
				return fmt.Errorf("the field %.40q is both a value and an object", name)
			}
			next = map[string]any{}
			object[step] = next
		}
		object = next
	}
	last := path[len(path)-1]
	if _, there := object[last]; there {
		return fmt.Errorf("the field %.40q is both a value and an object", name)
	}
	object[last] = value
	return nil
}

// listed makes lists of objects whose names are 0 to n.
func listed(v any) any {
	object, is := v.(map[string]any)
	if !is {
		return v
	}
	list := make([]any, len(object))
	for name, inner := range object {
		inner = listed(inner)
		object[name] = inner
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(list) && strconv.Itoa(i) == name {
			list[i] = inner
		}
	}
	for _, inner := range list {
		if inner == nil {
			return object
		}
	}
	if len(list) == 0 {
		return object
	}
	return list
}

// first gives the first field that is there, as a text.
func first(f map[string]any, names ...string) string {
	for _, name := range names {
		if text := word(f[name]); text != "" {
			return text
		}
	}
	return ""
}

// word gives a text, or a number as it was written.
func word(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}
