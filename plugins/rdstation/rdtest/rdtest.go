// Package rdtest is a stub of RD Station, for tests and examples: a strict
// server of the parts of the CRM's API, versions 1 and 2, and of Marketing's
// conversions, that the connector uses. It keeps records, so that what is
// written is read. It is no RD Station: what an account's own fields and rules
// refuse, it takes.
//
// Version 1 is at /api/v1, version 2 at /crm/v2, and conversions at /platform.
package rdtest

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"

	"github.com/trama-run/trama/plugins/strict"
)

// Credentials that the stub knows. All others are wrong.
const (
	Token  = "invented0token0of0a0user" // of v1, in the query
	Bearer = "invented-access-token"    // of v2 and Marketing
	APIKey = "invented-api-key"         // of Marketing, in the query
)

// Pages that the contract was read from.
const (
	pageV1        = "https://developers.rdstation.com/reference/crm-v1-introduction"
	pageV2        = "https://developers.rdstation.com/reference/crm-v2-introduction"
	pageMarketing = "https://developers.rdstation.com/reference/conversao"
)

// Stub is a server of one account.
type Stub struct {
	*strict.Stub

	mu      sync.Mutex
	records map[string][]map[string]any // by resource, such as "v1/deals"
	next    int
}

// Pipeline is the id of the account's pipeline, and Stage of its first stage.
const (
	Pipeline = "65f0a1b2c3d4e5f601234500"
	Stage    = "65f0a1b2c3d4e5f601234501"
)

// New gives an account with one pipeline.
func New() (*Stub, error) {
	s := &Stub{records: map[string][]map[string]any{
		"v1/deal_pipelines": {{"id": Pipeline, "name": "Funil padrão", "order": 1}},
		"v1/deal_stages":    {{"id": Stage, "name": "Lead", "order": 1}},
		"v2/pipelines":      {{"id": Pipeline, "name": "Funil padrão", "stage_ids": []string{Stage}}},

		"v2/pipelines/{pipeline}/stages": {{"id": Stage, "name": "Lead", "order": 1}},
	}}
	var err error
	s.Stub, err = strict.New(s.contract())
	return s, err
}

// Records gives the records of a resource, such as "v1/deals".
func (s *Stub) Records(resource string) []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []map[string]any
	for _, one := range s.records[resource] {
		out = append(out, maps.Clone(one))
	}
	return out
}

// Schemas of bodies.
const (
	schemaEmails = `{"type": "array", "items": {"type": "object", "additionalProperties": false, "required": ["email"], "properties": {"email": {"type": "string"}}}}`
	schemaPhones = `{"type": "array", "items": {"type": "object", "additionalProperties": false, "required": ["phone"], "properties": {"phone": {"type": "string"}, "type": {"type": "string", "enum": ["cellphone", "work", "home", "fax"]}}}}`
	schemaCustom = `{"type": "array", "items": {"type": "object", "additionalProperties": false, "required": ["custom_field_id", "value"], "properties": {"custom_field_id": {"type": "string"}, "value": {}}}}`
	schemaRef    = `{"type": "object", "additionalProperties": false, "required": ["_id"], "properties": {"_id": {"type": "string"}}}`
	contactBase  = `"name": {"type": "string"}, "title": {"type": "string"}, "emails": ` + schemaEmails + `, "phones": ` + schemaPhones
	schemaDeal   = `{"type": "object", "additionalProperties": false, "required": ["name"], "properties": {"name": {"type": "string", "minLength": 1}, "deal_stage_id": {"type": "string"}, "user_id": {"type": "string"}, "rating": {"type": "integer", "maximum": 5}, "amount_montly": {"type": "number"}, "amount_unique": {"type": "number"}, "prediction_date": {"type": "string"}, "win": {"type": ["boolean", "string"]}, "hold": {"type": "string"}, "deal_custom_fields": ` + schemaCustom + `}}`
)

func wrapped(name, schema, more string) string {
	return `{"type": "object", "additionalProperties": false, "required": ["` + name + `"], "properties": {"` + name + `": ` + schema + more + `}}`
}

