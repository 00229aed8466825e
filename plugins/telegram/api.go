package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
)

// bot makes requests. Its functions are the host's.
type bot struct {
	send   func(abi.HTTPRequest) (abi.HTTPResponse, error)
	secret func(name string) (handle string, err error)
	log    func(level, text string) error
	now    func() time.Time
}

// Names of the secrets in the manifest.
const (
	tokenSecret   = "bot_token"
	webhookSecret = "webhook_secret"
)

// call is one request to a method of the Bot API
// (core.telegram.org/bots/api#making-requests).
type call struct {
	method string
	params map[string]any
	// file goes out as a part of the body: the param of its name, or what
	// "attach://" and its name refer to.
	file *abi.HTTPPart
	// repeatable says that doing it twice is as good as once, so that it may be
	// tried again where nobody knows whether it was done.
	repeatable    bool
	timeoutMillis int64
}

func (b bot) call(c call, result any) error {
	token, err := b.secret(tokenSecret)
	if err != nil {
		return err
	}
	request, err := c.request()
	if err != nil {
		return err
	}
	request.URL = "/bot" + token + "/" + c.method
	answer, err := b.send(request)
	if err != nil {
		return err
	}
	return b.outcome(c, answer, result)
}

func (c call) request() (abi.HTTPRequest, error) {
	if c.file == nil {
		request, err := pdk.JSONRequest("POST", "", c.params)
		request.TimeoutMillis = c.timeoutMillis
		return request, err
	}
	request := abi.HTTPRequest{Method: "POST", TimeoutMillis: c.timeoutMillis}
	for _, name := range slices.Sorted(maps.Keys(c.params)) {
		text, is := c.params[name].(string)
		if !is {
			data, err := json.Marshal(c.params[name])
			if err != nil {
				return request, err
			}
			text = string(data)
		}
		request.Parts = append(request.Parts, abi.HTTPPart{Name: name, Text: text})
	}
	request.Parts = append(request.Parts, *c.file)
	return request, nil
}

// refusal is an answer that is not ok
// (core.telegram.org/bots/api#responseparameters).
type refusal struct {
	Code        int    `json:"error_code"`
	Description string `json:"description"`
	Parameters  struct {
		RetryAfter int64 `json:"retry_after,omitempty"` // seconds
		MigratedTo id    `json:"migrate_to_chat_id,omitempty"`
	} `json:"parameters,omitzero"`
}

// outcome reads an answer.
func (b bot) outcome(c call, answer abi.HTTPResponse, result any) error {
	var body struct {
		OK     *bool           `json:"ok"`
		Result json.RawMessage `json:"result"`
		refusal
	}
	data, err := pdk.Body(answer)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, &body); err != nil || body.OK == nil {
		return b.unreadable(c, answer)
	}
	if !*body.OK {
		if body.Code == 0 {
			body.Code = answer.Status
		}
		failure := body.failure(c)
		failure.RetryAfterMillis = max(failure.RetryAfterMillis, b.wait(failure.Retryable, answer))
		return failure
	}
	if err := json.Unmarshal(body.Result, result); err != nil {
		return b.unreadable(c, answer)
	}
	return nil
}

func (b bot) wait(retryable bool, answer abi.HTTPResponse) int64 {
	if !retryable {
		return 0
	}
	return pdk.RetryAfterMillisAt(answer, b.now())
}

// unreadable is the error of an answer that is not the Bot API's: a proxy's
// page, or one that was cut off.
func (b bot) unreadable(c call, answer abi.HTTPResponse) *abi.Error {
	failure := pdk.Errorf(abi.CodeUnknown, "telegram: %s was answered with %d and nothing that can be read; it may have been done", c.method, answer.Status)
	switch {
	case answer.Status == 429 || answer.Status == 503: // turned away before anything was done
		failure.Code, failure.Retryable = "telegram_unavailable", true
		failure.Message = fmt.Sprintf("telegram: %s was answered with %d: it takes no requests now", c.method, answer.Status)
	case answer.Status >= 300 && answer.Status <= 499:
		failure.Code = "telegram_refused"
		failure.Message = fmt.Sprintf("telegram: %s was answered with %d and not as a Bot API server does; check the connection's base URL", c.method, answer.Status)
	case c.repeatable:
		failure.Code, failure.Retryable = "telegram_unavailable", true
		failure.Message = fmt.Sprintf("telegram: %s was answered with %d and nothing that can be read", c.method, answer.Status)
	}
	failure.RetryAfterMillis = b.wait(failure.Retryable, answer)
	return failure
}

