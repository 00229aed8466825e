package hubspottest

import (
	"slices"
	"strconv"
	"strings"

	"github.com/trama-run/trama/plugins/strict"
)

type write struct {
	ID           string            `json:"id"`
	IDProperty   string            `json:"idProperty"`
	Properties   map[string]string `json:"properties"`
	Trace        string            `json:"objectWriteTraceId"`
	Associations []struct {
		To    struct{ ID string }
		Types []labelled
	}
}

type labelled struct {
	AssociationCategory string
	AssociationTypeID   int
}

func (s *Stub) create(r *strict.Request) strict.Answer {
	var in write
	r.Decode(&in)
	s.mu.Lock()
	defer s.mu.Unlock()
	if refused, ok := s.refusal(r.Params["type"], in.Properties, nil); ok {
		return refused
	}
	made := s.add(r.Params["type"], in.Properties)
	for _, one := range in.Associations {
		to, _ := strconv.ParseInt(one.To.ID, 10, 64)
		for _, kind := range one.Types {
			s.link(made.id, to, kind)
		}
	}
	return strict.Answer{Status: 201, Body: s.show(made, nil)}
}

func (s *Stub) list(r *strict.Request) strict.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	var items []any
	for _, one := range s.records {
		if one.kind == kindOf(r.Params["type"]) && one.archived == (r.Query.Get("archived") == "true") {
			items = append(items, s.show(one, namesIn(r.Query["properties"])))
		}
	}
	return strict.Answer{Body: paged(items, r.Query.Get("after"), sizeOf(r.Query.Get("limit"), 10))}
}

func (s *Stub) read(r *strict.Request) strict.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.find(r.Params["type"], r.Query.Get("idProperty"), r.Params["id"])
	if found == nil {
		return notFound()
	}
	body := s.show(found, namesIn(r.Query["properties"]))
	associations := map[string]any{}
	for _, kind := range namesIn(r.Query["associations"]) {
		var results []any
		for _, one := range s.links {
			if one.from == found.id && one.toKind == kindOf(kind) {
				results = append(results, map[string]any{"id": strconv.FormatInt(one.to, 10), "type": "contact_to_company"})
			}
		}
		if results != nil {
			associations[kindOf(kind)] = map[string]any{"results": results}
		}
	}
	if len(associations) > 0 {
		body["associations"] = associations
	}
	return strict.Answer{Body: body}
}

func (s *Stub) update(r *strict.Request) strict.Answer {
	var in write
	r.Decode(&in)
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.find(r.Params["type"], r.Query.Get("idProperty"), r.Params["id"])
	if found == nil {
		return notFound()
	}
	if refused, ok := s.refusal(found.kind, in.Properties, found); ok {
		return refused
	}
	found.set(in.Properties)
	return strict.Answer{Body: s.show(found, nil)}
}

// archive answers 204 for what is not there, too.
func (s *Stub) archive(r *strict.Request) strict.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.find(r.Params["type"], "", r.Params["id"]); found != nil {
		found.archived = true
	}
	return strict.Answer{Status: 204}
}

// writes is a batch: one may fail and the others not, which is a 207.
func (s *Stub) writes(r *strict.Request, good int, do func(write) (map[string]any, strict.Answer)) strict.Answer {
	var in struct{ Inputs []write }
	r.Decode(&in)
	s.mu.Lock()
	defer s.mu.Unlock()
	results, errors := []any{}, []any{}
	for _, one := range in.Inputs {
		done, refused := do(one)
		if done == nil {
			problem := refused.Body.(map[string]any)
			problem["context"] = map[string]any{"objectWriteTraceId": []string{one.Trace}, "ids": []string{one.ID}}
			errors = append(errors, problem)
			continue
		}
		if one.Trace != "" {
			done["objectWriteTraceId"] = one.Trace
		}
		results = append(results, done)
	}
	return many(good, results, errors)
}

func many(good int, results, errors []any) strict.Answer {
	body := map[string]any{"status": "COMPLETE", "results": results, "startedAt": "2026-03-01T12:00:00.000Z", "completedAt": "2026-03-01T12:00:00.000Z"}
	if len(errors) > 0 {
		good, body["errors"], body["numErrors"] = 207, errors, len(errors)
	}
	return strict.Answer{Status: good, Body: body}
}

func (s *Stub) batchCreate(r *strict.Request) strict.Answer {
	return s.writes(r, 201, func(one write) (map[string]any, strict.Answer) {
		if refused, ok := s.refusal(r.Params["type"], one.Properties, nil); ok {
			return nil, refused
		}
		return s.show(s.add(r.Params["type"], one.Properties), nil), strict.Answer{}
	})
}

func (s *Stub) batchUpdate(r *strict.Request) strict.Answer {
	return s.writes(r, 200, func(one write) (map[string]any, strict.Answer) {
		found := s.find(r.Params["type"], one.IDProperty, one.ID)
		if found == nil {
			return nil, notFound()
		}
		if refused, ok := s.refusal(found.kind, one.Properties, found); ok {
			return nil, refused
		}
		found.set(one.Properties)
		return s.show(found, nil), strict.Answer{}
	})
}

