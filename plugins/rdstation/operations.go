package main

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strconv"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
	"github.com/trama-run/trama/plugins/internal/brackets"
	"github.com/trama-run/trama/plugins/internal/rest"
)

// CreateDeal is the input of create_deal: a whole body, written out or as rows.
type CreateDeal struct {
	API
	// Body is what the reference of the deal's creation has; of v2, its "data".
	Body json.RawMessage `json:"body"`
	// Fields are the same as rows of a key in brackets and a value.
	Fields []brackets.Row `json:"fields"`
}

// createDeal makes a deal, in v1 with its contacts.
//
// Source: RD Station, "Criar negociação",
// https://developers.rdstation.com/reference/crm-v1-create-deal
func (r rdstation) createDeal(in CreateDeal) (Record, error) {
	version, found, err := in.API.find("deals", "create")
	if err != nil {
		return Record{}, err
	}
	body := in.Body
	switch {
	case len(in.Fields) > 0 && given(in.Body):
		return Record{}, pdk.Errorf(abi.CodeInvalid, `both "body" and "fields" are given; a deal has one of them`)
	case len(in.Fields) > 0:
		if body, err = brackets.Build(in.Fields); err != nil {
			return Record{}, pdk.Errorf(abi.CodeInvalid, "fields: %v", err)
		}
	case !given(in.Body):
		return Record{}, pdk.Errorf(abi.CodeInvalid, `neither "body" nor "fields" is given`)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return Record{}, pdk.Errorf(abi.CodeInvalid, "the deal is no object of names and values")
	}
	if _, ok := members["deal"]; version == "v1" && !ok {
		return Record{}, pdk.Errorf(abi.CodeInvalid, `the deal lacks "deal": its name stands at deal[name]`)
	}
	if _, ok := members["deal"]; version == "v2" && ok {
		return Record{}, pdk.Errorf(abi.CodeInvalid, `"deal" is of api v1; in v2 the deal's name stands at name`)
	}
	var out any = body
	if version == "v2" {
		out = map[string]any{found.wrapper: body}
	}
	return r.write(version, rest.Call{Method: "POST", Path: "/" + found.path, Body: out, Once: true})
}

func given(value json.RawMessage) bool {
	return len(value) > 0 && !bytes.Equal(value, []byte("null"))
}

func (r rdstation) write(version string, call rest.Call) (Record, error) {
	answer, err := r.Do(call)
	if err != nil {
		return Record{}, err
	}
	out, lacks := record(version, answer.Body)
	if lacks != "" {
		return Record{}, r.shapeless(call, answer, lacks)
	}
	return out, nil
}

// Create is the input of create.
type Create struct {
	API
	Object string                     `json:"object"`
	Record map[string]json.RawMessage `json:"record"`
}

func (r rdstation) create(in Create) (Record, error) {
	version, found, err := in.API.find(in.Object, "create")
	if err != nil {
		return Record{}, err
	}
	address, err := in.address(found)
	if err != nil {
		return Record{}, err
	}
	return r.write(version, rest.Call{Method: "POST", Path: address, Body: map[string]any{found.wrapper: in.Record}, Once: true})
}

// Key names a record. It is the input of get.
type Key struct {
	API
	Object string `json:"object"`
	ID     string `json:"id"`
}

func (r rdstation) get(in Key) (Record, error) {
	version, found, err := in.API.find(in.Object, "get")
	if err != nil {
		return Record{}, err
	}
	address, err := in.address(found, in.ID)
	if err != nil {
		return Record{}, err
	}
	return r.write(version, rest.Call{Path: address})
}

// Update is the input of update.
type Update struct {
	Key
	Record map[string]json.RawMessage `json:"record"`
}

func (r rdstation) update(in Update) (Record, error) {
	version, found, err := in.API.find(in.Object, "update")
	if err != nil {
		return Record{}, err
	}
	address, err := in.address(found, in.ID)
	if err != nil {
		return Record{}, err
	}
	return r.write(version, rest.Call{Method: "PUT", Path: address, Body: map[string]any{found.wrapper: in.Record}})
}

// List is the input of list.
type List struct {
	API
	Object string `json:"object"`
	// Query are parameters of the listing, such as name of v1 or filter of v2.
	Query map[string]json.RawMessage `json:"query"`
	rest.Bounds
}

// Sizes of pages.
//
// Source: RD Station, "Listar negociações",
// https://developers.rdstation.com/reference/crm-v1-list-deals (limit: 200), and
// https://developers.rdstation.com/reference/crm-v2-introduction (page[size]: 100;
// a listing ends at its 10,000th record)
const (
	maxPageV1 = 200
	maxPageV2 = 100
	maxListed = 10_000
)

