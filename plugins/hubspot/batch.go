package main

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
	"github.com/trama-run/trama/plugins/internal/rest"
)

// Limits of a batch.
//
// Source: HubSpot, "Objects", "Create records" and the like: "limited to 100
// records at a time", https://developers.hubspot.com/docs/guides/crm/using-object-apis
const (
	maxBatch   = 100
	maxRecords = 1000 // our own: 10 requests
)

// BatchCreate is the input of batch_create.
type BatchCreate struct {
	Object  string       `json:"object"`
	Records []properties `json:"records"`
}

// BatchRead is the input of batch_read.
type BatchRead struct {
	Object     string   `json:"object"`
	IDs        []id     `json:"ids"`
	IDProperty string   `json:"id_property"`
	Properties []string `json:"properties"`
}

// BatchUpdate is the input of batch_update and batch_upsert.
type BatchUpdate struct {
	Object     string   `json:"object"`
	IDProperty string   `json:"id_property"`
	Records    []Change `json:"records"`
}

// Change is one record of a batch.
type Change struct {
	ID         id         `json:"id"`
	Properties properties `json:"properties"`
}

// BatchDelete is the input of batch_delete.
type BatchDelete struct {
	Object string `json:"object"`
	IDs    []id   `json:"ids"`
}

// Batched is the output of batches. What went wrong with some records is no
// error of the call: the others are done.
type Batched struct {
	Records []Record  `json:"records"`
	Errors  []Problem `json:"errors"`
	// Unsent is how many inputs were not tried, because a request before them
	// failed as a whole. They are the last ones.
	Unsent int `json:"unsent"`
}

// Problem is what went wrong with one record, or with a request's worth.
type Problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	// IDs are those that HubSpot names; Indexes are the inputs, where known.
	IDs     []string `json:"ids,omitempty"`
	Indexes []int    `json:"indexes,omitempty"`
}

func (p Problem) failure() *abi.Error {
	failure := pdk.Errorf(p.Code, "HubSpot: %s", p.Message)
	if data, err := rest.Encode(map[string]any{"ids": p.IDs}); err == nil && len(p.IDs) > 0 {
		failure.Detail = data
	}
	return failure
}

func (h hubspot) batchCreate(in BatchCreate) (Batched, error) {
	inputs := make([]map[string]any, len(in.Records))
	for i, one := range in.Records {
		values, err := one.texts("records[" + number(i) + "]")
		if err != nil {
			return Batched{}, err
		}
		// The trace id comes back with the record, or with its error.
		inputs[i] = map[string]any{"properties": values, "objectWriteTraceId": number(i)}
	}
	return h.batch(in.Object, "create", nil, inputs)
}

func (h hubspot) batchRead(in BatchRead) (Batched, error) {
	more := map[string]any{"properties": append([]string{}, in.Properties...), "propertiesWithHistory": []string{}}
	if in.IDProperty != "" {
		more["idProperty"] = in.IDProperty
	}
	return h.batch(in.Object, "read", more, ids(in.IDs))
}

func (h hubspot) batchUpdate(in BatchUpdate) (Batched, error) { return h.change("update", in) }

func (h hubspot) batchUpsert(in BatchUpdate) (Batched, error) {
	if in.IDProperty == "" {
		return Batched{}, pdk.Errorf(abi.CodeInvalid, `id_property: missing; an upsert needs a property whose values are unique, such as "email" of contacts or one that you made so`)
	}
	return h.change("upsert", in)
}

func (h hubspot) change(verb string, in BatchUpdate) (Batched, error) {
	inputs := make([]map[string]any, len(in.Records))
	for i, one := range in.Records {
		values, err := one.Properties.texts("records[" + number(i) + "].properties")
		if err != nil {
			return Batched{}, err
		}
		if one.ID == "" {
			return Batched{}, pdk.Errorf(abi.CodeInvalid, "records[%d].id: empty", i)
		}
		inputs[i] = map[string]any{"id": one.ID, "properties": values, "objectWriteTraceId": number(i)}
		if in.IDProperty != "" {
			inputs[i]["idProperty"] = in.IDProperty
		}
	}
	return h.batch(in.Object, verb, nil, inputs)
}