func (s *Stub) batchUpsert(r *strict.Request) strict.Answer {
	return s.writes(r, 200, func(one write) (map[string]any, strict.Answer) {
		found := s.find(r.Params["type"], one.IDProperty, one.ID)
		if refused, ok := s.refusal(r.Params["type"], one.Properties, found); ok {
			return nil, refused
		}
		isNew := found == nil
		if isNew {
			found = s.add(r.Params["type"], map[string]string{one.IDProperty: one.ID})
		}
		found.set(one.Properties)
		body := s.show(found, nil)
		body["new"] = isNew
		return body, strict.Answer{}
	})
}

func (s *Stub) batchRead(r *strict.Request) strict.Answer {
	var in struct {
		Inputs     []struct{ ID string }
		IDProperty string
		Properties []string
	}
	r.Decode(&in)
	s.mu.Lock()
	defer s.mu.Unlock()
	results, errors := []any{}, []any{}
	var missing []string
	for _, one := range in.Inputs {
		if found := s.find(r.Params["type"], in.IDProperty, one.ID); found != nil {
			results = append(results, s.show(found, in.Properties))
		} else {
			missing = append(missing, one.ID)
		}
	}
	if missing != nil {
		errors = append(errors, map[string]any{"status": "error", "category": "OBJECT_NOT_FOUND", "message": "Could not get some objects, they may be deleted or not exist. Check that ids are valid.", "context": map[string]any{"ids": missing}})
	}
	return many(200, results, errors)
}

func (s *Stub) batchArchive(r *strict.Request) strict.Answer {
	var in struct{ Inputs []struct{ ID string } }
	r.Decode(&in)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range in.Inputs {
		if found := s.find(r.Params["type"], "", one.ID); found != nil {
			found.archived = true
		}
	}
	return strict.Answer{Status: 204}
}

func (s *Stub) link(from, to int64, label labelled) {
	for _, one := range s.records {
		if one.id == to {
			entry := link{from, to, one.kind, label.AssociationCategory, label.AssociationTypeID}
			if !slices.Contains(s.links, entry) {
				s.links = append(s.links, entry)
			}
		}
	}
}

// ends are the two records of an association; false if one is not there.
func (s *Stub) ends(r *strict.Request) (from, to *record, ok bool) {
	from, to = s.find(r.Params["type"], "", r.Params["id"]), s.find(r.Params["to"], "", r.Params["other"])
	return from, to, from != nil && to != nil
}

func (s *Stub) associateDefault(r *strict.Request) strict.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	from, to, ok := s.ends(r)
	if !ok {
		return notFound()
	}
	s.link(from.id, to.id, labelled{"HUBSPOT_DEFINED", 279})
	return many(200, []any{map[string]any{"from": map[string]any{"id": r.Params["id"]}, "to": map[string]any{"id": r.Params["other"]}, "associationSpec": map[string]any{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 279}}}, nil)
}

func (s *Stub) associate(r *strict.Request) strict.Answer {
	var in []labelled
	r.Decode(&in)
	s.mu.Lock()
	defer s.mu.Unlock()
	from, to, ok := s.ends(r)
	if !ok {
		return notFound()
	}
	for _, one := range in {
		s.link(from.id, to.id, one)
	}
	return strict.Answer{Status: 201, Body: map[string]any{"fromObjectTypeId": "0-1", "fromObjectId": from.id, "toObjectTypeId": "0-2", "toObjectId": to.id, "labels": []string{}}}
}

func (s *Stub) dissociate(r *strict.Request) strict.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.links = slices.DeleteFunc(s.links, func(one link) bool {
		return strconv.FormatInt(one.from, 10) == r.Params["id"] && strconv.FormatInt(one.to, 10) == r.Params["other"]
	})
	return strict.Answer{Status: 204}
}

func (s *Stub) associations(r *strict.Request) strict.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	var items []any
	for _, one := range s.links {
		if strconv.FormatInt(one.from, 10) == r.Params["id"] && one.toKind == kindOf(r.Params["to"]) {
			items = append(items, map[string]any{"toObjectId": one.to, "associationTypes": []any{map[string]any{"category": one.category, "typeId": one.kind, "label": nil}}})
		}
	}
	return strict.Answer{Body: paged(items, r.Query.Get("after"), sizeOf(r.Query.Get("limit"), 500))}
}

var ownerList = []any{
	map[string]any{"id": "41629779", "email": "bia@acme.example", "type": "PERSON", "firstName": "Bia", "lastName": "Lima", "userId": 9586504, "archived": false, "createdAt": "2026-03-01T12:00:00.000Z", "updatedAt": "2026-03-01T12:00:00.000Z", "teams": []any{}},
	map[string]any{"id": "60158084", "email": "rui@acme.example", "type": "PERSON", "firstName": "Rui", "lastName": "Dias", "userId": 9274996, "archived": false, "createdAt": "2026-03-01T12:00:00.000Z", "updatedAt": "2026-03-01T12:00:00.000Z"},
}