func fields(required, properties string) string {
	return `{"type": "object", "additionalProperties": false, "required": [` + required + `], "properties": {` + properties + `}}`
}

// v1 is what version 1 takes of each resource, and an example of it.
var v1 = []struct{ path, wrapper, schema, more, example, query, verbs string }{
	{"deals", "deal", schemaDeal, `, "contacts": {"type": "array", "items": ` + fields(`"name"`, contactBase+`, "legal_bases": {"type": "array"}`) + `}, "organization": ` + schemaRef + `, "deal_source": ` + schemaRef + `, "campaign": ` + schemaRef + `, "distribution_settings": {"type": "object"}`,
		`{"deal": {"name": "Site novo", "deal_stage_id": "` + Stage + `", "rating": 3, "deal_custom_fields": [{"custom_field_id": "65f0", "value": "x"}]}, "contacts": [{"name": "Ana", "emails": [{"email": "ana@acme.example"}], "phones": [{"phone": "+5581999990000", "type": "cellphone"}]}]}`, "name", "create get list update"},
	{"contacts", "contact", fields(`"name"`, contactBase+`, "birthday": {"type": "object"}, "organization_id": {"type": "string"}, "deal_ids": {"type": "array"}, "contact_custom_fields": `+schemaCustom), "", `{"contact": {"name": "Ana", "emails": [{"email": "ana@acme.example"}]}}`, "email", "create get list update"},
	{"organizations", "organization", fields(`"name"`, `"name": {"type": "string"}, "url": {"type": "string"}, "resume": {"type": "string"}, "organization_custom_fields": `+schemaCustom), "", `{"organization": {"name": "Acme"}}`, "q", "create get list update"},
	{"products", "product", fields(`"name"`, `"name": {"type": "string"}, "description": {"type": "string"}, "base_price": {"type": "number"}, "visible": {"type": "boolean"}`), "", `{"product": {"name": "Site", "base_price": 1500.5}}`, "", "create get list update"},
	{"activities", "activity", fields(`"deal_id", "text"`, `"deal_id": {"type": "string"}, "text": {"type": "string"}, "user_id": {"type": "string"}`), "", `{"activity": {"deal_id": "65f0", "text": "Ligou"}}`, "deal_id", "create list"},
	{"tasks", "task", fields(`"deal_id", "subject", "type"`, `"deal_id": {"type": "string"}, "subject": {"type": "string"}, "type": {"type": "string", "enum": ["call", "email", "meeting", "task", "lunch", "visit", "whatsapp"]}, "date": {"type": "string"}, "hour": {"type": "string"}, "notes": {"type": "string"}, "user_ids": {"type": "array"}`), "", `{"task": {"deal_id": "65f0", "subject": "Ligar", "type": "call"}}`, "deal_id", "create get list update"},
	{"deal_pipelines", "deal_pipeline", fields(`"name"`, `"name": {"type": "string"}, "order": {"type": "integer"}`), "", `{"deal_pipeline": {"name": "Vendas"}}`, "", "create get list update"},
	{"deal_stages", "deal_stage", fields(`"name"`, `"name": {"type": "string"}, "order": {"type": "integer"}, "deal_pipeline_id": {"type": "string"}, "nickname": {"type": "string"}`), "", `{"deal_stage": {"name": "Proposta"}}`, "deal_pipeline_id", "create get list update"},
}

const notes = "deals/{deal}/notes"

