package main

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/trama-run/trama/pdk/abi"
	"github.com/trama-run/trama/plugins/internal/rest"
)

// service is Sheets v4, with what a call needs of the host.
type service struct {
	send     func(abi.HTTPRequest) (abi.HTTPResponse, error)
	effectID func() (string, error)
	now      func() time.Time
}

// google is the service as all connectors see theirs.
func (s service) google() rest.Service {
	return rest.Service{
		Name: "Google Sheets", Base: "https://sheets.googleapis.com", Send: s.send, Now: s.now, Read: refusal,
		Errors: []rest.Meaning{
			{Kind: rateLimited, Code: rest.CodeRateLimited, Retry: true, Remedy: "the quota is by minute: call less often, or ask Google for more"},
			{Status: 400, Kind: outsideGrid, Code: codeGrid, Remedy: "the range lies outside of the sheet"},
			{Status: 400, Kind: noRange, Code: "no_range", Remedy: "no sheet or named range has this name: compare it with list_sheets"},
			{Status: 400, Kind: "FAILED_PRECONDITION", Code: "failed_precondition", Remedy: "if it is an Excel file, save it as a Google Sheet first"},
			{Status: 403, Kind: "SERVICE_DISABLED", Code: "service_disabled", Remedy: "enable the Google Sheets API in the project of the credentials"},
			{Status: 403, Code: rest.CodeForbidden, Remedy: "share the spreadsheet with the account of the connection (a service account has an e-mail address for that); the scope must be https://www.googleapis.com/auth/spreadsheets"},
			{Status: 404, Code: rest.CodeNotFound, Remedy: "no spreadsheet has this id"},
			{Status: 409, Code: rest.CodeConflict, Retry: true}, // ABORTED: two changed it at a time
		},
	}
}

// call sends one request to a spreadsheet, or to all of them if its id is
// empty, and decodes the answer. path is what follows the id, with its escapes.
//
// Source: Google, "Google Sheets API" reference, REST v4,
// https://developers.google.com/workspace/sheets/api/reference/rest
func (s service) call(method, spreadsheet, path string, query url.Values, body, out any) error {
	start := "/v4/spreadsheets"
	if spreadsheet != "" {
		start += "/" + spreadsheet
	}
	return s.google().Into(rest.Call{Method: method, Path: start + path, Query: query, Body: body}, out)
}

// What Google says by the reason of an error, or by its text alone.
const (
	rateLimited = "RATE_LIMIT_EXCEEDED"
	outsideGrid = "exceeds grid limits"
	noRange     = "Unable to parse range"

	codeGrid = "outside_grid" // a range begins after the last row or column
)

// refusal reads the body of Google's errors. The kind is the most special of
// what it says: a reason, or else the status.
//
// Source: Google, "Errors" of the API design guide,
// https://cloud.google.com/apis/design/errors, and of older services
// https://developers.google.com/workspace/drive/api/guides/handle-errors
func refusal(status int, body json.RawMessage) rest.Refusal {
	var said struct {
		Error struct {
			Message string `json:"message"`
			Status  string `json:"status"`
			Details []struct {
				Reason     string `json:"reason"`
				Violations []struct {
					Field       string `json:"field"`
					Description string `json:"description"`
				} `json:"fieldViolations"`
			} `json:"details"`
			Errors []struct {
				Reason string `json:"reason"`
			} `json:"errors"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &said) != nil {
		return rest.Refusal{} // the status has to do
	}
	out := rest.Refusal{Kind: said.Error.Status, Message: said.Error.Message}
	for _, one := range said.Error.Errors {
		if one.Reason == "rateLimitExceeded" || one.Reason == "userRateLimitExceeded" || one.Reason == "quotaExceeded" {
			out.Kind = rateLimited
		}
	}
	for _, one := range said.Error.Details {
		if one.Reason != "" {
			out.Kind = one.Reason
		}
		for _, v := range one.Violations {
			if out.Fields == nil {
				out.Fields = map[string]string{}
			}
			out.Fields[v.Field] = v.Description
		}
	}
	for _, kind := range []string{outsideGrid, noRange} {
		if status == 400 && strings.Contains(said.Error.Message, kind) {
			out.Kind = kind
		}
	}
	return out
}

func plain(v any) json.RawMessage {
	data, _ := json.Marshal(v) // strings and numbers
	return data
}

// Values as Google has them.
type valueRange struct {
	Range          string   `json:"range,omitempty"`
	MajorDimension string   `json:"majorDimension,omitempty"`
	Values         [][]Cell `json:"values,omitempty"`
}

// Lacks is of [rest.Complete]. A range without values has none of them, and its
// name still.
func (v valueRange) Lacks() string { return lacks(v.Range, "range") }

type updated struct {
	UpdatedRange string `json:"updatedRange"`
	UpdatedRows  int    `json:"updatedRows"`
	UpdatedCells int    `json:"updatedCells"`
}

// Lacks is of [rest.Complete].
func (u updated) Lacks() string { return lacks(u.UpdatedRange, "updatedRange") }

func lacks(value, name string) string {
	if value == "" {
		return name
	}
	return ""
}

// written is what Google says of ranges that were written.
type written struct {
	Responses []updated `json:"responses"`
}

// Lacks is of [rest.Complete].
func (w written) Lacks() string {
	for _, one := range w.Responses {
		if one.Lacks() != "" {
			return one.Lacks()
		}
	}
	if len(w.Responses) == 0 {
		return "responses"
	}
	return ""
}

// Rendering says how cells are read.
type Rendering struct {
	// Render is "unformatted" (if empty), "formatted" or "formula".
	Render string `json:"render"`
	// Dates is "text" (if empty) or "serial".
	Dates string `json:"dates"`
}

func (r Rendering) query() (url.Values, error) {
	renders := map[string]string{"": "UNFORMATTED_VALUE", "unformatted": "UNFORMATTED_VALUE", "formatted": "FORMATTED_VALUE", "formula": "FORMULA"}
	dates := map[string]string{"": "FORMATTED_STRING", "text": "FORMATTED_STRING", "serial": "SERIAL_NUMBER"}
	if renders[r.Render] == "" {
		return nil, invalid("render: %q is none of unformatted, formatted, formula", short(r.Render))
	}
	if dates[r.Dates] == "" {
		return nil, invalid("dates: %q is neither text nor serial", short(r.Dates))
	}
	return url.Values{"valueRenderOption": {renders[r.Render]}, "dateTimeRenderOption": {dates[r.Dates]}}, nil
}

const userEntered = "USER_ENTERED"

// inputOption is how Google takes values: as they are, or as if typed.
func inputOption(input string) (string, error) {
	switch input {
	case "", "raw":
		return "RAW", nil
	case "user_entered":
		return userEntered, nil
	}
	return "", invalid("input: %q is neither raw nor user_entered", short(input))
}

// get reads one range.
func (s service) get(spreadsheet, a1 string, query url.Values) (valueRange, error) {
	var out valueRange
	err := s.call("GET", spreadsheet, "/values/"+url.PathEscape(a1), query, nil, &out)
	return out, err
}

// put writes ranges, all of them or none.
func (s service) put(spreadsheet, option string, data []valueRange) ([]updated, error) {
	var out written
	err := s.call("POST", spreadsheet, "/values:batchUpdate", nil, map[string]any{"valueInputOption": option, "data": data}, &out)
	return out.Responses, err
}
