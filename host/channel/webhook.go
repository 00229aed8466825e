package channel

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/host/run"
	"github.com/trama-run/trama/host/store"
	"github.com/trama-run/trama/pdk/abi"
)

// Channels whose adapter is catalog.AdapterWebhook take the webhooks of any
// service: a request is checked and stored as those of other channels are, and
// becomes an event that starts flows. No plugin has a part in it.

// unusable says why such a channel can't work.
func unusable(ch catalog.Channel) *abi.Error {
	if _, problems := ch.Webhook(); problems != nil {
		return &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("channel %q: %v", ch.ID, problems)}
	}
	return nil
}

// generic takes one request of such a channel.
func (c *Channels) generic(ctx context.Context, ch catalog.Channel, q Request) (Reply, error) {
	w, problems := ch.Webhook()
	if problems != nil {
		return Reply{}, c.unprepared(ch, unusable(ch))
	}
	if q.Method != "POST" {
		refused := problem.New(405, "method", "a webhook is sent by POST")
		refused.Allow = []string{"POST"}
		return Reply{}, refused
	}
	if err := c.genuine(ch, w, q); err != nil {
		return Reply{}, err
	}
	id := w.ID
	if id == "body" {
		id = "body_sha256"
	}
	return c.keep(ctx, ch, q, mark(ch.ID, id, q))
}

// genuine says why a request is not one of the service's, and takes out of it
// what showed that it is.
func (c *Channels) genuine(ch catalog.Channel, w catalog.Webhook, q Request) error {
	if w.Signature != nil {
		return c.signed(ch, w.Signature.ABI(), ch.Secret(), q)
	}
	where, name := w.TokenOf()
	values := q.Query
	if where == "header" {
		values, name = q.Headers, strings.ToLower(name)
	}
	right, err := c.config.Secrets.Equal(ch.Secret(), values[name])
	if err != nil {
		return c.unprepared(ch, noSecret(ch, err))
	}
	if !right {
		return problem.New(401, "token", fmt.Sprintf("the %s %s does not hold the expected token", where, name))
	}
	delete(values, name)
	return nil
}

// event starts the flows of a stored request of such a channel.
func (c *Channels) event(ctx context.Context, ch catalog.Channel, item store.Item) error {
	batch := removal(item)
	e, err := eventOf(ch, item.Value)
	var runs map[string]string
	if err == nil {
		runs, err = c.config.Event(&batch, e)
	}
	if err == nil && len(runs) == 0 {
		err = fmt.Errorf("event %q: %w: publish one, then replay this", e.Name, run.ErrNoFlow)
	}
	reason := abi.Error{Code: abi.CodeUnavailable}
	if err == nil {
		_, err = c.config.Store.Commit(ctx, &batch)
		if err == nil {
			c.config.Poke()
			return nil
		}
		if !errors.Is(err, store.ErrTooBig) && !errors.Is(err, store.ErrInvalid) {
			return fmt.Errorf("channel %s: %w", ch.ID, err)
		}
		reason.Code = abi.CodeLimit
	}
	reason.Message = err.Error()
	return c.bury(ctx, ch, item, reason)
}

// eventOf makes an event of a stored request.
func eventOf(ch catalog.Channel, value []byte) (run.Event, error) {
	w, problems := ch.Webhook()
	if problems != nil {
		return run.Event{}, problems
	}
	var stored raw
	if err := json.Unmarshal(value, &stored); err != nil {
		return run.Event{}, fmt.Errorf("stored request: %w", err)
	}
	data := map[string]any{"channel": ch.ID, "method": stored.Method, "headers": texts(stored.Headers), "query": texts(stored.Query)}
	body, err := expr.ParseJSON(stored.Body)
	switch {
	case err == nil:
		data["body"] = body
	case utf8.Valid(stored.Body):
		data["body"] = string(stored.Body)
	default:
		data["body_base64"] = base64.StdEncoding.EncodeToString(stored.Body)
	}
	e := run.Event{Name: w.Event, Data: data}
	if w.Contact != "" {
		found, _ := pointer(body, strings.TrimPrefix(w.Contact, "json:"))
		text, ok := found.(string)
		if !ok {
			return e, fmt.Errorf("channel %q: the body names no contact at %s", ch.ID, w.Contact)
		}
		e.Contact = text
	}
	return e, nil
}

func texts(values map[string]string) map[string]any {
	all := make(map[string]any, len(values))
	for name, value := range values {
		all[name] = value
	}
	return all
}

// pointer gives what a JSON pointer (RFC 6901) leads to.
func pointer(value any, path string) (any, bool) {
	for _, part := range strings.Split(path, "/")[1:] {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		switch v := value.(type) {
		case map[string]any:
			inner, ok := v[part]
			if !ok {
				return nil, false
			}
			value = inner
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(v) {
				return nil, false
			}
			value = v[i]
		default:
			return nil, false
		}
	}
	return value, true
}

// idOf gives the id that a JSON body has at a pointer; empty if there is none.
func idOf(body []byte, path string) string {
	value, err := expr.ParseJSON(body)
	if err != nil {
		return ""
	}
	switch found, _ := pointer(value, path); id := found.(type) {
	case string:
		return id
	case int64:
		return strconv.FormatInt(id, 10)
	}
	return ""
}
