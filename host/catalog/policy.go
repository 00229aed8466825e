package catalog

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Access is who may call a route before a change and after it, in the words of
// its policy.
type Access struct {
	Route  string `json:"route"`            // such as "POST /orders"
	Before string `json:"before,omitempty"` // empty: the route was not there
	After  string `json:"after"`
	// Opens says that anyone may call now, and not before.
	Opens bool `json:"opens,omitempty"`
}

// policy is who may call a route.
type policy struct {
	words string
	open  bool
}

// policies gives who may call the routes of some objects, by the routes' names.
func policies(objects map[string]object) (map[string]policy, error) {
	var s Snapshot
	if o, ok := objects[typeGateway+"/"+gatewayName]; ok {
		if err := json.Unmarshal(o.Value, &s.Gateway); err != nil {
			return nil, fmt.Errorf("catalog: gateway: %w", err)
		}
	}
	found := map[string]policy{}
	for key, o := range objects {
		name, isRoute := nameIn(typeRoute, key)
		if !isRoute {
			continue
		}
		var r Route
		if err := json.Unmarshal(o.Value, &r); err != nil {
			return nil, fmt.Errorf("catalog: %s: %w", key, err)
		}
		_, security := s.Security(r)
		found[name] = policy{security.Words(), security.Open()}
	}
	return found, nil
}

// policies says with each change of a route who may call it before and after.
// Those that change with what holds for all routes are said with that.
func (e *edit) policies() error {
	all := slices.IndexFunc(e.changes, func(c Change) bool { return c.Object == typeGateway+"/"+gatewayName })
	isRoute := func(c Change) bool { _, is := nameIn(typeRoute, c.Object); return is }
	if all < 0 && !slices.ContainsFunc(e.changes, isRoute) {
		return nil
	}
	before, err := policies(e.catalog.objects)
	if err != nil {
		return err
	}
	after, err := policies(e.next)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		was, now := before[name], after[name]
		at := slices.IndexFunc(e.changes, func(c Change) bool { return c.Object == typeRoute+"/"+name })
		if at < 0 {
			at = all
		}
		if at >= 0 && was.words != now.words {
			e.changes[at].Access = append(e.changes[at].Access, Access{Route: name, Before: was.words, After: now.words, Opens: now.open && !was.open})
		}
	}
	return nil
}