// v2 is the same of version 2, whose bodies are all in "data". Of its pages, by
// https://developers.rdstation.com/reference/crm-v2-introduction, none deletes one
// of these.
var v2 = []struct{ path, schema, example string }{
	{"deals", fields(`"name"`, `"name": {"type": "string"}, "pipeline_id": {"type": "string"}, "stage_id": {"type": "string"}, "owner_id": {"type": "string"}, "organization_id": {"type": "string"}, "contact_ids": {"type": "array", "items": {"type": "string"}}, "one_time_price": {"type": "number"}, "recurrence_price": {"type": "number"}, "rating": {"type": "integer"}, "status": {"type": "string", "enum": ["ongoing", "won", "lost", "paused"]}, "expected_close_date": {"type": "string"}, "custom_fields": {"type": "object"}`), `{"data": {"name": "Site novo", "stage_id": "` + Stage + `", "contact_ids": ["65f0"]}}`},
	{"contacts", fields(`"name"`, contactBase+`, "job_title": {"type": "string"}, "organization_id": {"type": "string"}, "custom_fields": {"type": "object"}`), `{"data": {"name": "Ana", "emails": [{"email": "ana@acme.example"}]}}`},
	{"organizations", fields(`"name"`, `"name": {"type": "string"}, "url": {"type": "string"}, "owner_id": {"type": "string"}, "custom_fields": {"type": "object"}`), `{"data": {"name": "Acme"}}`},
	{"products", fields(`"name"`, `"name": {"type": "string"}, "description": {"type": "string"}, "price": {"type": "number"}, "visible": {"type": "boolean"}`), `{"data": {"name": "Site"}}`},
	{"tasks", fields(`"name", "type", "deal_id"`, `"name": {"type": "string"}, "type": {"type": "string"}, "deal_id": {"type": "string"}, "description": {"type": "string"}, "due_date": {"type": "string"}, "owner_ids": {"type": "array"}`), `{"data": {"name": "Ligar", "type": "call", "deal_id": "65f0"}}`},
	{"pipelines", fields(`"name"`, `"name": {"type": "string"}, "order": {"type": "integer"}`), `{"data": {"name": "Vendas"}}`},
	// The pages crm-v2-list-notes-from-deal and -create-note-to-deal: there is no
	// more of them.
	{notes, fields(`"description"`, `"description": {"type": "string", "minLength": 1}, "user_id": {"type": "string"}`), `{"data": {"description": "Ligou"}}`},
	// The pages crm-v2-list-stages-from-pipeline, -get-stage-from-pipeline,
	// -create-stage-to-pipeline and -update-stage-from-pipeline.
	{"pipelines/{pipeline}/stages", fields(`"name"`, `"name": {"type": "string"}, "description": {"type": "string"}, "objective": {"type": "string"}, "order": {"type": "integer"}`), `{"data": {"name": "Proposta"}}`},
}

