package expr

import (
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/expr-lang/expr/vm"
)

// guardName is the name under which the scope carries the guard. No author
// can spell it.
const guardName = "\x00guard"

// guard counts what one evaluation uses.
type guard struct {
	deadline time.Time // zero before the first look
	steps    int
	look     int // steps at which to look at the clock
	bytes    int
	machine  vm.VM // evaluates one expression after the other; its stack stays
}

func newGuard() guard {
	return guard{look: minSteps, machine: vm.VM{MemoryBudget: maxElements}}
}

// renew gives the guard's whole measure again.
func (g *guard) renew() {
	g.deadline, g.steps, g.look, g.bytes = time.Time{}, 0, minSteps, 0
}

// fault is how the functions of this package stop an evaluation: it is
// thrown with panic, and becomes an [Error] where the evaluation began.
type fault struct {
	message, hint string
	limit         bool
}

func (f fault) Error() string { return f.message }

func limitFault(format string, args ...any) fault {
	return fault{fmt.Sprintf(format, args...), "work on less data, or move the work to a run_code node", true}
}

// step counts n elements or 32-byte pieces that are looked at. The clock is
// not asked before minSteps, so an expression that does little never fails
// because the machine is busy.
func (g *guard) step(n int) {
	g.steps += n
	if g.steps < g.look {
		return
	}
	g.look = g.steps + clockStride
	if g.steps > maxSteps {
		panic(limitFault("it takes more than the limit of %d steps", maxSteps))
	}
	now := time.Now()
	if g.deadline.IsZero() { // minSteps take about a millisecond
		g.deadline = now.Add(maxTime)
	}
	if now.After(g.deadline) {
		panic(limitFault("it takes longer than the limit of 100 ms"))
	}
}

// grow counts memory that is built up, before it is.
func (g *guard) grow(n int) {
	g.bytes += n
	if g.bytes > maxBytes || n > maxBytes || n < 0 {
		panic(limitFault("it builds up more than the limit of %d MiB", maxBytes>>20))
	}
	g.step(n / 32)
}

// read counts a text that is worked on.
func (g *guard) read(s string) {
	if len(s) > maxValue {
		panic(limitFault("it works on a text of %d bytes, over the limit of %d", len(s), maxValue))
	}
	g.step(1 + len(s)/32)
}

// deeper checks the depth of a value.
func (g *guard) deeper(depth int) {
	if depth > maxDepth {
		panic(limitFault("its values stand in one another more than %d levels deep", maxDepth))
	}
}

// plain gives a value as a JSON value: what leaves an evaluation. Parts that
// are JSON values already are shared, not copied. What stands at many places
// counts at each, since it will be written out at each.
func (g *guard) plain(v any, depth int) any {
	g.step(1)
	g.deeper(depth)
	switch v := v.(type) {
	case nil, bool, int64:
		return v
	case string:
		g.grow(len(v))
		return v
	case int:
		return int64(v)
	case float64:
		return number(v)
	case []any:
		g.grow(16 * len(v))
		return g.plainList(v, depth)
	case map[string]any:
		g.grow(32 * len(v))
		return g.plainMap(v, depth)
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case time.Duration:
		return v.String()
	case *time.Location:
		return v.String()
	}
	rv := reflect.ValueOf(v)
	switch {
	case rv.CanInt():
		return rv.Int()
	case rv.Kind() == reflect.Slice: // of the library: ranges
		list := make([]any, rv.Len())
		g.grow(16 * len(list))
		for i := range list {
			list[i] = g.plain(rv.Index(i).Interface(), depth+1)
		}
		return list
	}
	panic(fault{message: fmt.Sprintf("its value is %s, which is not a JSON value", describe(v)), hint: "call the function, as in upper(input.name)"})
}

func (g *guard) plainList(list []any, depth int) any {
	copied := false
	for i, item := range list {
		p := g.plain(item, depth+1)
		if same(p, item) {
			continue
		}
		if !copied {
			list, copied = append([]any(nil), list...), true
		}
		list[i] = p
	}
	return list
}

func (g *guard) plainMap(m map[string]any, depth int) any {
	var changed map[string]any
	for k, item := range m {
		g.grow(len(k))
		p := g.plain(item, depth+1)
		if same(p, item) {
			continue
		}
		if changed == nil {
			changed = map[string]any{}
		}
		changed[k] = p
	}
	if changed == nil {
		return m
	}
	for k, item := range m {
		if _, ok := changed[k]; !ok {
			changed[k] = item
		}
	}
	return changed
}

// same reports whether plain left a value as it was, without comparing what
// is in it.
func same(p, v any) bool {
	switch p := p.(type) {
	case []any:
		v, ok := v.([]any)
		return ok && len(p) == len(v) && (len(p) == 0 || &p[0] == &v[0])
	case map[string]any:
		v, ok := v.(map[string]any)
		return ok && reflect.ValueOf(p).Pointer() == reflect.ValueOf(v).Pointer()
	case string:
		_, ok := v.(string)
		return ok
	}
	return p == v
}

// number gives a float64 as int64 if it is integral and fits, so that a
// number is the same before and after it was written as JSON.
func number(f float64) any {
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		panic(fault{message: "a number is out of range", hint: "check for division by zero and for overflow"})
	case f == math.Trunc(f) && f >= -(1<<63) && f < 1<<63:
		return int64(f)
	}
	return f
}

// describe names a value in messages.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return fmt.Sprint(v)
	case string:
		if runes := []rune(v[:min(len(v), 200)]); len(runes) > 30 {
			return fmt.Sprintf("the text %q...", string(runes[:30]))
		}
		return fmt.Sprintf("the text %q", v)
	case int, int64, float64:
		return fmt.Sprintf("the number %v", v)
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	case time.Time:
		return "a time"
	case time.Duration:
		return "a duration"
	case *time.Location:
		return "a time zone"
	}
	if reflect.TypeOf(v).Kind() == reflect.Func {
		return "a function"
	}
	return fmt.Sprintf("a %T", v)
}
