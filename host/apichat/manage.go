package apichat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/egress"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/problem"
	"github.com/trama-run/trama/pdk/abi"
)

// Actions of the calls that manage a webhook.
const (
	ActionGet    = "get-webhook"
	ActionSet    = "set-webhook"
	ActionDelete = "delete-webhook"
	// ActionRotate gives the address for users' messages another code; the one
	// before is worth nothing from then on.
	ActionRotate = "rotate-bot-url"
)

// Bounds of the challenge.
const (
	challengeTime  = 10 * time.Second
	challengeBytes = 4 << 10
	maxURL         = 2048
	maxKey         = 512
)

// Order is one such call. What it says of itself is not checked.
type Order struct {
	Action    string
	Workspace string
	Email     string
	APIKey    string // that it shows in its body
	URL, Key  string // of the webhook
}

// Manages says whether an action is one of theirs.
func Manages(action string) bool {
	switch action {
	case ActionGet, ActionSet, ActionDelete, ActionRotate:
		return true
	}
	return false
}

// ReadOrder reads the body of a call: JSON, or a form. Numbers are as good as
// texts.
func ReadOrder(action, contentType string, body []byte) (Order, error) {
	v, err := document(contentType, body)
	if err != nil {
		return Order{}, problem.New(400, "body", err.Error())
	}
	f, ok := v.(map[string]any)
	if !ok {
		return Order{}, problem.New(400, "body", "the body is no object: want workspace, email and ChaveApi")
	}
	return Order{
		Action: action, Workspace: word(f["workspace"]), Email: word(f["email"]), APIKey: first(f, "ChaveApi", "api_key"),
		URL: strings.TrimSpace(word(f["webhook_url"])), Key: word(f["webhook_verification_key"]),
	}, nil
}

// Answer is what a call is answered with.
type Answer struct {
	Status string `json:"status"` // ok
	Data   struct {
		URL    string `json:"webhook_url"`
		Key    string `json:"webhook_verification_key"`
		Status string `json:"webhook_status"` // verified or none
		BotURL string `json:"bot_url"`
	} `json:"data"`
	// Code is the secret part of BotURL.
	Code string `json:"-"`
}

// Manage does what an authenticated call wants. base is the address of the
// channel. The error is a *problem.Details:
//
//   - 400: the action is not known, or the webhook can't be one.
//   - 403: it is another workspace or e-mail than the channel's.
//   - 422: the webhook did not prove to be the system's; the one before stays.
//   - 503: what was done could not be stored.
func (c *Chats) Manage(ctx context.Context, ch catalog.Channel, o Order, base string) (Answer, error) {
	s, failure := settings(ch)
	if failure != nil {
		return Answer{}, problem.Busy("channel_held", "the channel is not ready; its operator sees why with: trama doctor", 30*time.Second)
	}
	if s.Workspace != "" && o.Workspace != string(s.Workspace) || s.Email != "" && !strings.EqualFold(o.Email, s.Email) {
		return Answer{}, problem.New(403, "workspace", "the channel is not of this workspace and e-mail")
	}
	how := func(*webhook) {}
	switch o.Action {
	case ActionGet:
	case ActionSet:
		if err := c.prove(ctx, ch, s, o); err != nil {
			return Answer{}, err
		}
		how = func(w *webhook) { w.URL, w.Key, w.Gone = o.URL, o.Key, "" }
	case ActionDelete:
		how = func(w *webhook) { w.URL, w.Key, w.Gone = "", "", "the system has removed its webhook" }
	case ActionRotate:
		how = func(w *webhook) { w.Code = unguessable() }
	default:
		return Answer{}, problem.New(400, "action", fmt.Sprintf("action %.40q: want %s, %s, %s or %s", o.Action, ActionGet, ActionSet, ActionDelete, ActionRotate))
	}
	w, err := c.load(ctx, ch.ID)
	if err == nil && (o.Action != ActionGet || w.Code == "") {
		w, err = c.change(ctx, ch.ID, how)
	}
	if err != nil {
		return Answer{}, problem.Busy("not_stored", "it could not be stored; try again", 10*time.Second)
	}
	a := Answer{Status: "ok", Code: w.Code}
	a.Data.URL, a.Data.Key, a.Data.Status, a.Data.BotURL = w.URL, w.Key, w.status(), base+"/bot/"+w.Code
	return a, nil
}