func (s *Stub) contract() strict.Contract {
	token := strict.Param{Required: true, Example: Token}
	bearer := strict.Param{Pattern: "Bearer .+", Required: true, Example: "Bearer " + Bearer}
	id := strict.Param{Pattern: "[0-9a-f]{24}", Example: "65f0a1b2c3d4e5f601234500"}
	contract := strict.Contract{Refuse: refuse, Admit: admit}
	for _, one := range v1 {
		query := map[string]strict.Param{"token": token}
		item := map[string]strict.Param{"id": id}
		path, key := "/api/v1/"+one.path, "v1/"+one.path
		body := wrapped(one.wrapper, one.schema, one.more)
		listing := map[string]strict.Param{"token": token, "page": {Pattern: `[1-9]\d*`, Example: "1"}, "limit": {Pattern: `[1-9]\d?|1\d\d|200`, Example: "20"}}
		if one.query != "" {
			listing[one.query] = strict.Param{Example: "x"}
		}
		contract.Rules = append(contract.Rules,
			strict.Rule{Method: "POST", Path: path, Query: query, Body: body, Example: one.example, Source: pageV1, Answer: func(r *strict.Request) strict.Answer { return s.create(r, key, one.wrapper) }},
			strict.Rule{Method: "GET", Path: path, Query: listing, Source: pageV1, Answer: func(r *strict.Request) strict.Answer { return s.listV1(r, key, one.path) }})
		if strings.Contains(one.verbs, "update") {
			contract.Rules = append(contract.Rules,
				strict.Rule{Method: "GET", Path: path + "/{id}", Params: item, Query: query, Source: pageV1, Answer: func(r *strict.Request) strict.Answer { return s.get(r, key, false) }},
				strict.Rule{Method: "PUT", Path: path + "/{id}", Params: item, Query: query, Body: strings.Replace(body, `"required": ["name"], `, "", 1), Example: one.example, Source: pageV1, Answer: func(r *strict.Request) strict.Answer { return s.update(r, key, one.wrapper, false) }})
		}
	}
	headers := map[string]strict.Param{"Authorization": bearer}
	for _, one := range v2 {
		item, all := map[string]strict.Param{"id": id}, map[string]strict.Param{}
		switch {
		case one.path == notes:
			all["deal"] = id
		case strings.Contains(one.path, "{pipeline}"): // the one that the account begins with
			item["pipeline"] = strict.Param{Pattern: Pipeline, Example: Pipeline}
			all["pipeline"] = item["pipeline"]
		}
		path, key := "/crm/v2/"+one.path, "v2/"+one.path
		body := wrapped("data", one.schema, "")
		listing := map[string]strict.Param{"page[number]": {Pattern: `[1-9]\d*`, Example: "1"}, "page[size]": {Pattern: `[1-9]\d?|100`, Example: "25"}, "filter": {Example: "name:x"}}
		contract.Rules = append(contract.Rules,
			strict.Rule{Method: "POST", Path: path, Params: all, Headers: headers, Body: body, Example: one.example, Source: pageV2, Answer: func(r *strict.Request) strict.Answer { return s.create(r, key, "data") }},
			strict.Rule{Method: "GET", Path: path, Params: all, Headers: headers, Query: listing, Source: pageV2, Answer: func(r *strict.Request) strict.Answer { return s.listV2(r, key) }})
		if one.path == notes {
			continue
		}
		contract.Rules = append(contract.Rules,
			strict.Rule{Method: "GET", Path: path + "/{id}", Params: item, Headers: headers, Source: pageV2, Answer: func(r *strict.Request) strict.Answer { return s.get(r, key, true) }},
			strict.Rule{Method: "PUT", Path: path + "/{id}", Params: item, Headers: headers, Body: strings.Replace(body, `"required": ["name"], `, "", 1), Example: one.example, Source: pageV2, Answer: func(r *strict.Request) strict.Answer { return s.update(r, key, "data", true) }})
	}
	conversion := `{"type": "object", "additionalProperties": false, "required": ["event_type", "event_family", "payload"], "properties": {"event_type": {"type": "string", "enum": ["CONVERSION"]}, "event_family": {"type": "string", "enum": ["CDP"]}, "payload": {"type": "object", "required": ["conversion_identifier", "email"], "properties": {"conversion_identifier": {"type": "string", "minLength": 1}, "email": {"type": "string", "pattern": "^[^@ ]+@[^@ ]+$"}}}}}`
	example := `{"event_type": "CONVERSION", "event_family": "CDP", "payload": {"conversion_identifier": "site", "email": "ana@acme.example"}}`
	kind := strict.Param{Pattern: "conversion", Required: true, Example: "conversion"}
	contract.Rules = append(contract.Rules,
		strict.Rule{Method: "POST", Path: "/platform/events", Headers: headers, Query: map[string]strict.Param{"event_type": kind}, Body: conversion, Example: example, Source: pageMarketing, Answer: s.convert},
		strict.Rule{Method: "POST", Path: "/platform/conversions", Query: map[string]strict.Param{"event_type": kind, "api_key": {Required: true, Example: APIKey}}, Body: conversion, Example: example, Source: pageMarketing, Answer: s.convert})
	return contract
}

// admit looks at the credentials.
func admit(r *strict.Request) (strict.Answer, bool) {
	switch {
	case r.Query.Has("token") && r.Query.Get("token") != Token:
		return strict.Answer{Status: 401, Body: map[string]any{"error": "Token inválido"}}, false
	case r.Query.Has("api_key") && r.Query.Get("api_key") != APIKey:
		return strict.Answer{Status: 401, Body: map[string]any{"errors": []any{map[string]any{"error_type": "UNAUTHORIZED", "error_message": "Invalid token."}}}}, false
	case r.Header.Get("Authorization") != "" && r.Header.Get("Authorization") != "Bearer "+Bearer:
		return strict.Answer{Status: 401, Body: map[string]any{"errors": map[string]any{"error_type": "UNAUTHORIZED", "error_message": "Invalid token."}}}, false
	}
	return strict.Answer{}, true
}

