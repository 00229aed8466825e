package channel

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/trama-run/trama/host/apichat"
	"github.com/trama-run/trama/host/calllog"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/pdk/abi"
)

// Channels whose adapter is catalog.AdapterAPIChat are those of systems with a
// chat of their own: they manage their webhook at the channel's address, and
// post what their users write to the address under it that nobody guesses.

// botPath comes before the code in that address.
const botPath = "bot/"

// chat takes one request of such a channel.
func (c *Channels) chat(ctx context.Context, ch catalog.Channel, q Request) (Reply, error) {
	code, fromUser := strings.CutPrefix(q.Path, botPath)
	switch {
	case q.Path != "" && !fromUser:
		return Reply{}, noPath(q.Path)
	case q.Method != "POST":
		return Reply{}, wrongMethod(false)
	}
	if err := once(q, "Authorization", "Content-Type"); err != nil {
		return Reply{}, err
	}
	if fromUser {
		return c.written(ctx, ch, q, code)
	}
	return c.managed(ctx, ch, q)
}

// noPath is the answer to what is not there under a channel.
func noPath(path string) error {
	return problem.New(404, "no_path", fmt.Sprintf("the channel has nothing at %.40q", path))
}

// bearer gives the token of a request; empty if it has none.
func bearer(q Request) string {
	scheme, token, _ := strings.Cut(q.Headers["authorization"], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// managed does what a system wants of its webhook.
func (c *Channels) managed(ctx context.Context, ch catalog.Channel, q Request) (Reply, error) {
	order, err := apichat.ReadOrder(q.Query["action"], q.Headers["content-type"], q.Body)
	if err != nil {
		return Reply{}, err
	}
	key := bearer(q)
	if key == "" {
		key = order.APIKey
	}
	right, err := c.equal(ch, ch.Secrets[catalog.SecretAPIKey], key)
	if err != nil {
		return Reply{}, err
	}
	if !right {
		return Reply{}, problem.New(401, "token", "the key is not the expected one: send it as Authorization: Bearer KEY, or as ChaveApi in the body")
	}
	c.passed(q)
	about := calllog.Of(ctx)
	about.Hide = append(about.Hide, key, order.APIKey, order.Key)
	base, _, _ := strings.Cut(q.URL, "?")
	answer, err := c.config.Chats.Manage(ctx, ch, order, base)
	if err != nil {
		return Reply{}, err
	}
	about.Hide = append(about.Hide, answer.Code, answer.Data.Key)
	if order.Action == apichat.ActionSet {
		c.config.Log.Info("webhook of a system set", "channel", ch.ID)
	}
	data, err := json.Marshal(answer)
	if err != nil {
		return Reply{}, err
	}
	return Reply{Status: 200, Type: "application/json", Body: string(data), Outcome: OutcomeChallenge}, nil
}

// written stores what a user wrote. When it returns, that is on disk, or the
// system must send it again.
func (c *Channels) written(ctx context.Context, ch catalog.Channel, q Request, code string) (Reply, error) {
	about := calllog.Of(ctx)
	about.Hide = append(about.Hide, code)
	known, err := c.config.Chats.Knows(ctx, ch.ID, code)
	if err != nil {
		return Reply{}, c.notStored(ch, err)
	}
	if !known {
		return Reply{}, problem.New(401, "token", "this is not the channel's bot_url: ask for it with action=get-webhook")
	}
	if names := ch.Secrets[catalog.SecretFlowKey]; len(names) > 0 {
		right, err := c.equal(ch, names, bearer(q))
		if err != nil {
			return Reply{}, err
		}
		if !right {
			return Reply{}, problem.New(401, "token", "the header Authorization does not hold the expected token: Bearer and the flow key")
		}
	}
	c.passed(q)
	_, wrong, err := apichat.Receive("", q.Headers["content-type"], q.Body)
	if err != nil {
		return Reply{}, problem.New(400, "body", err.Error())
	}
	reply, err := c.keep(ctx, ch, q, "", nil)
	if err != nil {
		return Reply{}, err
	}
	answer, err := json.Marshal(struct {
		Status  string   `json:"status"`
		Refused []string `json:"refused,omitempty"`
	}{"ok", wrong})
	if err != nil {
		return Reply{}, err
	}
	reply.Type, reply.Body = "application/json", string(answer)
	return reply, nil
}

// readChat is read for such a channel. With a failure there may be units too:
// of several entries, the good ones.
func readChat(ch catalog.Channel, stored raw) ([]abi.Unit, *abi.Error) {
	units, wrong, err := apichat.Receive(stored.ID, stored.Headers["content-type"], stored.Body)
	if err != nil {
		return nil, &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("channel %s: %v", ch.ID, err)}
	}
	for i := range units {
		if units[i].TimeMillis == 0 { // the system doesn't say
			units[i].TimeMillis = stored.Received.UnixMilli()
		}
	}
	return units, unread(ch, wrong)
}

// chatHeld says why nothing can be sent over such a channel now.
func (c *Channels) chatHeld(ch catalog.Channel) *abi.Error {
	if held := c.chatKeyed(ch); held != nil {
		return held
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return c.config.Chats.Held(ctx, ch.ID)
}

// chatKeyed says which secret of such a channel is missing, or why messages
// can't be signed with what is there.
func (c *Channels) chatKeyed(ch catalog.Channel) *abi.Error {
	for _, use := range []string{catalog.SecretAPIKey, catalog.SecretFlowKey, catalog.SecretWebhook} {
		for _, name := range ch.Secrets[use] {
			if _, err := c.config.Secrets.Open(name); err != nil {
				return noSecret(ch, err)
			}
		}
	}
	return c.config.Chats.Signs(ch)
}

// sampleOfUser makes a request as the system makes of what a user wrote; false
// spoils the flow key or, where there is none, the code.
func (c *Channels) sampleOfUser(ch catalog.Channel, code string, body []byte, right bool) (letter, error) {
	l := letter{headers: map[string]string{"Content-Type": "application/json"}, query: map[string]string{}, body: body, proof: "the code of bot_url"}
	if body == nil {
		l.body = []byte(`{"event":"message_created","message_type":"incoming","id":"sample","content":"sample","sender":{"id":"sample"}}`)
	}
	if names := ch.Secrets[catalog.SecretFlowKey]; len(names) > 0 {
		key, err := c.shown(names, right)
		if err != nil {
			return l, err
		}
		l.headers["Authorization"] = "Bearer " + key
		l.proved("the flow key")
	} else if !right {
		code = rand.Text()
	}
	l.path = "/" + botPath + code
	return l, nil
}

// chatReady says what is wrong with the config of such a channel.
func chatReady(ch catalog.Channel) *abi.Error {
	if _, problems := ch.APIChat(); problems != nil {
		return &abi.Error{Code: abi.CodeInvalid, Message: fmt.Sprintf("channel %q: %v", ch.ID, problems)}
	}
	return nil
}

// chatEntered is what a system is to be told, which then registers itself.
func chatEntered(ch catalog.Channel, url string) []Entry {
	list := []Entry{
		{"the address at which the system manages its webhook, with ?action=set-webhook", url},
		{"the key for that", valueOf(ch, catalog.SecretAPIKey)},
		{"the key that signs messages to the system", valueOf(ch, catalog.SecretWebhook)},
	}
	if len(ch.Secrets[catalog.SecretFlowKey]) > 0 {
		list = append(list, Entry{"the key for the bot_url that it is given", valueOf(ch, catalog.SecretFlowKey)})
	}
	return list
}