// prove asks a webhook whether it is the system's: it must answer with the
// challenge.
func (c *Chats) prove(ctx context.Context, ch catalog.Channel, s catalog.APIChat, o Order) error {
	unproved := func(format string, args ...any) error {
		return problem.New(422, "webhook_unverified", "the webhook did not prove to be the system's: "+fmt.Sprintf(format, args...))
	}
	if o.Key == "" || len(o.Key) > maxKey {
		return problem.New(400, "webhook_verification_key", fmt.Sprintf("webhook_verification_key is missing, or longer than %d bytes", maxKey))
	}
	scope, err := c.open(s, o.URL, challengeTime, challengeBytes)
	if err != nil {
		return problem.New(400, "webhook_url", err.Error())
	}
	scope.Hide(o.Key)
	challenge := unguessable()
	request, err := asking(s.Challenge, o, challenge)
	if err != nil {
		return problem.New(400, "webhook_url", err.Error())
	}
	answer, err := scope.Send(calling(ctx, ch.ID), request)
	switch {
	case err != nil:
		return unproved("%v", err)
	case answer.Status/100 == 3:
		return unproved("it answered with status %d, a redirect, which is not followed: give the address that it leads to", answer.Status)
	case answer.Status/100 != 2:
		return unproved("it answered with status %d", answer.Status)
	case strings.TrimSpace(answer.Body) != challenge:
		return unproved("it did not answer with hub_challenge alone as its body")
	}
	return nil
}

// asking is the request with the challenge.
func asking(encoding string, o Order, challenge string) (abi.HTTPRequest, error) {
	q := abi.HTTPRequest{Method: http.MethodPost, URL: o.URL, Headers: map[string]string{}}
	fields := map[string]string{"hub_mode": "subscribe", "hub_verify_token": o.Key, "hub_challenge": challenge}
	form := url.Values{}
	for name, value := range fields {
		form.Set(name, value)
	}
	switch encoding {
	case catalog.ChallengeJSON:
		data, err := json.Marshal(fields)
		q.Body, q.Headers["Content-Type"] = string(data), "application/json"
		return q, err
	case catalog.ChallengeQuery:
		u, err := url.Parse(o.URL)
		if err != nil {
			return q, errors.New("webhook_url can't be read as a URL")
		}
		if u.RawQuery != "" {
			u.RawQuery += "&"
		}
		u.RawQuery += form.Encode()
		q.URL = u.String()
		return q, nil
	}
	q.Body, q.Headers["Content-Type"] = form.Encode(), "application/x-www-form-urlencoded"
	return q, nil
}

// open opens the way to the webhook of a system. Redirects are not followed.
// limit bounds the bodies, either way.
func (c *Chats) open(s catalog.APIChat, target string, timeout time.Duration, limit int64) (*egress.Scope, error) {
	p, err := policy(s, target, s.AllowPrivate)
	p.Timeout, p.HTTPBytes, p.Cut, p.Direct = timeout, limit, true, true
	if err != nil {
		return nil, err
	}
	return c.config.Egress.Open(p), nil
}

// policy is how far requests for a channel may go. private says whether that is
// into the operator's networks.
func policy(s catalog.APIChat, target string, private bool) (egress.Policy, error) {
	u, err := url.Parse(target)
	if err != nil || len(target) > maxURL || u.Host == "" {
		return egress.Policy{}, fmt.Errorf("the address can't be read as an absolute URL of at most %d bytes", maxURL)
	}
	if u.User != nil {
		return egress.Policy{}, errors.New("the address holds credentials: messages are signed instead")
	}
	if u.Scheme == "http" && !s.AllowHTTP {
		return egress.Policy{}, errors.New("the address is not encrypted: use https, or the channel's operator sets allow_http: true")
	}
	origin, err := grant.OriginOf(u)
	if err != nil {
		return egress.Policy{}, err
	}
	near := egress.NearNothing
	if private {
		near = egress.NearHosts
	}
	return egress.Policy{Origins: []string{origin.String()}, Near: near, Requests: 1}, nil
}
