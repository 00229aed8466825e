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
	"github.com/trama-run/trama/plugins/internal/rest"
)

// rdstation is an account, seen through the node's connection.
type rdstation struct{ rest.Service }

// Base URLs of connections.
const (
	baseV1        = "https://crm.rdstation.com/api/v1"
	baseV2        = "https://api.rd.services/crm/v2"
	baseMarketing = "https://api.rd.services"
)

// open gives the account that the connection leads to.
func open(send func(abi.HTTPRequest) (abi.HTTPResponse, error), now func() time.Time) rdstation {
	return rdstation{rest.Service{
		Name: "RD Station", Base: baseV1 + " (v1), " + baseV2 + " (v2) or " + baseMarketing + " (convert)",
		Send: send, Now: now, Read: said,
		Errors: []rest.Meaning{
			{Status: 401, Code: rest.CodeUnauthorized, Remedy: "v1 wants the token of a user as api_key in the query parameter token; v2 and Marketing want oauth2 (grant refresh_token)"},
			{Status: 429, Code: rest.CodeRateLimited, Retry: true, Remedy: "RD Station takes 120 calls a minute"},
		},
	}}
}

// said reads a refusal. RD Station has several forms of it: error or message as
// text, errors as an object of lists by field, as a list, or as one object.
//
// Sources: RD Station, "Introdução" of CRM v2,
// https://developers.rdstation.com/reference/crm-v2-introduction, and "Erros",
// https://developers.rdstation.com/reference/erros
func said(_ int, body json.RawMessage) rest.Refusal {
	out := rest.Refusal{Fields: map[string]string{}}
	var r map[string]json.RawMessage
	if json.Unmarshal(body, &r) != nil {
		return out
	}
	var parts []string
	add := func(text string) {
		if text != "" && !slices.Contains(parts, text) {
			parts = append(parts, text)
		}
	}
	for _, name := range []string{"error", "message", "detail", "error_description"} {
		add(text(r[name]))
	}
	one := func(problem map[string]json.RawMessage) {
		kind := text(problem["error_type"])
		if kind == "" {
			kind = text(problem["code"])
		}
		if kind != "" {
			out.Kind = kind
		}
		for _, name := range []string{"error_message", "title", "detail", "message"} {
			add(text(problem[name]))
		}
	}
	var list []map[string]json.RawMessage
	var fields map[string]json.RawMessage
	switch {
	case json.Unmarshal(r["errors"], &list) == nil:
		for _, problem := range list {
			one(problem)
		}
	case json.Unmarshal(r["errors"], &fields) == nil:
		one(fields)
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			var reasons []string
			if json.Unmarshal(fields[name], &reasons) == nil {
				out.Fields[name] = strings.Join(reasons, ", ")
				add(name + ": " + out.Fields[name])
			}
		}
	default:
		add(text(r["errors"]))
	}
	out.Message = strings.Join(parts, "; ")
	return out
}

// text gives a JSON text, and "" for all else.
func text(value json.RawMessage) string {
	var out string
	if json.Unmarshal(value, &out) != nil {
		return ""
	}
	return out
}

// API says which version of the CRM's API the connection is of.
type API struct {
	// API is "v1" or "v2"; empty means v1.
	API string `json:"api"`
	// Pipeline is the id of that which the stages of v2 are of, and Deal that of
	// the one which its activities are of.
	Pipeline string `json:"pipeline"`
	Deal     string `json:"deal"`
}

func (a API) version() (string, error) {
	switch a.API {
	case "", "v1":
		return "v1", nil
	case "v2":
		return "v2", nil
	}
	return "", pdk.Errorf(abi.CodeInvalid, `api: %q is neither "v1" nor "v2"`, a.API)
}

// resource is what one version has of a type of record.
type resource struct {
	path    string // {pipeline} and {deal} are the ids of one
	wrapper string // the member of a body that holds the record
	list    string // the member of a listing that holds the records
	verbs   string
}

