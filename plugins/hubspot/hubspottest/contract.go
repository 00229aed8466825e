package hubspottest

import (
	"github.com/trama-run/trama/plugins/strict"
)

// Pages that the contract was read from.
const (
	pageObjects      = "https://developers.hubspot.com/docs/guides/crm/using-object-apis"
	pageSearch       = "https://developers.hubspot.com/docs/api-reference/search/guide"
	pageAssociations = "https://developers.hubspot.com/docs/api-reference/crm-associations-v4/guide"
	pageOwners       = "https://developers.hubspot.com/docs/api-reference/crm-owners-v3/guide"
	pagePipelines    = "https://developers.hubspot.com/docs/api-reference/crm-pipelines-v3/guide"
	pageActions      = "https://developers.hubspot.com/docs/api-reference/automation-actions-v4-v4/guide"
	pageErrors       = "https://developers.hubspot.com/docs/api-reference/error-handling"
)

// Types of parameters.
var (
	typeName = strict.Param{Pattern: `[a-z][a-z0-9_]*|0-\d+|2-\d+|p\d*_[a-z0-9_]+`, Example: "contacts"}
	anyID    = strict.Param{Pattern: `[^/]+`, Example: "9007199254740993"}
	digits   = strict.Param{Pattern: `\d+`, Example: "9007199254740993"}
	names    = strict.Param{Pattern: `[a-z0-9_]+(,[a-z0-9_]+)*`, Many: true, Example: "email"}
	boolean  = strict.Param{Pattern: "true|false", Example: "false"}
	after    = strict.Param{Pattern: `\d+`, Example: "1"}
)

func limit(pattern string) strict.Param { return strict.Param{Pattern: pattern, Example: "10"} }

// Schemas of bodies, as the reference has them.
const (
	schemaProperties = `{"type": "object", "additionalProperties": {"type": "string"}}`
	schemaTypes      = `{"type": "array", "minItems": 1, "items": {"type": "object", "additionalProperties": false, "required": ["associationCategory", "associationTypeId"], "properties": {
		"associationCategory": {"type": "string", "enum": ["HUBSPOT_DEFINED", "USER_DEFINED", "INTEGRATOR_DEFINED", "WORK"]}, "associationTypeId": {"type": "integer"}}}}`
	schemaLinks = `{"type": "array", "items": {"type": "object", "additionalProperties": false, "required": ["to", "types"], "properties": {
		"to": {"type": "object", "additionalProperties": false, "required": ["id"], "properties": {"id": {"type": "string"}}}, "types": ` + schemaTypes + `}}}`
	schemaCreate = `{"type": "object", "additionalProperties": false, "required": ["properties"], "properties": {
		"properties": ` + schemaProperties + `, "associations": ` + schemaLinks + `, "objectWriteTraceId": {"type": "string"}}}`
	schemaUpdate = `{"type": "object", "additionalProperties": false, "required": ["properties"], "properties": {
		"properties": ` + schemaProperties + `, "objectWriteTraceId": {"type": "string"}}}`
	schemaChange = `{"type": "object", "additionalProperties": false, "required": ["id", "properties"], "properties": {
		"id": {"type": "string", "minLength": 1}, "idProperty": {"type": "string"}, "properties": ` + schemaProperties + `, "objectWriteTraceId": {"type": "string"}}}`
	schemaUpsert = `{"type": "object", "additionalProperties": false, "required": ["id", "idProperty", "properties"], "properties": {
		"id": {"type": "string", "minLength": 1}, "idProperty": {"type": "string"}, "properties": ` + schemaProperties + `, "objectWriteTraceId": {"type": "string"}}}`
	schemaID    = `{"type": "object", "additionalProperties": false, "required": ["id"], "properties": {"id": {"type": "string", "minLength": 1}}}`
	schemaNames = `{"type": "array", "items": {"type": "string"}}`
	schemaRead  = `{"type": "object", "additionalProperties": false, "required": ["inputs", "properties", "propertiesWithHistory"], "properties": {
		"inputs": {"type": "array", "maxItems": 100, "items": ` + schemaID + `}, "properties": ` + schemaNames + `, "propertiesWithHistory": ` + schemaNames + `, "idProperty": {"type": "string"}}}`
	schemaFilter = `{"type": "object", "additionalProperties": false, "required": ["propertyName", "operator"], "properties": {
		"propertyName": {"type": "string"}, "value": {"type": "string"}, "highValue": {"type": "string"}, "values": ` + schemaNames + `,
		"operator": {"type": "string", "enum": ["EQ", "NEQ", "LT", "LTE", "GT", "GTE", "BETWEEN", "IN", "NOT_IN", "HAS_PROPERTY", "NOT_HAS_PROPERTY", "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"]}}}`
	schemaSearch = `{"type": "object", "additionalProperties": false, "properties": {
		"query": {"type": "string", "maxLength": 3000}, "limit": {"type": "integer", "maximum": 200}, "after": {"type": "string"}, "properties": ` + schemaNames + `,
		"sorts": {"type": "array", "maxItems": 1, "items": {"type": ["string", "object"], "additionalProperties": false, "required": ["propertyName", "direction"], "properties": {
			"propertyName": {"type": "string"}, "direction": {"type": "string", "enum": ["ASCENDING", "DESCENDING"]}}}},
		"filterGroups": {"type": "array", "maxItems": 5, "items": {"type": "object", "additionalProperties": false, "required": ["filters"], "properties": {
			"filters": {"type": "array", "maxItems": 6, "items": ` + schemaFilter + `}}}}}}`
	schemaComplete = `{"type": "object", "additionalProperties": false, "required": ["outputFields"], "properties": {
		"outputFields": {"type": "object", "required": ["hs_execution_state"], "properties": {"hs_execution_state": {"type": "string", "enum": ["SUCCESS", "FAIL_CONTINUE"]}}, "additionalProperties": {"type": "string"}},
		"typedOutputs": {"type": "object"}}}`
)