func (h hubspot) batchDelete(in BatchDelete) (Batched, error) {
	return h.batch(in.Object, "archive", nil, ids(in.IDs))
}

func ids(all []id) []map[string]any {
	inputs := make([]map[string]any, len(all))
	for i, one := range all {
		inputs[i] = map[string]any{"id": one}
	}
	return inputs
}

// batch sends inputs by the hundred.
func (h hubspot) batch(object, verb string, more map[string]any, inputs []map[string]any) (Batched, error) {
	out := Batched{Records: []Record{}, Errors: []Problem{}}
	if len(inputs) > maxRecords {
		return out, pdk.Errorf(abi.CodeLimit, "%d records; one call takes %d", len(inputs), maxRecords)
	}
	address, err := path("objects", object, "batch", verb)
	if err != nil {
		return out, err
	}
	for from := 0; from < len(inputs); from += maxBatch {
		part := inputs[from:min(from+maxBatch, len(inputs))]
		body := map[string]any{"inputs": part}
		for name, value := range more {
			body[name] = value
		}
		call := rest.Call{Method: "POST", Path: address, Body: body, Once: verb == "create", Reads: verb == "read"}
		var got batched
		if verb == "archive" { // which HubSpot answers with nothing
			_, err = h.Do(call)
		} else {
			err = h.Into(call, &got)
		}
		if err != nil && from == 0 {
			return out, err
		}
		if err != nil { // what came before is done, and must not be lost
			var failure *abi.Error
			if !errors.As(err, &failure) {
				return out, err
			}
			problem := Problem{Code: failure.Code, Message: failure.Message}
			for i := range part {
				problem.Indexes = append(problem.Indexes, from+i)
			}
			out.Errors = append(out.Errors, problem)
			out.Unsent = len(inputs) - from - len(part)
			break
		}
		for _, one := range got.records() {
			done := one.plain()
			if at, err := strconv.Atoi(string(one.Trace)); err == nil {
				done.Index = &at
			}
			out.Records = append(out.Records, done)
		}
		for _, one := range got.Errors {
			out.Errors = append(out.Errors, refusal(one).problem())
		}
	}
	return out, nil
}

// batched is what HubSpot says of a batch: 200, or 207 if there are errors.
type batched struct {
	Results *[]record `json:"results"`
	Errors  []failed  `json:"errors"`
}

// failed is an error of a batch. Parts of another form than usual leave their
// fields empty: the records that are done must not be lost for them.
type failed refusal

// UnmarshalJSON takes whatever comes.
func (f *failed) UnmarshalJSON(data []byte) error {
	_ = json.Unmarshal(data, (*refusal)(f)) // what was read will do
	return nil
}

// Lacks is of [rest.Complete]: where all went wrong, the errors will do.
func (b *batched) Lacks() string {
	switch {
	case b.Results != nil:
		return lacking("results", *b.Results)
	case len(b.Errors) == 0:
		return "results"
	}
	return ""
}

func (b *batched) records() []record {
	if b.Results == nil {
		return nil
	}
	return *b.Results
}

// problem gives an error of a batch the codes of errors of whole requests.
func (r refusal) problem() Problem {
	codes := map[string]string{
		"OBJECT_NOT_FOUND": rest.CodeNotFound, "CONFLICT": rest.CodeConflict,
		"MISSING_SCOPES": rest.CodeForbidden, "RATE_LIMITS": rest.CodeRateLimited,
	}
	out := Problem{Code: codes[r.Category], Message: r.said(0).Message, IDs: slices.DeleteFunc(slices.Clone(r.Context["ids"]), func(id string) bool { return id == "" })}
	if out.Code == "" {
		out.Code = rest.CodeRejected
	}
	if r.ID != "" && len(out.IDs) == 0 {
		out.IDs = []string{r.ID}
	}
	for _, trace := range r.Context["objectWriteTraceId"] {
		if at, err := strconv.Atoi(trace); err == nil {
			out.Indexes = append(out.Indexes, at)
		}
	}
	return out
}