// reasons are what descriptions of refusals say, in lower case, in the order in
// which they are looked for. The Bot API has no finer codes than HTTP's.
var reasons = []struct {
	status       int // 0: any
	says         string
	code, remedy string
}{
	{403, "bot was blocked by the user", abi.CodeBlocked, ""},
	{403, "user is deactivated", abi.CodeBlocked, ""},
	{403, "bot was kicked", abi.CodeBlocked, ""},
	{403, "bot is not a member", abi.CodeBlocked, ""},
	{403, "bot can't initiate conversation", abi.CodeBlocked, "the user has to write to the bot first"},
	{403, "", "telegram_forbidden", "the bot lacks the right to do this in the chat"},
	{400, "have no rights to send a message", "telegram_forbidden", "the bot may not write in this group"},
	{400, "not enough rights", "telegram_forbidden", "the bot lacks the right to do this in the chat"},
	{400, "chat not found", "telegram_chat_not_found", "the user has to write to the bot first, and the id must be this bot's"},
	{400, "message is too long", "telegram_too_long", ""},
	{400, "caption is too long", "telegram_too_long", ""},
	{400, "can't parse", "telegram_bad_format", ""},
	{400, "wrong file identifier", "telegram_bad_media", "an id of a file is good for the bot that got it alone"},
	{400, "wrong remote file", "telegram_bad_media", "an id of a file is good for the bot that got it alone"},
	{400, "failed to get http url content", "telegram_bad_media", "telegram could not get the file from its address"},
	{400, "wrong type of the web page content", "telegram_bad_media", "telegram takes other types of files by address; send it as a blob"},
	{400, "wrong type", "telegram_bad_media", ""},
	{400, "image_process_failed", "telegram_bad_media", "telegram can't read the picture"},
	{400, "photo_invalid_dimensions", "telegram_bad_media", "send the picture as a document"},
	{400, "file is too big", abi.CodeLimit, "bots may download 20 MB and upload 50 MB; a Bot API server of one's own lifts this"},
	{400, "message to edit not found", "telegram_message_not_found", ""},
	{400, "message to react not found", "telegram_message_not_found", ""},
	{400, "message to be replied not found", "telegram_message_not_found", ""},
	{400, "message not found", "telegram_message_not_found", ""},
	{400, "reaction_invalid", abi.CodeInvalid, "telegram has no such reaction, or the chat doesn't take it"},
	{400, "button_data_invalid", abi.CodeInvalid, "the id of a button has 1 to 64 bytes"},
	{400, "button_url_invalid", abi.CodeInvalid, "the address of a button can't be opened by telegram"},
	{400, "secret token contains", abi.CodeInvalid, "the secret webhook_secret has 1 to 256 letters, digits, _ and -"},
	{400, "bad webhook", "telegram_bad_webhook", "telegram wants an HTTPS address with a certificate that is valid, on the port 443, 80, 88 or 8443"},
	{401, "", "telegram_unauthorized", "check the secret bot_token: BotFather shows the bot's token, and revoking it makes another"},
	{404, "", "telegram_unauthorized", "check the secret bot_token, which looks like 123456:ABC-DEF, and the connection's base URL"},
	{409, "", "telegram_conflict", "another program takes this bot's updates: stop it, or use another bot"},
	{413, "", abi.CodeLimit, "bots may upload 50 MB, and pictures of 10 MB"},
	{429, "", "telegram_rate", ""},
	{400, "", "telegram_bad_request", ""},
}

// scope says who has to wait. Telegram doesn't tell the bot's bound from a
// chat's: a group has a low one of its own, and else it is most likely the bot's.
func (r refusal) scope(c call) string {
	if chat := fmt.Sprint(c.params["chat_id"]); r.Code != 429 || strings.HasPrefix(chat, "-") {
		return ""
	}
	return abi.ScopeChannel
}

// failure gives a refusal as an error.
func (r refusal) failure(c call) *abi.Error {
	detail, _ := json.Marshal(struct { // numbers and texts: can't fail
		refusal
		Scope string `json:"scope,omitempty"`
	}{r, r.scope(c)})
	failure := &abi.Error{
		Code:             "telegram_error",
		Message:          fmt.Sprintf("telegram: %s: %d %s", c.method, r.Code, r.Description),
		RetryAfterMillis: r.Parameters.RetryAfter * 1000,
		Detail:           detail,
	}
	said := strings.ToLower(r.Description)
	for _, reason := range reasons {
		if reason.status != 0 && reason.status != r.Code || !strings.Contains(said, reason.says) {
			continue
		}
		failure.Code = reason.code
		if reason.remedy != "" {
			failure.Message += ": " + reason.remedy
		}
		break
	}
	switch {
	case r.Code == 429 || r.Code == 503:
		failure.Retryable = true
	case r.Code >= 500 && c.repeatable:
		failure.Code, failure.Retryable = "telegram_unavailable", true
	case r.Code >= 500:
		failure.Code = abi.CodeUnknown
		failure.Message += "; it may have been done"
	}
	return failure
}

// said says whether err is a refusal whose description holds text.
func said(err error, text string) bool {
	failure, ok := err.(*abi.Error)
	return ok && failure.Detail != nil && strings.Contains(strings.ToLower(failure.Message), text)
}
