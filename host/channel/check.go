package channel

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/schema"
	"github.com/trama-run/trama/pdk/abi"
)

// Stage is one thing that must be right for a channel to work.
type Stage struct {
	Name   string `json:"name"`
	State  string `json:"state"` // StageOK, StageFailed or StageSkipped
	Detail string `json:"detail,omitempty"`
	Remedy string `json:"remedy,omitempty"`
}

// States of a stage.
const (
	StageOK      = "ok"
	StageFailed  = "failed"
	StageSkipped = "skipped"
)

// stages are all there are, in their order.
var stages = [...]string{"configured", "granted", "secrets", "connection", "signed", "refused", "accepted", "stored", "read", "flow"}

// readWait is how long a check waits until its sample is read.
const readWait = 20 * time.Second

// Delivery sends a request to a channel on the public listener, as a service
// would, and gives the answer's status and its text.
type Delivery func(ctx context.Context, channel string, headers map[string]string, query url.Values, body []byte) (status int, text string, err error)

// checking is a check under way.
type checking struct {
	*Channels
	id   string
	body []byte
	list []Stage
}

func (k *checking) add(state, detail, remedy string) {
	k.list = append(k.list, Stage{Name: stages[len(k.list)], State: state, Detail: detail, Remedy: remedy})
}
func (k *checking) ok(detail string)             { k.add(StageOK, detail, "") }
func (k *checking) failed(detail, remedy string) { k.add(StageFailed, detail, remedy) }

// rest skips what is left.
func (k *checking) rest(why string) []Stage {
	for len(k.list) < len(stages) {
		k.add(StageSkipped, why, "")
	}
	return k.list
}

// Check tries a channel out, stage by stage: how it is set up, what its service
// says, and what becomes of a sample that is sent to it as its service would. A
// body takes the place of the sample's; nil: there is none. It starts no flow
// and messages nobody.
func (c *Channels) Check(ctx context.Context, id string, body []byte) []Stage {
	k := &checking{Channels: c, id: id, body: body}
	ch, manifest, ok := k.setUp()
	if !ok {
		return k.rest("an earlier stage failed")
	}
	k.connection(ctx, ch)
	build := func(right bool) (letter, error) { return c.sampleOf(ch, manifest.Webhook, body, right) }
	switch {
	case ch.Adapter == catalog.AdapterWebhook:
		p, held := c.prepare(ch)
		if held != nil {
			k.failed(held.Message, "")
			return k.rest("an earlier stage failed")
		}
		build = func(right bool) (letter, error) { return c.sampleFor(ch, p, body, right) }
	case ch.Adapter == catalog.AdapterAPIChat:
		code, err := c.config.Chats.Code(ctx, id)
		if err != nil {
			k.failed(err.Error(), "")
			return k.rest("an earlier stage failed")
		}
		if code == "" {
			return k.rest("the system has not asked for its bot_url so far: with action=set-webhook it gets it")
		}
		build = func(right bool) (letter, error) { return c.sampleOfUser(ch, code, body, right) }
	case manifest.Webhook == nil:
		return k.rest("the channel takes no webhooks")
	case manifest.Webhook.Sample == nil && body == nil:
		return k.rest("the adapter's manifest has no sample: give the body of a request, with --body FILE")
	}
	return k.deliver(ctx, build)
}