func inputs(item string) string {
	return `{"type": "object", "additionalProperties": false, "required": ["inputs"], "properties": {"inputs": {"type": "array", "maxItems": 100, "items": ` + item + `}}}`
}

// contract is what of HubSpot's API the stub has.
func (s *Stub) contract() strict.Contract {
	object := map[string]strict.Param{"type": typeName}
	record := map[string]strict.Param{"type": typeName, "id": anyID}
	wanted := map[string]strict.Param{"properties": names, "propertiesWithHistory": names, "associations": names, "archived": boolean}
	with := func(more map[string]strict.Param) map[string]strict.Param {
		out := map[string]strict.Param{}
		for _, params := range []map[string]strict.Param{wanted, more} {
			for name, param := range params {
				out[name] = param
			}
		}
		return out
	}
	idProperty := strict.Param{Pattern: "[a-z0-9_]+"}
	batch := func(verb, body, example string, answer func(*strict.Request) strict.Answer) strict.Rule {
		return strict.Rule{Method: "POST", Path: "/crm/v3/objects/{type}/batch/" + verb, Params: object, Body: body, Example: example, Source: pageObjects, Answer: answer}
	}
	readBatch := batch("read", schemaRead, `{"inputs": [{"id": "9007199254740993"}], "properties": ["email"], "propertiesWithHistory": [], "idProperty": "hs_object_id"}`, s.batchRead)
	readBatch.Query = map[string]strict.Param{"archived": boolean}
	pair := map[string]strict.Param{"type": typeName, "id": digits, "to": typeName, "other": digits}
	owners := map[string]strict.Param{"email": {Pattern: `[^@]+@[^@]+`, Example: "bia@acme.example"}, "archived": boolean, "limit": limit(`[1-9]\d?|[1-4]\d\d|500`), "after": after}
	return strict.Contract{
		Headers: map[string]strict.Param{"Authorization": {Pattern: "Bearer .+", Required: true, Example: "Bearer " + Token}},
		Admit:   admit,
		Refuse:  refuse,
		Rules: []strict.Rule{
			{Method: "POST", Path: "/crm/v3/objects/{type}", Params: object, Body: schemaCreate, Source: pageObjects, Answer: s.create,
				Example: `{"properties": {"email": "new@acme.example"}, "associations": [{"to": {"id": "9007199254740994"}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}]}], "objectWriteTraceId": "0"}`},
			{Method: "GET", Path: "/crm/v3/objects/{type}", Params: object, Query: with(map[string]strict.Param{"limit": limit(`[1-9]\d?|100`), "after": after}), Source: pageObjects, Answer: s.list},
			{Method: "GET", Path: "/crm/v3/objects/{type}/{id}", Params: record, Query: with(map[string]strict.Param{"idProperty": idProperty}), Source: pageObjects, Answer: s.read},
			{Method: "PATCH", Path: "/crm/v3/objects/{type}/{id}", Params: record, Query: map[string]strict.Param{"idProperty": idProperty}, Body: schemaUpdate, Example: `{"properties": {"firstname": "Ana"}}`, Source: pageObjects, Answer: s.update},
			{Method: "DELETE", Path: "/crm/v3/objects/{type}/{id}", Params: record, Source: pageObjects, Answer: s.archive},
			{Method: "POST", Path: "/crm/v3/objects/{type}/search", Params: object, Body: schemaSearch, Source: pageSearch, Answer: s.search,
				Example: `{"query": "ana", "limit": 10, "after": "0", "properties": ["email"], "sorts": [{"propertyName": "createdate", "direction": "DESCENDING"}], "filterGroups": [{"filters": [{"propertyName": "email", "operator": "EQ", "value": "x"}]}]}`},
			batch("create", inputs(schemaCreate), `{"inputs": [{"properties": {"email": "new@acme.example"}, "objectWriteTraceId": "0"}]}`, s.batchCreate),
			readBatch,
			batch("update", inputs(schemaChange), `{"inputs": [{"id": "9007199254740993", "properties": {"firstname": "Ana"}}]}`, s.batchUpdate),
			batch("upsert", inputs(schemaUpsert), `{"inputs": [{"id": "new@acme.example", "idProperty": "email", "properties": {"firstname": "Ana"}}]}`, s.batchUpsert),
			batch("archive", inputs(schemaID), `{"inputs": [{"id": "9007199254740993"}]}`, s.batchArchive),
			{Method: "PUT", Path: "/crm/v4/objects/{type}/{id}/associations/default/{to}/{other}", Params: pair, Source: pageAssociations, Answer: s.associateDefault},
			{Method: "PUT", Path: "/crm/v4/objects/{type}/{id}/associations/{to}/{other}", Params: pair, Body: schemaTypes, Example: `[{"associationCategory": "USER_DEFINED", "associationTypeId": 36}]`, Source: pageAssociations, Answer: s.associate},
			{Method: "DELETE", Path: "/crm/v4/objects/{type}/{id}/associations/{to}/{other}", Params: pair, Source: pageAssociations, Answer: s.dissociate},
			{Method: "GET", Path: "/crm/v4/objects/{type}/{id}/associations/{to}", Params: map[string]strict.Param{"type": typeName, "id": digits, "to": typeName}, Query: map[string]strict.Param{"limit": limit(`[1-9]\d?|[1-4]\d\d|500`), "after": after}, Source: pageAssociations, Answer: s.associations},
			{Method: "GET", Path: "/crm/v3/owners", Query: owners, Source: pageOwners, Answer: s.owners},
			// As HubSpot's own client has it.
			{Method: "GET", Path: "/crm/v3/owners/", Query: owners, Source: pageOwners, Answer: s.owners},
			{Method: "GET", Path: "/crm/v3/owners/{id}", Params: map[string]strict.Param{"id": {Pattern: `\d+`, Example: "41629779"}}, Query: map[string]strict.Param{"idProperty": {Pattern: "id|userId", Example: "id"}, "archived": boolean}, Source: pageOwners, Answer: s.owner},
			{Method: "GET", Path: "/crm/v3/pipelines/{type}", Params: object, Source: pagePipelines, Answer: s.pipelines},
			{Method: "GET", Path: "/crm/v3/pipelines/{type}/{id}/stages", Params: map[string]strict.Param{"type": typeName, "id": {Example: "default"}}, Source: pagePipelines, Answer: s.stages},
			{Method: "POST", Path: "/automation/v4/actions/callbacks/{id}/complete", Params: map[string]strict.Param{"id": {Pattern: `ap-[0-9-]+`, Example: "ap-102670506-56777914962-11-0"}}, Body: schemaComplete, Example: `{"outputFields": {"hs_execution_state": "SUCCESS", "order": "7"}}`, Source: pageActions, Answer: s.complete},
		},
	}
}

// refuse answers as HubSpot would. See pageErrors.
func refuse(v strict.Violation) strict.Answer {
	switch {
	case v.Part == strict.PartPath && v.Name == "":
		return failed(404, "OBJECT_NOT_FOUND", "resource not found", nil)
	case v.Part == strict.PartMethod:
		return strict.Answer{Status: 405, Text: "<html><body>HTTP ERROR 405</body></html>"}
	case v.Part == strict.PartHeader && v.Name == "Authorization":
		return failed(401, "INVALID_AUTHENTICATION", "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview", nil)
	case v.Part == strict.PartHeader:
		return strict.Answer{Status: 415, Text: "<html><body>HTTP ERROR 415</body></html>"}
	}
	return failed(400, "VALIDATION_ERROR", "Invalid input JSON: "+v.Reason, nil)
}

func failed(status int, category, message string, more map[string]any) strict.Answer {
	body := map[string]any{"status": "error", "message": message, "correlationId": "aeb5f871-7f07-4993-9211-075dc63e7cbf", "category": category}
	for name, value := range more {
		body[name] = value
	}
	return strict.Answer{Status: status, Body: body}
}
