package main

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
	"github.com/trama-run/trama/plugins/internal/rest"
)

// Record is one record. Its properties are texts or null, as HubSpot has them.
type Record struct {
	ID         string                     `json:"id"`
	Properties map[string]json.RawMessage `json:"properties"`
	CreatedAt  string                     `json:"created_at,omitempty"`
	UpdatedAt  string                     `json:"updated_at,omitempty"`
	Archived   bool                       `json:"archived"`
	// Associations are ids by object type.
	Associations map[string][]string `json:"associations,omitempty"`
	// Created says of an upsert whether the record is new.
	Created *bool `json:"created,omitempty"`
	// Index is the place of a batch's input.
	Index *int `json:"index,omitempty"`
}

// record is one as HubSpot writes it.
type record struct {
	ID           id                         `json:"id"`
	Properties   map[string]json.RawMessage `json:"properties"`
	CreatedAt    stamp                      `json:"createdAt"`
	UpdatedAt    stamp                      `json:"updatedAt"`
	Archived     bool                       `json:"archived"`
	New          *bool                      `json:"new"`
	Trace        id                         `json:"objectWriteTraceId"`
	Associations map[string]struct {
		Results []struct {
			ID id `json:"id"`
		} `json:"results"`
	} `json:"associations"`
}

// Lacks is of [rest.Complete].
func (r record) Lacks() string { return r.ID.Lacks() }

func (r record) plain() Record {
	out := Record{ID: string(r.ID), Properties: r.Properties, CreatedAt: string(r.CreatedAt), UpdatedAt: string(r.UpdatedAt), Archived: r.Archived, Created: r.New}
	if out.Properties == nil {
		out.Properties = map[string]json.RawMessage{}
	}
	for kind, all := range r.Associations {
		if out.Associations == nil {
			out.Associations = map[string][]string{}
		}
		for _, one := range all.Results {
			out.Associations[kind] = append(out.Associations[kind], string(one.ID))
		}
	}
	return out
}

// Link is an association that a new record has from the start.
type Link struct {
	ToObject string `json:"to_object"`
	ToID     id     `json:"to_id"`
	Label
}

// Label is the type of an association. Without one it is HubSpot's default for
// the two types of record.
type Label struct {
	Category string `json:"category"`
	TypeID   int    `json:"type_id"`
}

// Create is the input of create.
type Create struct {
	Object       string     `json:"object"`
	Properties   properties `json:"properties"`
	Associations []Link     `json:"associations"`
}

// create makes a record. With an association of the default type it is two
// requests or more: HubSpot takes only typed ones along.
//
// Source: HubSpot, "Objects", "Create records",
// https://developers.hubspot.com/docs/guides/crm/using-object-apis
func (h hubspot) create(in Create) (Record, error) {
	address, err := path("objects", in.Object)
	if err != nil {
		return Record{}, err
	}
	values, err := in.Properties.texts("properties")
	if err != nil {
		return Record{}, err
	}
	body := map[string]any{"properties": values}
	var links []any
	for i, link := range in.Associations {
		if link.TypeID == 0 {
			return Record{}, pdk.Errorf(abi.CodeInvalid, "associations[%d]: type_id is missing; without one, create the record and use hubspot.associate", i)
		}
		links = append(links, map[string]any{
			"to":    map[string]any{"id": link.ToID},
			"types": []any{link.Label.body()},
		})
	}
	if links != nil {
		body["associations"] = links
	}
	var out record
	err = h.Into(rest.Call{Method: "POST", Path: address, Body: body, Once: true}, &out)
	return out.plain(), err
}

func (l Label) body() map[string]any {
	category := l.Category
	if category == "" {
		category = "HUBSPOT_DEFINED"
	}
	return map[string]any{"associationCategory": category, "associationTypeId": l.TypeID}
}

// Key names one record: by its id, or by a property whose values are unique.
type Key struct {
	Object     string `json:"object"`
	ID         id     `json:"id"`
	IDProperty string `json:"id_property"`
}

func (k Key) query() url.Values {
	query := url.Values{}
	if k.IDProperty != "" {
		query.Set("idProperty", k.IDProperty)
	}
	return query
}

// Wanted is what of a record is given.
type Wanted struct {
	Properties   []string `json:"properties"`
	Associations []string `json:"associations"`
	Archived     bool     `json:"archived"`
}

func (w Wanted) into(query url.Values) {
	if len(w.Properties) > 0 {
		query.Set("properties", strings.Join(w.Properties, ","))
	}
	if len(w.Associations) > 0 {
		query.Set("associations", strings.Join(w.Associations, ","))
	}
	if w.Archived {
		query.Set("archived", "true")
	}
}