// setUp looks at what is configured here.
func (k *checking) setUp() (ch catalog.Channel, manifest abi.Manifest, ok bool) {
	snapshot := k.config.Catalog().Snapshot()
	ch, known := snapshot.Channels[k.id]
	notes := []string{"adapter " + ch.Adapter}
	if !known {
		k.failed(fmt.Sprintf("there is no channel %q", k.id), "add it to channels.yaml")
		return ch, manifest, false
	}
	if _, there := snapshot.Connections[ch.Connection]; ch.Connection != "" && !there {
		k.failed(fmt.Sprintf("the connection %q is not configured", ch.Connection), "add it to connections.yaml")
		return ch, manifest, false
	}
	if ch.Adapter == catalog.AdapterAPIChat {
		if held := chatReady(ch); held != nil {
			k.failed(held.Message, "")
			return ch, manifest, false
		}
	} else if ch.Adapter != catalog.AdapterWebhook {
		manifest, known = k.config.Plugins.Manifest(ch.Adapter)
		if away := k.config.Plugins.Ready(ch.Adapter); !known && away != nil {
			k.failed(away.Message, "see: trama plugin list")
			return ch, manifest, false
		}
		if !known || manifest.Kind != abi.KindChannel {
			k.failed(fmt.Sprintf("there is no channel adapter %q", ch.Adapter), "put its .wasm file into a plugin directory; see: trama plugin list")
			return ch, manifest, false
		}
		if wrong := unfit(ch, manifest); wrong != "" {
			k.failed("config: "+wrong, "change it in channels.yaml: trama plugin inspect shows what "+ch.Adapter+" takes")
			return ch, manifest, false
		}
	} else if p, held := k.prepare(ch); held != nil {
		k.failed(held.Message, "")
		return ch, manifest, false
	} else if doubt := p.again(); doubt != "" {
		notes = append(notes, doubt)
	}
	k.ok(strings.Join(notes, "; "))
	if ch.Adapter == catalog.AdapterWebhook || ch.Adapter == catalog.AdapterAPIChat {
		k.add(StageSkipped, "the host takes these webhooks itself", "")
	} else if held := k.granted(ch, manifest); held != nil {
		k.failed(held.Message, "")
		return ch, manifest, false
	} else {
		k.ok("the grant of plugin " + ch.Adapter + " covers it")
	}
	held := k.Held(k.id)
	if ch.Adapter == catalog.AdapterAPIChat {
		held = k.chatKeyed(ch) // whether it has a webhook is the connection's
	}
	if held != nil {
		k.failed(held.Message, "set it with TRAMA_SECRET_<NAME> or: trama secret set NAME")
		return ch, manifest, false
	}
	k.ok(strings.Join(append([]string{"all that it needs are there"}, lacks(ch, manifest, k.config.Plugins.Grant(ch.Adapter).Egress)...), "; "))
	return ch, manifest, true
}

// lacks says what an adapter could do with more secrets, and where it can't take
// those that it has: without them the channel works in part.
func lacks(ch catalog.Channel, m abi.Manifest, egress []string) (notes []string) {
	reaches := func(text string) bool {
		to, err := grant.ParseOrigin(text)
		return err == nil && slices.ContainsFunc(egress, func(given string) bool {
			o, err := grant.ParseOrigin(given)
			return err == nil && o.Covers(to)
		})
	}
	for _, s := range m.Capabilities.Secrets {
		if s.Optional && len(ch.Secrets[s.Name]) == 0 {
			notes = append(notes, fmt.Sprintf("it goes without the secret %s, %s: name one under secrets in channels.yaml if that is wanted", s.Name, s.Reason))
		}
		for _, to := range s.Origins {
			if s.Optional && to != abi.EgressConnection && !reaches(to) {
				notes = append(notes, fmt.Sprintf("the secret %s is for %s, which plugin %s can't reach: add that to its egress in grants.yaml if it is wanted", s.Name, to, ch.Adapter))
			}
		}
	}
	return notes
}

// unfit says what of a channel's config its adapter does not take.
func unfit(ch catalog.Channel, m abi.Manifest) string {
	if len(m.Config) == 0 {
		return ""
	}
	document, err := expr.ParseJSON(m.Config)
	if err != nil {
		return "the manifest's schema is no JSON: " + err.Error()
	}
	fits, err := schema.Compile(document)
	if err != nil {
		return "the manifest's schema: " + err.Error()
	}
	config := ch.Config
	if config == nil {
		config = map[string]any{}
	}
	var wrong []string
	for _, v := range fits.Check(config) {
		wrong = append(wrong, strings.TrimPrefix(v.Pointer, "#")+" "+v.Message)
	}
	return strings.TrimSpace(strings.Join(wrong, "; "))
}

// granted says what no grant covers.
func (k *checking) granted(ch catalog.Channel, m abi.Manifest) *abi.Error {
	if err := k.config.Plugins.Ready(ch.Adapter); err != nil {
		return err
	}
	for _, name := range secretsOf(ch, m) {
		if _, err := k.secretNames(ch, name); err != nil {
			return err
		}
	}
	return nil
}

// connection asks the service.
func (k *checking) connection(ctx context.Context, ch catalog.Channel) {
	if ch.Adapter == catalog.AdapterAPIChat {
		if err := k.config.Chats.Check(ctx, ch); err != nil {
			k.failed(err.Error(), "the system sets its webhook with action=set-webhook; what it needs for that shows: trama channel connect "+k.id)
			return
		}
		k.ok("the system's webhook proves again to be its own")
		return
	}
	if !k.config.Plugins.Has(ch.Adapter, abi.FuncCheck) {
		k.add(StageSkipped, "the adapter can't ask its service", "")
		return
	}
	told, failure := k.ask(ctx, ch, abi.FuncCheck)
	if failure != nil {
		k.failed(failure.Message, "")
		return
	}
	var said []string
	if told.Account != "" {
		said = append(said, "account "+told.Account)
	}
	if told.Webhook != "" {
		said = append(said, "webhooks go to "+told.Webhook)
	}
	said = append(said, told.Notes...)
	detail := strings.Join(said, "; ")
	if own := k.hookURL(k.id); own != "" && told.Webhook != "" && told.Webhook != own {
		k.failed(detail+", not to "+own, "trama channel connect "+k.id)
		return
	}
	k.ok(detail)
}

