package sheetstest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/trama-run/trama/plugins/strict"
)

const reference = "https://developers.google.com/workspace/sheets/api/reference/rest/v4/"

// Schemas of bodies. Google publishes the fields and their types, and says of
// none that it must be there; those that are required here are those without
// which the service refuses a request. Fields that exist and that the stub
// could not honour are refused as well.
const (
	valueRangeFields = `"range": {"type": "string", "minLength": 1},
		"majorDimension": {"enum": ["ROWS", "COLUMNS"]},
		"values": {"type": "array", "items": {"type": "array", "items": {"type": ["string", "number", "boolean", "null"]}}}`
	valueRangeBody = `{"type": "object", "additionalProperties": false, "required": ["values"], "properties": {` + valueRangeFields + `}}`

	batchUpdateValuesBody = `{"type": "object", "additionalProperties": false, "required": ["valueInputOption", "data"], "properties": {
		"valueInputOption": {"enum": ["RAW", "USER_ENTERED"]},
		"data": {"type": "array", "minItems": 1, "items": {"type": "object", "additionalProperties": false, "required": ["range", "values"], "properties": {` + valueRangeFields + `}}}}}`

	batchClearBody = `{"type": "object", "additionalProperties": false, "required": ["ranges"], "properties": {
		"ranges": {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}}}}`

	gridFields = `"rowCount": {"type": "integer", "minimum": 1}, "columnCount": {"type": "integer", "minimum": 1}, "frozenRowCount": {"type": "integer", "minimum": 0}`

	sheetFields = `"sheetId": {"type": "integer", "minimum": 0}, "title": {"type": "string", "minLength": 1}, "index": {"type": "integer", "minimum": 0},
		"sheetType": {"enum": ["GRID"]}, "hidden": {"type": "boolean"},
		"gridProperties": {"type": "object", "additionalProperties": false, "properties": {` + gridFields + `}}`

	batchUpdateBody = `{"type": "object", "additionalProperties": false, "required": ["requests"], "properties": {
		"requests": {"type": "array", "minItems": 1, "items": {"type": "object", "additionalProperties": false, "minProperties": 1, "maxProperties": 1, "properties": {
			"addSheet": {"type": "object", "additionalProperties": false, "properties": {
				"properties": {"type": "object", "additionalProperties": false, "properties": {` + sheetFields + `}}}},
			"appendDimension": {"type": "object", "additionalProperties": false, "required": ["sheetId", "dimension", "length"], "properties": {
				"sheetId": {"type": "integer", "minimum": 0}, "dimension": {"enum": ["ROWS", "COLUMNS"]}, "length": {"type": "integer", "minimum": 1}}}}}}}}`

	createBody = `{"type": "object", "additionalProperties": false, "properties": {
		"properties": {"type": "object", "additionalProperties": false, "properties": {
			"title": {"type": "string"}, "locale": {"type": "string", "pattern": "^[a-z]{2,3}(_[A-Z]{2})?$"}, "timeZone": {"type": "string", "pattern": "^[A-Za-z_]+(/[A-Za-z_]+)*$"}}},
		"sheets": {"type": "array", "items": {"type": "object", "additionalProperties": false, "properties": {
			"properties": {"type": "object", "additionalProperties": false, "properties": {` + sheetFields + `}},
			"data": {"type": "array", "items": {"type": "object", "additionalProperties": false, "properties": {
				"startRow": {"type": "integer", "minimum": 0}, "startColumn": {"type": "integer", "minimum": 0},
				"rowData": {"type": "array", "items": {"type": "object", "additionalProperties": false, "properties": {
					"values": {"type": "array", "items": {"type": "object", "additionalProperties": false, "properties": {
						"userEnteredValue": {"type": "object", "additionalProperties": false, "properties": {
							"stringValue": {"type": "string"}, "numberValue": {"type": "number"}, "boolValue": {"type": "boolean"}}}}}}}}}}}}}}}}}`
)

