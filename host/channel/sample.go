package channel

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"sync"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/signature"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// A sample is a webhook request that the host sends itself, to try a channel
// out. It takes the way that all requests take, marked with a text that nobody
// else knows, up to where its adapter has read it: there it ends. It starts
// nothing, is nobody's attack, and is not known again.

// headerSample marks a request as a sample. Its value serves once.
const headerSample = "Trama-Check"

// reading is what came of reading a sample.
type reading struct {
	units   []abi.Unit
	event   *run.Event // of a channel of adapter webhook
	failure *abi.Error
}

// sample is one under way.
type sample struct {
	mark   string
	stored chan struct{} // closed once it is on disk
	read   chan reading  // gets what came of it
}

// samples are those under way, by their marks.
type samples struct {
	mu      sync.Mutex
	sent    map[string]*sample // that have not come in; guarded by mu
	waiting map[string]*sample // whose reading somebody waits for; guarded by mu
}

// begin makes a sample, which ends with the function.
func (s *samples) begin() (*sample, func()) {
	one := &sample{mark: rand.Text(), stored: make(chan struct{}), read: make(chan reading, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sent == nil {
		s.sent, s.waiting = map[string]*sample{}, map[string]*sample{}
	}
	s.sent[one.mark], s.waiting[one.mark] = one, one
	return one, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.sent, one.mark)
		delete(s.waiting, one.mark)
	}
}