// deliver sends the sample, spoilt and then right, and follows it.
func (k *checking) deliver(ctx context.Context, build func(right bool) (letter, error)) []Stage {
	const failed = "an earlier stage failed"
	right, err := build(true)
	if errors.Is(err, errUnsigned) {
		return k.rest(err.Error())
	}
	if err != nil {
		k.failed(err.Error(), "")
		return k.rest(failed)
	}
	if right.proof == "" {
		k.add(StageSkipped, "nothing in a request shows whose it is", "")
		k.add(StageSkipped, "nothing in a request shows whose it is", "")
	} else {
		k.ok("with " + right.proof)
		wrong, err := build(false)
		if err != nil {
			k.failed(err.Error(), "")
			return k.rest(failed)
		}
		one, end := k.samples.begin()
		defer end()
		status, text, err := k.send(ctx, one, wrong)
		switch {
		case err != nil:
			k.failed(err.Error(), "")
		case status != 401 && status != 403:
			k.failed(fmt.Sprintf("a request with a wrong signature or token got %d: %s", status, text), "")
		default:
			k.ok(fmt.Sprintf("a wrong one got %d", status))
		}
	}
	one, end := k.samples.begin()
	defer end()
	status, text, err := k.send(ctx, one, right)
	if err != nil {
		k.failed(err.Error(), "")
		return k.rest(failed)
	}
	if status != 200 {
		k.failed(fmt.Sprintf("it got %d: %s", status, text), "")
		return k.rest(failed)
	}
	k.ok("it got 200")
	select {
	case <-one.stored:
		k.ok("")
	default:
		k.failed("it was answered and not stored", "look into the server's log")
		return k.rest(failed)
	}
	return k.follow(ctx, one)
}

// send sends a sample over the public listener.
func (k *checking) send(ctx context.Context, one *sample, l letter) (int, string, error) {
	l.headers[headerSample] = one.mark
	query := url.Values{}
	for name, value := range l.query {
		query.Set(name, value)
	}
	status, text, err := k.config.Deliver(ctx, k.id+l.path, l.headers, query, l.body)
	if err != nil && l.path != "" {
		err = errors.New(strings.ReplaceAll(err.Error(), l.path, "/...")) // it holds a code
	}
	return status, text, err
}

// follow waits until a sample is read, and says which flow would take it.
func (k *checking) follow(ctx context.Context, one *sample) []Stage {
	limit := time.NewTimer(readWait)
	defer limit.Stop()
	var got reading
	select {
	case got = <-one.read:
	case <-ctx.Done():
		k.failed("the check was ended before it was read", "")
		return k.rest("an earlier stage failed")
	case <-limit.C:
		k.failed(fmt.Sprintf("it was not read within %s: what came before it holds the channel", readWait), "see: trama doctor")
		return k.rest("an earlier stage failed")
	}
	if got.failure != nil {
		k.failed(got.failure.Error(), "")
		return k.rest("an earlier stage failed")
	}
	if got.event != nil {
		k.ok("event " + got.event.Name)
		if flows := k.config.Listeners(got.event.Name); len(flows) > 0 {
			k.ok("it would start " + strings.Join(flows, ", "))
		} else {
			k.failed("no published flow has a trigger for it", "publish one with triggers: [{type: event, event: "+got.event.Name+"}]")
		}
		return k.list
	}
	k.units(got.units)
	return k.list
}

// units says what an adapter read, and who would take it.
func (k *checking) units(units []abi.Unit) {
	var read, taken []string
	messages, listens := 0, false
	for _, u := range units {
		if u.Message == nil {
			read = append(read, "a status")
			continue
		}
		messages++
		read = append(read, fmt.Sprintf("a message (%s) of %s", u.Message.Kind(), u.From))
		flow, trigger, hears := k.config.Taker(k.id, *u.Message)
		listens = listens || hears
		if flow != "" {
			taken = append(taken, fmt.Sprintf("trigger %s of flow %s", trigger, flow))
		}
	}
	if len(read) == 0 {
		read = []string{"nothing that concerns it"}
	}
	k.ok(strings.Join(read, ", "))
	switch {
	case messages == 0:
		k.add(StageSkipped, "there is no message in it", "")
	case len(taken) > 0:
		k.ok(strings.Join(taken, ", ") + " would take it")
	case listens:
		k.ok("flows listen to the channel; none of them takes this message")
	default:
		k.failed("no published flow listens to the channel", "publish one with triggers: [{type: message, channel: "+k.id+"}]")
	}
}
