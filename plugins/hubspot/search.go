package main

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/trama-run/trama/pdk/abi"
	pdk "github.com/trama-run/trama/pdk/go"
	"github.com/trama-run/trama/plugins/internal/rest"
)

// Search is the input of search.
type Search struct {
	Object string `json:"object"`
	// Query is looked for in the properties that HubSpot searches by default.
	Query string `json:"query"`
	// Filters must all hold; of AnyOf, one group of filters must.
	Filters    []Filter   `json:"filters"`
	AnyOf      [][]Filter `json:"any_of"`
	Sort       []string   `json:"sort"` // "-createdate" is descending
	Properties []string   `json:"properties"`
	rest.Bounds
}

// Filter is one condition.
type Filter struct {
	Property string            `json:"property"`
	Operator string            `json:"operator"`
	Value    json.RawMessage   `json:"value"`
	To       json.RawMessage   `json:"to"` // the upper end of BETWEEN
	Values   []json.RawMessage `json:"values"`
}

// Limits of a search.
//
// Source: HubSpot, "Search the CRM", "Limits",
// https://developers.hubspot.com/docs/api-reference/search/guide
const (
	maxSearchPage = 200
	maxSearchSeen = 10_000
	maxQuery      = 3000 // characters
	maxGroups     = 5
	maxInGroup    = 6
	maxFilters    = 18
)

// search finds records. HubSpot's index follows changes with a delay of
// seconds: what was just written may not be found yet.
func (h hubspot) search(in Search) (rest.Page[Record], error) {
	address, err := path("objects", in.Object, "search")
	if err != nil {
		return rest.Page[Record]{}, err
	}
	body, err := in.body()
	if err != nil {
		return rest.Page[Record]{}, err
	}
	return rest.Lister[Record]{Size: maxSearchPage, Next: func(cursor string, size int) ([]Record, string, error) {
		at, _ := strconv.Atoi(cursor)
		if at >= maxSearchSeen {
			return nil, "", pdk.Errorf(abi.CodeLimit, "HubSpot shows the first %d records of a search; narrow the filters, for instance by createdate", maxSearchSeen)
		}
		body["limit"] = min(size, maxSearchSeen-at)
		if cursor != "" {
			body["after"] = cursor
		}
		var got results[record]
		if err := h.Into(rest.Call{Method: "POST", Path: address, Body: body, Reads: true}, &got); err != nil {
			return nil, "", err
		}
		return give(got, record.plain)
	}}.List(in.Bounds)
}

func (in Search) body() (map[string]any, error) {
	if utf8.RuneCountInString(in.Query) > maxQuery {
		return nil, pdk.Errorf(abi.CodeInvalid, "query: longer than %d characters", maxQuery)
	}
	body := map[string]any{}
	if in.Query != "" {
		body["query"] = in.Query
	}
	if len(in.Properties) > 0 {
		body["properties"] = in.Properties
	}
	// Groups are joined by OR and filters in them by AND, so what must always
	// hold stands in every group.
	groups := in.AnyOf
	if len(groups) == 0 && len(in.Filters) > 0 {
		groups = [][]Filter{nil}
	}
	if len(groups) > maxGroups {
		return nil, pdk.Errorf(abi.CodeInvalid, "any_of: %d groups; HubSpot takes %d", len(groups), maxGroups)
	}
	total := 0
	var all []any
	for i, group := range groups {
		group = slices.Concat(in.Filters, group)
		total += len(group)
		if len(group) == 0 {
			return nil, pdk.Errorf(abi.CodeInvalid, "any_of[%d]: the group is empty", i)
		}
		if len(group) > maxInGroup {
			return nil, pdk.Errorf(abi.CodeInvalid, "%d filters must hold at once; HubSpot takes %d", len(group), maxInGroup)
		}
		var filters []any
		for _, filter := range group {
			one, err := filter.body()
			if err != nil {
				return nil, err
			}
			filters = append(filters, one)
		}
		all = append(all, map[string]any{"filters": filters})
	}
	if total > maxFilters {
		return nil, pdk.Errorf(abi.CodeInvalid, "%d filters in all groups, counting those of \"filters\" in each; HubSpot takes %d", total, maxFilters)
	}
	if all != nil {
		body["filterGroups"] = all
	}
	if len(in.Sort) > 1 {
		return nil, pdk.Errorf(abi.CodeInvalid, "sort: HubSpot sorts by one property")
	}
	for _, by := range in.Sort {
		name, down := strings.CutPrefix(by, "-")
		direction := "ASCENDING"
		if down {
			direction = "DESCENDING"
		}
		body["sorts"] = []any{map[string]any{"propertyName": name, "direction": direction}}
	}
	return body, nil
}

func (f Filter) body() (map[string]any, error) {
	operator := f.Operator
	if operator == "" {
		operator = "EQ"
	}
	out := map[string]any{"propertyName": f.Property, "operator": operator}
	wrong := func(format string, args ...any) error {
		return pdk.Errorf(abi.CodeInvalid, "filter of "+f.Property+": "+format, args...)
	}
	one := func(name string, value json.RawMessage) error {
		text, err := textOf(value)
		if err != nil || text == "" || value[0] == '[' {
			return wrong("%s takes a text, a number or a boolean", operator)
		}
		out[name] = text
		return nil
	}
	switch operator {
	case "HAS_PROPERTY", "NOT_HAS_PROPERTY":
		if f.Value != nil || f.Values != nil || f.To != nil {
			return nil, wrong("%s takes no value", operator)
		}
		return out, nil
	case "IN", "NOT_IN":
		if len(f.Values) == 0 || f.Value != nil || f.To != nil {
			return nil, wrong(`%s takes "values", a list`, operator)
		}
		all := make([]string, 0, len(f.Values))
		for _, value := range f.Values {
			text, err := textOf(value)
			if err != nil {
				return nil, wrong("%v", err)
			}
			// With these two, HubSpot compares texts by what they are in lower case,
			// and options of an enumeration as they are: only it knows which of both
			// the property has.
			for _, form := range []string{text, strings.ToLower(text)} {
				if !slices.Contains(all, form) {
					all = append(all, form)
				}
			}
		}
		out["values"] = all
		return out, nil
	case "BETWEEN":
		if f.Values != nil {
			return nil, wrong(`BETWEEN takes "value" and "to"`)
		}
		if err := one("value", f.Value); err != nil {
			return nil, err
		}
		return out, one("highValue", f.To)
	case "EQ", "NEQ", "LT", "LTE", "GT", "GTE", "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN":
		if f.Values != nil || f.To != nil {
			return nil, wrong(`%s takes "value"`, operator)
		}
		return out, one("value", f.Value)
	}
	return nil, wrong("%q is no operator of HubSpot's", operator)
}

func number(n int) string { return strconv.Itoa(n) }