// take gives the sample that a request is, once, and takes the mark out of it;
// nil for all that others send.
func (s *samples) take(q Request) *sample {
	mark, marked := q.Headers[strings.ToLower(headerSample)]
	if !marked {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.sent[mark]
	if one != nil {
		delete(s.sent, mark)
		delete(q.Headers, strings.ToLower(headerSample))
	}
	return one
}

// tell gives what came of reading a sample to who waits for it, if somebody
// still does.
func (s *samples) tell(mark string, r reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.waiting[mark]; one != nil {
		delete(s.waiting, mark)
		one.read <- r
	}
}

// sampleIn gives the mark of a stored request that is a sample; empty for
// others. Those are told apart without being read.
func sampleIn(value []byte) string {
	if !bytes.Contains(value, []byte(`"sample":"`)) {
		return ""
	}
	var stored raw
	if json.Unmarshal(value, &stored) != nil {
		return ""
	}
	return stored.Sample
}

// endSamples takes samples out of requests that were read, and out of the
// store; the others are given back.
func (c *Channels) endSamples(ctx context.Context, requests []request) ([]request, error) {
	var rest []request
	for _, q := range requests {
		if q.sample == "" {
			rest = append(rest, q)
			continue
		}
		if err := c.endSample(ctx, q.item, q.sample, reading{units: q.units, failure: q.failure}); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

func (c *Channels) endSample(ctx context.Context, item store.Item, mark string, r reading) error {
	batch := removal(item)
	if _, err := c.config.Store.Commit(ctx, &batch); err != nil {
		return err
	}
	c.samples.tell(mark, r)
	return nil
}

// letter is a request as a service sends it.
type letter struct {
	headers, query map[string]string
	body           []byte
	path           string // under the channel's; may be a secret
	proof          string // what shows that it is genuine, in words; empty: nothing
}

// sampleOf makes a request for a channel of an adapter; false spoils what shows
// that it is genuine.
func (c *Channels) sampleOf(ch catalog.Channel, w *abi.Webhook, body []byte, right bool) (letter, error) {
	l := letter{headers: map[string]string{"Content-Type": "application/json"}, query: map[string]string{}, body: body}
	if w.Sample != nil {
		maps.Copy(l.headers, w.Sample.Headers)
		if body == nil {
			filled, err := configured(w.Sample.Body, ch.Config)
			if err != nil {
				return l, err
			}
			l.body = filled
		}
	}
	if header := headerIn(w.DeliveryID); header != "" && l.headers[header] == "" {
		l.headers[header] = rand.Text()
	}
	if w.Signature != nil {
		method, err := c.prepared.ofManifest(ch, w.Signature)
		if err != nil {
			return l, err
		}
		if err := c.sign(&l, method, ch.Secrets[w.Signature.Secret], right); err != nil {
			return l, err
		}
	}
	if w.Token != nil {
		value, err := c.shown(ch.Secrets[w.Token.Secret], right)
		if err != nil {
			return l, err
		}
		l.headers[w.Token.Header] = value
		l.proved("the token in " + w.Token.Header)
	}
	return l, nil
}

// sampleFor makes a request for a channel of adapter webhook.
func (c *Channels) sampleFor(ch catalog.Channel, p *prepared, body []byte, right bool) (letter, error) {
	l := letter{headers: map[string]string{"Content-Type": "application/json"}, query: map[string]string{}, body: body}
	if body == nil {
		example := map[string]any{"sample": true}
		for _, place := range []string{p.ID, p.Contact, p.Order} {
			put(example, place)
		}
		var err error
		if l.body, err = json.Marshal(example); err != nil {
			return l, err
		}
	}
	for _, place := range []string{p.ID, p.Order} {
		if header := headerIn(place); header != "" {
			l.headers[header] = "sample"
		}
	}
	if p.method != nil {
		if err := c.sign(&l, p.method, ch.Secrets[catalog.SecretWebhook], right); err != nil {
			return l, err
		}
	}
	if p.Token != "" {
		value, err := c.shown(ch.Secrets[p.TokenSecret()], right)
		if err != nil {
			return l, err
		}
		where, name := p.TokenOf()
		if where == "header" {
			l.headers[name] = value
		} else {
			l.query[name] = value
		}
		l.proved("the token in " + where + " " + name)
	}
	if p.Basic != "" {
		value, err := c.shown(ch.Secrets[catalog.SecretPassword], right)
		if err != nil {
			return l, err
		}
		l.headers["Authorization"] = "Basic " + base64.StdEncoding.EncodeToString([]byte(p.Basic+":"+value))
		l.proved("user and password")
	}
	return l, nil
}

func (l *letter) proved(by string) {
	if l.proof != "" {
		by = l.proof + ", " + by
	}
	l.proof = by
}

// sign signs a request with the first of some secrets that is there.
func (c *Channels) sign(l *letter, m *signature.Method, names catalog.SecretList, right bool) error {
	text, err := c.shown(names, true)
	if err != nil {
		return err
	}
	key, err := m.Key(text)
	if err != nil {
		return fmt.Errorf("secret %q: %w", names[0], err)
	}
	body := l.body
	if !right {
		body = append(bytes.Clone(body), ' ')
	}
	headers, err := m.Sign(rand.Text(), c.config.Now(), body, key)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnsigned, err)
	}
	maps.Copy(l.headers, headers)
	l.proved("the signature in " + m.Header())
	return nil
}

// errUnsigned says that only the service can sign.
var errUnsigned = errors.New("the host can't sign as the service does")

// shown gives the value of the first of some secrets that is there, or another
// text that is none of them.
func (c *Channels) shown(names catalog.SecretList, right bool) (string, error) {
	if !right {
		return rand.Text(), nil
	}
	err := errors.New("no secret is named")
	for _, name := range names {
		value, failure := c.config.Secrets.Open(name)
		if failure == nil {
			return value.Reveal(), nil
		}
		err = failure
	}
	return "", err
}

var configPattern = regexp.MustCompile(`\{config\.([A-Za-z0-9_]+)\}`)

// configured gives a sample's body with a channel's settings in its texts.
func configured(body json.RawMessage, config map[string]any) ([]byte, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, fmt.Errorf("the manifest's sample: %w", err)
	}
	var missing error
	var fill func(any) any
	fill = func(value any) any {
		switch v := value.(type) {
		case string:
			return configPattern.ReplaceAllStringFunc(v, func(found string) string {
				name := configPattern.FindStringSubmatch(found)[1]
				setting, ok := config[name]
				if !ok {
					missing = fmt.Errorf("the sample needs the setting %q: write config: {%s: ...} into the channel", name, name)
				}
				return fmt.Sprint(setting)
			})
		case []any:
			for i := range v {
				v[i] = fill(v[i])
			}
		case map[string]any:
			for name := range v {
				v[name] = fill(v[name])
			}
		}
		return value
	}
	filled, err := json.Marshal(fill(value))
	if missing != nil {
		return nil, missing
	}
	return filled, err
}

// put gives an object a text at a place, json:/pointer, of objects in it.
func put(object map[string]any, place string) {
	path, ok := strings.CutPrefix(place, "json:/")
	if !ok {
		return
	}
	steps := strings.Split(path, "/")
	for i, step := range steps {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		if i == len(steps)-1 {
			object[step] = "sample"
			return
		}
		next, ok := object[step].(map[string]any)
		if !ok {
			next = map[string]any{}
			object[step] = next
		}
		object = next
	}
}