// resources are those of both versions, by the name that operations use.
//
// Source: RD Station, reference of CRM v1 and v2,
// https://developers.rdstation.com/reference/crm-v1-introduction and
// https://developers.rdstation.com/reference/crm-v2-introduction, whose pages
// delete none of these
var resources = map[string]map[string]resource{
	"v1": {
		"deals":         {"deals", "deal", "deals", "create get list update"},
		"contacts":      {"contacts", "contact", "contacts", "create get list update"},
		"organizations": {"organizations", "organization", "organizations", "create get list update"},
		"products":      {"products", "product", "products", "create get list update"},
		"activities":    {"activities", "activity", "activities", "create list"},
		"tasks":         {"tasks", "task", "tasks", "create get list update"},
		"pipelines":     {"deal_pipelines", "deal_pipeline", "deal_pipelines", "create get list update"},
		"stages":        {"deal_stages", "deal_stage", "deal_stages", "create get list update"},
	},
	"v2": {
		"deals":         {"deals", "data", "data", "create get list update"},
		"contacts":      {"contacts", "data", "data", "create get list update"},
		"organizations": {"organizations", "data", "data", "create get list update"},
		"products":      {"products", "data", "data", "create get list update"},
		"tasks":         {"tasks", "data", "data", "create get list update"},
		"pipelines":     {"pipelines", "data", "data", "create get list update"},
		// Its activities are called notes:
		// https://developers.rdstation.com/reference/crm-v2-create-note-to-deal
		"activities": {"deals/{deal}/notes", "data", "data", "create list"},
		// https://developers.rdstation.com/reference/crm-v2-pipelines: its stages
		// have an endpoint of their own.
		"stages": {"pipelines/{pipeline}/stages", "data", "data", "create get list update"},
	},
}

// find gives the resource, if the version has it and the verb.
func (a API) find(object, verb string) (version string, found resource, err error) {
	version, err = a.version()
	if err != nil {
		return "", resource{}, err
	}
	found, ok := resources[version][object]
	switch {
	case !ok:
		return "", found, pdk.Errorf(abi.CodeInvalid, "object: RD Station CRM %s has no %q; it has %s", version, object, strings.Join(slices.Sorted(maps.Keys(resources[version])), ", "))
	case !slices.Contains(strings.Fields(found.verbs), verb):
		return "", found, pdk.Errorf(abi.CodeInvalid, "RD Station CRM %s can't %s %s; it can %s", version, verb, object, strings.ReplaceAll(found.verbs, " ", ", "))
	}
	for _, of := range []struct{ name, id, objects, v1 string }{
		{"pipeline", a.Pipeline, "stages", "deal_pipeline_id"},
		{"deal", a.Deal, "activities", "deal_id"},
	} {
		switch within := strings.Contains(found.path, "{"+of.name+"}"); {
		case within && of.id == "":
			return "", found, pdk.Errorf(abi.CodeInvalid, "%s: %s of RD Station CRM %s are those of a %[1]s: give its id", of.name, object, version)
		case !within && of.id != "":
			return "", found, pdk.Errorf(abi.CodeInvalid, "%s: it is for the %s of v2; in v1 their %[1]s is %s of the record or the query", of.name, of.objects, of.v1)
		}
	}
	return version, found, nil
}

// address is where a resource is, or one record of it.
func (a API) address(of resource, ids ...string) (string, error) {
	segments := strings.Split(of.path, "/")
	for i, segment := range segments {
		switch segment {
		case "{pipeline}":
			segments[i] = a.Pipeline
		case "{deal}":
			segments[i] = a.Deal
		}
	}
	return rest.Path(append(segments, ids...)...)
}

// Record is the output of operations on one record.
type Record struct {
	ID string `json:"id"`
	// Data is the record as RD Station gives it.
	Data json.RawMessage `json:"data"`
}

// record takes an answer apart, or says what it lacks: v2 has the record in
// "data", v1 as it is.
func record(version string, body json.RawMessage) (out Record, lacks string) {
	if version == "v2" {
		var wrapped struct {
			Data json.RawMessage `json:"data"`
		}
		if err := json.Unmarshal(body, &wrapped); err != nil || len(wrapped.Data) == 0 {
			return Record{}, "data"
		}
		body = wrapped.Data
	}
	var names struct {
		ID  json.RawMessage `json:"id"`
		Old json.RawMessage `json:"_id"`
	}
	if json.Unmarshal(body, &names) != nil {
		return Record{}, "a record"
	}
	for _, id := range []json.RawMessage{names.ID, names.Old} {
		switch {
		case text(id) != "":
			return Record{ID: text(id), Data: body}, ""
		case given(id) && id[0] >= '0' && id[0] <= '9':
			return Record{ID: string(id), Data: body}, "" // a number, as it is written
		}
	}
	return Record{}, "an id"
}

// shapeless is the error for an answer without what the output needs.
func (r rdstation) shapeless(call rest.Call, answer rest.Answer, lacks string) error {
	return r.Unreadable(call, answer.Status, fmt.Sprintf("a body without %s (is \"api\" of the node that of the connection's base URL?)", lacks))
}