func (s *Stub) owners(r *strict.Request) strict.Answer {
	var items []any
	for _, one := range ownerList {
		if email := r.Query.Get("email"); r.Query.Get("archived") != "true" && (email == "" || one.(map[string]any)["email"] == email) {
			items = append(items, one)
		}
	}
	return strict.Answer{Body: paged(items, r.Query.Get("after"), sizeOf(r.Query.Get("limit"), 100))}
}

func (s *Stub) owner(r *strict.Request) strict.Answer {
	for _, one := range ownerList {
		if one.(map[string]any)["id"] == r.Params["id"] {
			return strict.Answer{Body: one}
		}
	}
	return notFound()
}

var stageList = []any{
	map[string]any{"id": "appointmentscheduled", "label": "Appointment Scheduled", "displayOrder": 0, "archived": false, "metadata": map[string]any{"isClosed": "false", "probability": "0.2"}},
	map[string]any{"id": "closedwon", "label": "Closed Won", "displayOrder": 1, "archived": false, "metadata": map[string]any{"isClosed": "true", "probability": "1.0"}},
}

func (s *Stub) pipelines(r *strict.Request) strict.Answer {
	return strict.Answer{Body: map[string]any{"results": []any{map[string]any{"id": "default", "label": "Sales Pipeline", "displayOrder": 0, "archived": false, "stages": stageList}}}}
}

func (s *Stub) stages(r *strict.Request) strict.Answer {
	if r.Params["id"] != "default" {
		return notFound()
	}
	return strict.Answer{Body: map[string]any{"results": stageList}}
}

func (s *Stub) complete(r *strict.Request) strict.Answer {
	var in struct{ OutputFields map[string]string }
	r.Decode(&in)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.completed[r.Params["id"]] = in.OutputFields
	return strict.Answer{Status: 204}
}

// search finds by the filters of one of the groups, and by the query in any
// property.
func (s *Stub) search(r *strict.Request) strict.Answer {
	var in struct {
		Query, After string
		Limit        int
		Properties   []string
		FilterGroups []struct{ Filters []filter }
	}
	r.Decode(&in)
	s.mu.Lock()
	defer s.mu.Unlock()
	var items []any
	for _, one := range s.records {
		if one.kind != kindOf(r.Params["type"]) || one.archived {
			continue
		}
		fits := len(in.FilterGroups) == 0
		for _, group := range in.FilterGroups {
			fits = fits || !slices.ContainsFunc(group.Filters, func(f filter) bool { return !f.fits(one) })
		}
		text := ""
		for _, value := range one.properties {
			text += value + "\n"
		}
		if fits && strings.Contains(strings.ToLower(text), strings.ToLower(in.Query)) {
			items = append(items, s.show(one, in.Properties))
		}
	}
	if in.Limit == 0 {
		in.Limit = 10
	}
	body := paged(items, in.After, in.Limit)
	body["total"] = len(items)
	return strict.Answer{Body: body}
}

// enumerations are properties that have options. All filters compare those as
// they are written; of texts, IN and NOT_IN see the lower case alone.
var enumerations = map[string]bool{"hs_lead_status": true, "lifecyclestage": true, "dealstage": true, "pipeline": true, "industry": true}

type filter struct {
	PropertyName, Operator, Value, HighValue string
	Values                                   []string
}

func (f filter) fits(r *record) bool {
	value, has := r.properties[f.PropertyName]
	if f.PropertyName == "hs_object_id" {
		value, has = strconv.FormatInt(r.id, 10), true
	}
	compare := func(other string) int {
		a, errA := strconv.ParseFloat(value, 64)
		b, errB := strconv.ParseFloat(other, 64)
		if errA != nil || errB != nil {
			return strings.Compare(value, other)
		}
		return map[bool]int{true: -1}[a < b] + map[bool]int{true: 1}[a > b]
	}
	switch f.Operator {
	case "EQ":
		return has && value == f.Value
	case "NEQ":
		return has && value != f.Value
	case "LT":
		return has && compare(f.Value) < 0
	case "LTE":
		return has && compare(f.Value) <= 0
	case "GT":
		return has && compare(f.Value) > 0
	case "GTE":
		return has && compare(f.Value) >= 0
	case "BETWEEN":
		return has && compare(f.Value) >= 0 && compare(f.HighValue) <= 0
	case "IN", "NOT_IN":
		if !enumerations[f.PropertyName] {
			value = strings.ToLower(value)
		}
		return has && slices.Contains(f.Values, value) == (f.Operator == "IN")
	case "HAS_PROPERTY":
		return has
	case "NOT_HAS_PROPERTY":
		return !has
	case "CONTAINS_TOKEN":
		return strings.Contains(strings.ToLower(value), strings.ToLower(strings.Trim(f.Value, "*")))
	case "NOT_CONTAINS_TOKEN":
		return !strings.Contains(strings.ToLower(value), strings.ToLower(strings.Trim(f.Value, "*")))
	}
	return false
}
