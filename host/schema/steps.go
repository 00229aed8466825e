package schema

import (
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Bounds of the steps of a check, a microsecond each at the most. Where a
// schema leads back to itself in several ways, such as in the branches of an
// anyOf, they double with each level of the value.
const (
	minSteps  = 20_000
	eachSteps = 30 // for each value in the value, by its weight
	maxSteps  = 10_000_000
)

// tooMany is what a check panics with when its steps are used up: the library
// can't be stopped otherwise.
type tooMany struct{}

// checks are those that go on with one schema. The library hands nothing on to
// what extends it but the place in the value: a check is known by the first
// token of its places, which [entry] puts before them.
type checks struct {
	last atomic.Uint64
	left sync.Map // *int: the steps that a check has left, by its token
}

// entry holds a value against a schema, with so many steps as the value may
// take.
type entry struct {
	to     *jsonschema.Schema
	checks *checks
}

// Validate implements jsonschema.SchemaExt.
func (e *entry) Validate(ctx *jsonschema.ValidatorContext, value any) {
	token := strconv.FormatUint(e.checks.last.Add(1), 36)
	left := min(minSteps+eachSteps*size(value), maxSteps)
	e.checks.left.Store(token, &left)
	defer e.checks.left.Delete(token)
	if err := ctx.Validate(e.to, value, []string{token}); err != nil {
		ctx.AddErr(err)
	}
}

// take takes steps from the check that a place is of.
func (c *checks) take(place []string, steps int) {
	if len(place) == 0 { // the name of a member, which is paid for where it is
		return
	}
	found, ok := c.left.Load(place[0])
	if !ok {
		return
	}
	left := found.(*int)
	if *left -= steps; *left < 0 {
		panic(tooMany{})
	}
}

// weight is what one step costs at a value, which may be a long text.
func weight(value any) int {
	text, _ := value.(string)
	return 1 + len(text)/64
}

// size is the weight of a value with all that is in it.
func size(value any) int {
	n := weight(value)
	switch v := value.(type) {
	case map[string]any:
		for _, member := range v {
			n += size(member)
		}
	case []any:
		for _, item := range v {
			n += size(item)
		}
	}
	return n
}
