package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"github.com/trama-run/trama/pdk/abi"
	"github.com/trama-run/trama/plugins/internal/rest"
)

// hubspot is an account, seen through the node's connection.
type hubspot struct{ rest.Service }

// open gives the account that the connection leads to.
//
// Sources: HubSpot, "Handle errors",
// https://developers.hubspot.com/docs/api-reference/error-handling, and "API
// usage guidelines and limits",
// https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines
func open(send func(abi.HTTPRequest) (abi.HTTPResponse, error), now func() time.Time) hubspot {
	return hubspot{rest.Service{
		Name: "HubSpot", Base: "https://api.hubapi.com", Send: send, Now: now, Read: said,
		Errors: []rest.Meaning{
			{Status: 429, Kind: kindDaily, Code: rest.CodeRateLimited, Remedy: "the account's calls of this day are used up; they begin anew at its midnight"},
			{Status: 423, Code: rest.CodeRateLimited, Retry: true, Remedy: "HubSpot has locked the records for 2 seconds"},
			{Status: 429, Code: rest.CodeRateLimited, Retry: true, Remedy: "call less often; batch_ operations take 100 records a call"},
			{Status: 401, Kind: "EXPIRED_AUTHENTICATION", Code: rest.CodeUnauthorized, Remedy: "the token has expired: give the connection auth oauth2 (grant refresh_token), or a private app's token, which doesn't expire"},
			{Status: 403, Kind: "MISSING_SCOPES", Code: rest.CodeForbidden, Remedy: "give the app the scopes that detail.more names, and authorise it again"},
			{Status: 409, Code: rest.CodeConflict, Remedy: "a record with that value exists; upsert finds it and changes it"},
			{Status: 477, Code: rest.CodeUnavailable, Retry: true, Remedy: "HubSpot is moving the account to another place"},
		},
	}}
}

// kindDaily is the kind of a refusal by the limit of a day, which waiting for
// seconds doesn't help.
const kindDaily = "DAILY_LIMIT"

// refusal is an error of HubSpot's. All of its fields may be missing.
type refusal struct {
	Category      string              `json:"category"`
	SubCategory   json.RawMessage     `json:"subCategory"`
	ErrorType     string              `json:"errorType"`
	Policy        string              `json:"policyName"`
	Message       string              `json:"message"`
	CorrelationID string              `json:"correlationId"`
	ID            string              `json:"id"`
	Context       map[string][]string `json:"context"`
	Errors        []struct {
		Message string              `json:"message"`
		Code    string              `json:"code"`
		In      string              `json:"in"`
		Context map[string][]string `json:"context"`
	} `json:"errors"`
}

// existing is how a conflict names the record that is there already.
var existing = regexp.MustCompile(`(?i)existing id: ?(\d+)`)

// valuesInvalid begins a message that goes on with JSON of its own.
const valuesInvalid = "Property values were not valid: "

// said reads a refusal.
func said(status int, body json.RawMessage) rest.Refusal {
	var r refusal
	// Parts of another form than usual leave their fields empty.
	_ = json.Unmarshal(body, &r)
	return r.said(status)
}

func (r refusal) said(status int) rest.Refusal {
	out := rest.Refusal{Kind: r.Category, Message: r.Message, Fields: map[string]string{}, More: map[string]any{}}
	if out.Kind == "" {
		out.Kind = r.ErrorType
	}
	if status == 429 && strings.EqualFold(r.Policy, "DAILY") {
		out.Kind = kindDaily
	}
	keep := func(name string, value string) {
		if value != "" {
			out.More[name] = value
		}
	}
	keep("policy", r.Policy)
	keep("correlation_id", r.CorrelationID)
	if match := existing.FindStringSubmatch(r.Message); match != nil {
		keep("existing_id", match[1])
	}
	for name, values := range r.Context {
		if len(values) > 0 {
			out.More[name] = values
		}
	}
	for _, one := range r.Errors {
		for _, name := range one.Context["propertyName"] {
			out.Fields[name] = one.Message
		}
		if one.In != "" {
			out.Fields[one.In] = one.Message
		}
		for name, values := range one.Context {
			if strings.Contains(strings.ToLower(name), "scope") {
				out.More[name] = values
			}
		}
	}
	if text, ok := strings.CutPrefix(r.Message, valuesInvalid); ok {
		var all []struct{ Name, Message string }
		if json.Unmarshal([]byte(text), &all) == nil {
			out.Message = strings.TrimSuffix(valuesInvalid, ": ")
			for _, one := range all {
				out.Fields[one.Name] = one.Message
				out.Message += "; " + one.Name + ": " + one.Message
			}
		}
	}
	return out
}

// path begins with "/crm/v3" and escapes the segments.
func path(segments ...string) (string, error) {
	return rest.Path(append([]string{"crm", "v3"}, segments...)...)
}

// pathV4 is where HubSpot keeps associations.
func pathV4(segments ...string) (string, error) {
	return rest.Path(append([]string{"crm", "v4"}, segments...)...)
}
