package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

// webhookInfo is what getWebhookInfo gives
// (core.telegram.org/bots/api#webhookinfo).
type webhookInfo struct {
	URL              string   `json:"url"`
	Pending          int      `json:"pending_update_count"`
	LastErrorDate    int64    `json:"last_error_date"`
	LastErrorMessage string   `json:"last_error_message"`
	AllowedUpdates   []string `json:"allowed_updates"`
}

// connect has updates sent to the host (core.telegram.org/bots/api#setwebhook)
// and tells what came of it.
func (b bot) connect(in abi.Connect) (abi.Connected, error) {
	config, err := parseConfig(in.Config)
	if err != nil {
		return abi.Connected{}, err
	}
	if in.URL == "" { // which would take the webhook away
		return abi.Connected{}, pdk.Errorf(abi.CodeInvalid, "url: it is empty; set public_url in trama.yaml to the address under which this server is reached")
	}
	secret, err := b.secret(webhookSecret)
	if err != nil {
		return abi.Connected{}, err
	}
	params := map[string]any{"url": in.URL, "secret_token": secret, "allowed_updates": config.AllowedUpdates}
	if config.MaxConnections > 0 {
		params["max_connections"] = config.MaxConnections
	}
	if config.DropPendingUpdates {
		params["drop_pending_updates"] = true
	}
	var done bool
	if err := b.call(call{method: "setWebhook", params: params, repeatable: true}, &done); err != nil {
		return abi.Connected{}, err
	}
	return b.check(in)
}

// check asks who the bot is and where its updates go.
func (b bot) check(in abi.Connect) (abi.Connected, error) {
	config, err := parseConfig(in.Config)
	if err != nil {
		return abi.Connected{}, err
	}
	var me struct {
		ID       id     `json:"id"`
		Username string `json:"username"`
	}
	if err := b.call(call{method: "getMe", params: map[string]any{}, repeatable: true}, &me); err != nil {
		return abi.Connected{}, err
	}
	var info webhookInfo
	if err := b.call(call{method: "getWebhookInfo", params: map[string]any{}, repeatable: true}, &info); err != nil {
		return abi.Connected{}, err
	}
	connected := abi.Connected{Account: "@" + me.Username, Webhook: info.URL}
	note := func(format string, args ...any) {
		connected.Notes = append(connected.Notes, fmt.Sprintf(format, args...))
	}
	if want := strings.TrimPrefix(config.BotUsername, "@"); want != "" && !strings.EqualFold(want, me.Username) {
		note("the token is that of @%s, and config.bot_username says @%s: correct one of them", me.Username, want)
	}
	switch {
	case info.URL == "":
		note("no webhook is set, so nothing comes in: run trama channel connect %s", in.Channel)
	case in.URL != "" && info.URL != in.URL:
		note("updates go to %s instead of %s: run trama channel connect %s", info.URL, in.URL, in.Channel)
	}
	if info.Pending > 0 {
		note("%d updates wait to be delivered", info.Pending)
	}
	if info.LastErrorMessage != "" {
		at := time.Unix(info.LastErrorDate, 0).UTC().Format(time.RFC3339)
		note("the last delivery that failed, at %s: %s", at, info.LastErrorMessage)
	}
	for _, kind := range config.AllowedUpdates {
		if info.URL != "" && len(info.AllowedUpdates) > 0 && !slices.Contains(info.AllowedUpdates, kind) {
			note("updates of the kind %s are not sent: run trama channel connect %s", kind, in.Channel)
		}
	}
	return connected, nil
}