// refuse answers as RD Station would.
func refuse(v strict.Violation) strict.Answer {
	switch {
	case v.Part == strict.PartPath && v.Name == "":
		return strict.Answer{Status: 404, Body: map[string]any{"error": "Not Found"}}
	case v.Part == strict.PartMethod:
		return strict.Answer{Status: 404, Text: "<html>404</html>"}
	case v.Name == "token" || v.Name == "Authorization" || v.Name == "api_key":
		return strict.Answer{Status: 401, Body: map[string]any{"error": "Token inválido"}}
	case v.Part == strict.PartHeader:
		return strict.Answer{Status: 415, Body: map[string]any{"errors": map[string]any{"error_type": "UNSUPPORTED_MEDIA_TYPE", "error_message": v.Reason}}}
	}
	return strict.Answer{Status: 422, Body: map[string]any{"errors": map[string]any{"base": []string{v.Reason}}}}
}

func (s *Stub) convert(*strict.Request) strict.Answer {
	return strict.Answer{Body: map[string]any{"event_uuid": "830eacff-6cc7-4bd9-a5d0-c4e15a8b4aa7"}}
}

func (s *Stub) create(r *strict.Request, key, wrapper string) strict.Answer {
	var body map[string]any
	r.Decode(&body)
	made := body[wrapper].(map[string]any)
	s.mu.Lock()
	defer s.mu.Unlock()
	made["id"] = fmt.Sprintf("65f0a1b2c3d4e5f6%08x", s.next)
	s.next++
	if contacts, ok := body["contacts"]; ok {
		made["contacts"] = contacts
	}
	s.records[key] = append(s.records[key], made)
	if wrapper == "data" {
		return strict.Answer{Status: 201, Body: map[string]any{"data": made}}
	}
	return strict.Answer{Body: made}
}

func (s *Stub) find(key, id string) map[string]any {
	for _, one := range s.records[key] {
		if one["id"] == id {
			return one
		}
	}
	return nil
}

func shown(one map[string]any, inData bool) strict.Answer {
	switch {
	case one == nil:
		return strict.Answer{Status: 404, Body: map[string]any{"error": "Registro não encontrado"}}
	case inData:
		return strict.Answer{Body: map[string]any{"data": one}}
	}
	return strict.Answer{Body: one}
}

func (s *Stub) get(r *strict.Request, key string, inData bool) strict.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return shown(s.find(key, r.Params["id"]), inData)
}

func (s *Stub) update(r *strict.Request, key, wrapper string, inData bool) strict.Answer {
	var body map[string]any
	r.Decode(&body)
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.find(key, r.Params["id"])
	if found != nil {
		maps.Copy(found, body[wrapper].(map[string]any))
	}
	return shown(found, inData)
}

func (s *Stub) page(key, number, size string, otherwise int) (items []any, total int, more bool) {
	all := s.records[key]
	n, err := strconv.Atoi(number)
	if err != nil {
		n = 1
	}
	count, err := strconv.Atoi(size)
	if err != nil {
		count = otherwise
	}
	items = []any{}
	for i := (n - 1) * count; i < min(n*count, len(all)); i++ {
		items = append(items, all[i])
	}
	return items, len(all), n*count < len(all)
}

func (s *Stub) listV1(r *strict.Request, key, name string) strict.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	items, total, more := s.page(key, r.Query.Get("page"), r.Query.Get("limit"), 20)
	if name == "deal_pipelines" { // a bare list
		return strict.Answer{Body: items}
	}
	return strict.Answer{Body: map[string]any{name: items, "total": total, "has_more": more}}
}

func (s *Stub) listV2(r *strict.Request, key string) strict.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	items, _, more := s.page(key, r.Query.Get("page[number]"), r.Query.Get("page[size]"), 25)
	links := map[string]any{}
	if more {
		links["next"] = "https://api.rd.services/crm/v2/deals?page%5Bnumber%5D=2"
	}
	return strict.Answer{Body: map[string]any{"data": items, "links": links}}
}