// contract is the part of Sheets v4 that the stub has.
//
// Source: Google, discovery document of sheets v4, revision 20261019, and the
// pages that the rules cite.
func (s *Sheets) contract() strict.Contract {
	id := strict.Param{Pattern: `[A-Za-z0-9_-]+`, Example: exampleID}
	a1 := strict.Param{Pattern: `.+`, Example: "'Clients'!A1:B2"}
	render := strict.Param{Pattern: `FORMATTED_VALUE|UNFORMATTED_VALUE|FORMULA`, Example: "UNFORMATTED_VALUE"}
	dates := strict.Param{Pattern: `SERIAL_NUMBER|FORMATTED_STRING`, Example: "SERIAL_NUMBER"}
	dimension := strict.Param{Pattern: `ROWS|COLUMNS`, Example: "ROWS"}
	input := strict.Param{Pattern: `RAW|USER_ENTERED`, Required: true, Example: "RAW"}
	return strict.Contract{
		Headers: map[string]strict.Param{"Authorization": {Pattern: `Bearer \S+`, Required: true, Example: "Bearer not-a-token"}},
		// https://cloud.google.com/apis/docs/system-parameters
		Query:  map[string]strict.Param{"fields": {Example: "*"}, "alt": {Pattern: "json", Example: "json"}, "prettyPrint": {Pattern: "true|false", Example: "false"}},
		Refuse: refuse,
		Rules: []strict.Rule{
			{
				Method: "POST", Path: "/v4/spreadsheets", Source: reference + "spreadsheets/create", Body: createBody,
				Example: `{"properties": {"title": "Sales", "locale": "pt_BR", "timeZone": "America/Sao_Paulo"}, "sheets": [{"properties": {"title": "Clients", "gridProperties": {"rowCount": 10, "columnCount": 3}},
					"data": [{"startRow": 0, "startColumn": 0, "rowData": [{"values": [{"userEnteredValue": {"stringValue": "name"}}]}]}]}]}`,
				Answer: s.answer(s.create),
			},
			{
				Method: "GET", Path: "/v4/spreadsheets/{id}", Params: map[string]strict.Param{"id": id}, Source: reference + "spreadsheets/get",
				Answer: s.answer(s.document),
			},
			{
				Method: "POST", Path: "/v4/spreadsheets/{id}", Params: map[string]strict.Param{"id": {Pattern: `[A-Za-z0-9_-]+:batchUpdate`, Example: exampleID + ":batchUpdate"}},
				Source: reference + "spreadsheets/batchUpdate", Body: batchUpdateBody,
				Example: `{"requests": [{"addSheet": {"properties": {"title": "Leads", "gridProperties": {"rowCount": 5, "columnCount": 2}}}}, {"appendDimension": {"sheetId": 1, "dimension": "COLUMNS", "length": 2}}]}`,
				Answer:  s.answer(s.batchUpdate),
			},
			{
				Method: "GET", Path: "/v4/spreadsheets/{id}/values/{range}", Params: map[string]strict.Param{"id": id, "range": a1},
				Query:  map[string]strict.Param{"majorDimension": dimension, "valueRenderOption": render, "dateTimeRenderOption": dates},
				Source: reference + "spreadsheets.values/get", Answer: s.answer(s.get),
			},
			{
				Method: "PUT", Path: "/v4/spreadsheets/{id}/values/{range}", Params: map[string]strict.Param{"id": id, "range": a1},
				Query:  map[string]strict.Param{"valueInputOption": input},
				Source: reference + "spreadsheets.values/update", Body: valueRangeBody, Example: `{"range": "'Clients'!A1:B2", "majorDimension": "ROWS", "values": [["a", 1]]}`,
				Answer: s.answer(s.update),
			},
			{
				Method: "POST", Path: "/v4/spreadsheets/{id}/values/{range}",
				Params: map[string]strict.Param{"id": id, "range": {Pattern: `.+:append`, Example: "'Clients'!A1:B2:append"}},
				Query:  map[string]strict.Param{"valueInputOption": input, "insertDataOption": {Pattern: `OVERWRITE|INSERT_ROWS`, Example: "INSERT_ROWS"}},
				Source: reference + "spreadsheets.values/append", Body: valueRangeBody, Example: `{"values": [["a", 1, true, null]]}`,
				Answer: s.answer(s.append),
			},
			{
				Method: "GET", Path: "/v4/spreadsheets/{id}/values:batchGet", Params: map[string]strict.Param{"id": id},
				Query:  map[string]strict.Param{"ranges": {Many: true, Required: true, Example: "Clients!A1"}, "majorDimension": dimension, "valueRenderOption": render, "dateTimeRenderOption": dates},
				Source: reference + "spreadsheets.values/batchGet", Answer: s.answer(s.batchGet),
			},
			{
				Method: "POST", Path: "/v4/spreadsheets/{id}/values:batchUpdate", Params: map[string]strict.Param{"id": id},
				Source: reference + "spreadsheets.values/batchUpdate", Body: batchUpdateValuesBody,
				Example: `{"valueInputOption": "RAW", "data": [{"range": "Clients!A1", "majorDimension": "ROWS", "values": [["a"]]}]}`,
				Answer:  s.answer(s.batchUpdateValues),
			},
			{
				Method: "POST", Path: "/v4/spreadsheets/{id}/values:batchClear", Params: map[string]strict.Param{"id": id},
				Source: reference + "spreadsheets.values/batchClear", Body: batchClearBody, Example: `{"ranges": ["Clients!A2:Z"]}`,
				Answer: s.answer(s.batchClear),
			},
		},
	}
}

const exampleID = "1aBcInventedSheetId00000000000000000000000"

// answer makes a rule's answer of what a spreadsheet says.
func (s *Sheets) answer(f func(*book, *strict.Request) (any, error)) func(*strict.Request) strict.Answer {
	return func(r *strict.Request) strict.Answer {
		s.mu.Lock()
		defer s.mu.Unlock()
		id, _, _ := strings.Cut(r.Params["id"], ":")
		b := s.books[id]
		if b == nil && id != "" {
			return Refusal(404, "NOT_FOUND", "Requested entity was not found.")
		}
		body, err := f(b, r)
		if known, ok := errors.AsType[refused](err); ok {
			return known.answer()
		}
		if err != nil {
			return Refusal(500, "INTERNAL", err.Error())
		}
		return strict.Answer{Body: body}
	}
}

// refuse is Google's answer to what its contract lacks.
func refuse(v strict.Violation) strict.Answer {
	switch v.Part {
	case strict.PartPath, strict.PartMethod:
		return Refusal(404, "NOT_FOUND", "The requested URL was not found on this server.")
	case strict.PartHeader:
		if v.Name == "Authorization" {
			return Refusal(401, "UNAUTHENTICATED", "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid authentication credential.")
		}
	case strict.PartQuery:
		return Refusal(400, "INVALID_ARGUMENT", fmt.Sprintf("Invalid value at '%s': %s", v.Name, v.Reason))
	}
	return Refusal(400, "INVALID_ARGUMENT", "Invalid JSON payload received. "+v.Reason)
}
