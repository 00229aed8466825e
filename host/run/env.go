package run

import (
	"encoding/json"
	"maps"

	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/run/record"
)

// environment is what flows see as "env": the values of the settings over
// those of the catalog's variables.
type environment struct {
	of       *catalog.Snapshot
	values   map[string]any
	recorded any // the values as records keep them
}

// environment gives that of now: a variable that was set counts from the next
// step on. It is made once for each snapshot.
func (r *Runner) environment() *environment {
	s := r.config.Catalog().Snapshot()
	if e := r.env.Load(); e != nil && e.of == s {
		return e
	}
	e := &environment{of: s, values: r.config.Env}
	if len(s.Variables) > 0 {
		e.values = make(map[string]any, len(s.Variables)+len(r.config.Env))
		for name, text := range s.Variables {
			e.values[name] = valueOf(text)
		}
		maps.Copy(e.values, r.config.Env)
	}
	if len(e.values) > 0 {
		e.recorded = record.Value(e.values)
	}
	r.env.Store(e)
	return e
}

// valueOf gives what a variable's JSON says. It was checked when it was set.
func valueOf(text json.RawMessage) any {
	var value any
	if expr.UnmarshalJSON(text, &value) != nil {
		return nil
	}
	return expr.Numbers(value)
}