// Read is the input of read.
type Read struct {
	Key
	Wanted
}

func (h hubspot) read(in Read) (Record, error) {
	address, err := path("objects", in.Object, string(in.ID))
	if err != nil {
		return Record{}, err
	}
	query := in.Key.query()
	in.Wanted.into(query)
	var out record
	err = h.Into(rest.Call{Path: address, Query: query}, &out)
	return out.plain(), err
}

// Update is the input of update and upsert.
type Update struct {
	Key
	Properties properties `json:"properties"`
}

func (h hubspot) update(in Update) (Record, error) {
	address, err := path("objects", in.Object, string(in.ID))
	if err != nil {
		return Record{}, err
	}
	values, err := in.Properties.texts("properties")
	if err != nil {
		return Record{}, err
	}
	var out record
	err = h.Into(rest.Call{Method: "PATCH", Path: address, Query: in.Key.query(), Body: map[string]any{"properties": values}}, &out)
	return out.plain(), err
}

// upsert is a batch of one: HubSpot upserts only in batches.
func (h hubspot) upsert(in Update) (Record, error) {
	done, err := h.batchUpsert(BatchUpdate{Object: in.Object, IDProperty: in.IDProperty, Records: []Change{{ID: in.ID, Properties: in.Properties}}})
	switch {
	case err != nil:
		return Record{}, err
	case len(done.Errors) > 0:
		return Record{}, done.Errors[0].failure()
	case len(done.Records) != 1:
		return Record{}, &abi.Error{Code: rest.CodeAnswer, Message: "HubSpot answered an upsert of one record without the record; it has taken the request"}
	}
	out := done.Records[0]
	out.Index = nil
	return out, nil
}

// Deleted is the output of delete.
type Deleted struct {
	ID string `json:"id"`
}

// Delete is the input of delete.
type Delete struct {
	Object string `json:"object"`
	ID     id     `json:"id"`
}

// delete moves a record to the bin. One that is there already is as good.
func (h hubspot) delete(in Delete) (Deleted, error) {
	address, err := path("objects", in.Object, string(in.ID))
	if err != nil {
		return Deleted{}, err
	}
	_, err = h.Do(rest.Call{Method: "DELETE", Path: address})
	return Deleted{string(in.ID)}, err
}

// List is the input of list.
type List struct {
	Object string `json:"object"`
	Wanted
	rest.Bounds
}

// paging is how HubSpot's listings go on.
type paging struct {
	Next struct {
		After id `json:"after"`
	} `json:"next"`
}

// results are a listing's page, or what a batch or a search gave.
type results[In any] struct {
	Results *[]In  `json:"results"`
	Paging  paging `json:"paging"`
}

// Lacks is of [rest.Complete]: a page without anything has a list that is empty.
func (r *results[In]) Lacks() string {
	if r.Results == nil {
		return "results"
	}
	return lacking("results", *r.Results)
}

// lacking names what one of several lacks, as "results[2].id".
func lacking[In any](name string, all []In) string {
	for i, one := range all {
		if part, is := any(one).(rest.Complete); is && part.Lacks() != "" {
			return name + "[" + number(i) + "]." + part.Lacks()
		}
	}
	return ""
}

// give makes items of a page, each by out, and says where the next one begins.
func give[In, Out any](page results[In], out func(In) Out) ([]Out, string, error) {
	items := make([]Out, len(*page.Results))
	for i, one := range *page.Results {
		items[i] = out(one)
	}
	return items, string(page.Paging.Next.After), nil
}

// maxPage is how many records a listing gives at a time.
const maxPage = 100

func (h hubspot) list(in List) (rest.Page[Record], error) {
	address, err := path("objects", in.Object)
	if err != nil {
		return rest.Page[Record]{}, err
	}
	query := url.Values{}
	in.Wanted.into(query)
	return listing(h, rest.Call{Path: address, Query: query}, maxPage, in.Bounds, record.plain)
}

// listing reads a listing by GET, and gives each item as out makes it.
func listing[In, Out any](h hubspot, call rest.Call, size int, bounds rest.Bounds, out func(In) Out) (rest.Page[Out], error) {
	return rest.Lister[Out]{Size: size, Next: func(cursor string, size int) ([]Out, string, error) {
		page := call
		page.Query = url.Values{}
		for name, values := range call.Query {
			page.Query[name] = values
		}
		page.Query.Set("limit", number(size))
		if cursor != "" {
			page.Query.Set("after", cursor)
		}
		var got results[In]
		if err := h.Into(page, &got); err != nil {
			return nil, "", err
		}
		return give(got, out)
	}}.List(bounds)
}