func (r rdstation) list(in List) (rest.Page[json.RawMessage], error) {
	version, found, err := in.API.find(in.Object, "list")
	if err != nil {
		return rest.Page[json.RawMessage]{}, err
	}
	address, err := in.address(found)
	if err != nil {
		return rest.Page[json.RawMessage]{}, err
	}
	number, size, most := "page", "limit", maxPageV1
	if version == "v2" {
		number, size, most = "page[number]", "page[size]", maxPageV2
	}
	query := url.Values{}
	for name, value := range in.Query {
		text, ok, err := brackets.Text(value)
		switch {
		case err != nil:
			return rest.Page[json.RawMessage]{}, pdk.Errorf(abi.CodeInvalid, "query.%s: %v", name, err)
		case name == "token" || name == number || name == size:
			return rest.Page[json.RawMessage]{}, pdk.Errorf(abi.CodeInvalid, "query.%s: not here; the token is the connection's, and pages are max_items and cursor", name)
		case ok:
			query.Set(name, text)
		}
	}
	return rest.Lister[json.RawMessage]{Size: most, Whole: true, Next: func(cursor string, count int) ([]json.RawMessage, string, error) {
		at := place{number: 1, size: count}
		if cursor != "" {
			var err error
			if at, err = placeOf(cursor); err != nil || at.size > most {
				return nil, "", pdk.Errorf(abi.CodeInvalid, "cursor: %q is none of this operation's", cursor)
			}
		}
		if at.number*at.size > maxListed {
			return nil, "", pdk.Errorf(abi.CodeLimit, "RD Station lists the first %d records; narrow the query", maxListed)
		}
		query.Set(number, strconv.Itoa(at.number))
		query.Set(size, strconv.Itoa(at.size))
		call := rest.Call{Path: address, Query: query}
		answer, err := r.Do(call)
		if err != nil {
			return nil, "", err
		}
		items, more := page(answer.Body, found.list)
		switch {
		case items == nil:
			return nil, "", r.shapeless(call, answer, "the list "+found.list)
		case !more:
			return items, "", nil
		}
		at.number++
		return items, at.String(), nil
	}}.List(in.Bounds)
}

// place is where a listing goes on: pages are counted, so their size must stay.
type place struct{ number, size int }

func (p place) String() string { return strconv.Itoa(p.number) + "x" + strconv.Itoa(p.size) }

func placeOf(cursor string) (place, error) {
	number, size, _ := bytes.Cut([]byte(cursor), []byte("x"))
	n, err := strconv.Atoi(string(number))
	if err != nil {
		return place{}, err
	}
	s, err := strconv.Atoi(string(size))
	if err != nil || n < 1 || s < 1 {
		return place{}, pdk.Errorf(abi.CodeInvalid, "cursor")
	}
	return place{n, s}, nil
}

// page takes a page apart; items is nil if there is no list. Some listings of v1
// are bare lists, all at once.
func page(body json.RawMessage, name string) (items []json.RawMessage, more bool) {
	if json.Unmarshal(body, &items) == nil {
		return items, false
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil || json.Unmarshal(members[name], &items) != nil {
		return nil, false
	}
	var links struct{ Next string }
	// A listing without links has no next page.
	_ = json.Unmarshal(members["links"], &links)
	return items, string(members["has_more"]) == "true" || links.Next != ""
}

// Convert is the input of convert.
type Convert struct {
	// Auth is how the connection authenticates: "oauth2" or "api_key".
	Auth       string                     `json:"auth"`
	Identifier string                     `json:"identifier"`
	Email      string                     `json:"email"`
	Fields     map[string]json.RawMessage `json:"fields"`
}

// Converted is the output of convert.
type Converted struct {
	EventUUID string `json:"event_uuid"`
}

// Lacks is of [rest.Complete].
func (c Converted) Lacks() string {
	if c.EventUUID == "" {
		return "event_uuid"
	}
	return ""
}

// convert tells RD Station Marketing of a conversion of a lead. The page differs
// by the way of authentication.
//
// Source: RD Station, "Conversão", https://developers.rdstation.com/reference/conversao
func (r rdstation) convert(in Convert) (Converted, error) {
	call := rest.Call{Method: "POST", Path: "/platform/events", Query: url.Values{"event_type": {"conversion"}}, Once: true}
	switch in.Auth {
	case "", "oauth2":
	case "api_key":
		call.Path, call.Query = "/platform/conversions", url.Values{"event_type": {"conversion"}}
	default:
		return Converted{}, pdk.Errorf(abi.CodeInvalid, `auth: %q is neither "oauth2" nor "api_key"`, in.Auth)
	}
	payload := map[string]any{}
	for name, value := range in.Fields {
		payload[name] = value
	}
	payload["conversion_identifier"], payload["email"] = in.Identifier, in.Email
	call.Body = map[string]any{"event_type": "CONVERSION", "event_family": "CDP", "payload": payload}
	var out Converted
	if err := r.Into(call, &out); err != nil {
		return Converted{}, err
	}
	return out, nil
}
