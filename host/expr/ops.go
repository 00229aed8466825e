package expr

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"regexp/syntax"
	"slices"
	"strings"
	"time"
)

type callable = func(args ...any) (any, error)

// internals gives the functions that the patcher calls, by their names. The
// first argument of each is the guard.
func internals() map[string]callable {
	table := map[string]func(g *guard, a []any) any{
		"get":      func(g *guard, a []any) any { return get(g, a[0], a[1]) },
		"lastTrue": func(g *guard, a []any) any { return lastTrue(a[0].([]any)) },
		"slice":    func(g *guard, a []any) any { return slice(g, a[0], a[1], a[2]) },
		"method":   func(g *guard, a []any) any { g.step(20); return method(a[0], a[1].(string), a[2:]) },
		"test":     func(g *guard, a []any) any { return test(g, a[0]) },
		"list":     func(g *guard, a []any) any { return list(a[0]) },
		"key":      func(g *guard, a []any) any { return text(g, a[0]) },
		"sum":      func(g *guard, a []any) any { return sum(g, a[0].([]any)) },
		"groups":   func(g *guard, a []any) any { return groups(g, a[0]) },
		"sortBy":   sortBy,
		"turn":     func(g *guard, a []any) any { g.step(1); return a[0] },
		"new":      func(g *guard, a []any) any { g.grow(newSize(a[0])); return a[0] },
		"unary -":  func(g *guard, a []any) any { return arithmetic("-", int64(0), a[0]) },
		"unary +":  func(g *guard, a []any) any { return arithmetic("+", int64(0), a[0]) },
		"==":       func(g *guard, a []any) any { return equal(g, a[0], a[1], 0) },
		"!=":       func(g *guard, a []any) any { return !equal(g, a[0], a[1], 0) },
		"<":        func(g *guard, a []any) any { return compare(g, "<", a[0], a[1]) < 0 },
		">":        func(g *guard, a []any) any { return compare(g, ">", a[0], a[1]) > 0 },
		"<=":       func(g *guard, a []any) any { return compare(g, "<=", a[0], a[1]) <= 0 },
		">=":       func(g *guard, a []any) any { return compare(g, ">=", a[0], a[1]) >= 0 },
		"+":        func(g *guard, a []any) any { return add(g, a[0], a[1]) },
		"in":       func(g *guard, a []any) any { return contains(g, a[1], a[0]) },
		"..":       func(g *guard, a []any) any { return span(g, a[0], a[1]) },
		"matches":  func(g *guard, a []any) any { return matches(g, a[0], a[1]) },
	}
	for _, op := range []string{"-", "*", "/", "%", "**"} {
		table[op] = func(g *guard, a []any) any { return arithmetic(op, a[0], a[1]) }
	}
	for op, f := range map[string]func(s, part string) bool{
		"contains": strings.Contains, "startsWith": strings.HasPrefix, "endsWith": strings.HasSuffix,
	} {
		table[op] = func(g *guard, a []any) any {
			if a[0] == nil || a[1] == nil {
				return false
			}
			s, ok1 := a[0].(string)
			part, ok2 := a[1].(string)
			if !ok1 || !ok2 {
				panic(mismatch(op, a[0], a[1], "both must be text; use in for lists"))
			}
			g.read(s)
			return f(s, part)
		}
	}
	out := make(map[string]callable, len(table))
	for name, f := range table {
		out["\x00"+name] = func(args ...any) (any, error) {
			g := args[0].(*guard)
			g.step(1)
			return f(g, args[1:]), nil
		}
	}
	return out
}

func mismatch(op string, a, b any, hint string) fault {
	return fault{message: fmt.Sprintf("%s can't take %s and %s", op, describe(a), describe(b)), hint: hint}
}

// get gives a member; what is not there is null.
func get(g *guard, from, key any) any {
	switch from := from.(type) {
	case map[string]any:
		if name, ok := key.(string); ok {
			return from[name]
		}
		if i, ok := whole(key); ok {
			return from[fmt.Sprint(i)]
		}
	case []any:
		if i, ok := index(key, len(from)); ok {
			return from[i]
		}
	case string:
		if i, ok := whole(key); ok && i >= 0 {
			g.step(int(min(i, int64(len(from)))) / 8)
			for _, c := range from {
				if i == 0 {
					return string(c)
				}
				i--
			}
		}
	}
	return nil
}

// index counts from the end if the key is negative.
func index(key any, length int) (int, bool) {
	i, ok := whole(key)
	if i < 0 {
		i += int64(length)
	}
	return int(i), ok && i >= 0 && i < int64(length)
}

// whole gives a number that is integral.
func whole(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case int:
		return int64(v), true
	case float64:
		if i, ok := number(v).(int64); ok {
			return i, true
		}
	}
	return 0, false
}

func slice(g *guard, from, to, end any) any {
	bounds := func(length int) (int, int) {
		i, j := int64(0), int64(length)
		for _, b := range []struct {
			given any
			bound *int64
		}{{to, &i}, {end, &j}} {
			if b.given == nil {
				continue
			}
			n, ok := whole(b.given)
			if !ok {
				panic(fault{message: "a slice needs whole numbers, found " + describe(b.given)})
			}
			if n < 0 {
				n += int64(length)
			}
			*b.bound = min(max(n, 0), int64(length))
		}
		return int(min(i, j)), int(j)
	}
	switch from := from.(type) {
	case nil:
		return nil
	case string:
		g.read(from)
		g.grow(4 * len(from))
		runes := []rune(from)
		i, j := bounds(len(runes))
		return string(runes[i:j])
	case []any:
		i, j := bounds(len(from))
		return from[i:j:j]
	}
	panic(fault{message: "can't take a slice of " + describe(from), hint: "only text and lists have slices"})
}

func test(g *guard, v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	}
	panic(fault{message: "a condition must be true or false, found " + describe(v), hint: `compare it, as in input.total > 0 or input.name != ""`})
}

func list(v any) []any {
	switch v := v.(type) {
	case nil:
		return []any{}
	case []any:
		return v
	}
	panic(fault{message: "want a list, found " + describe(v), hint: "use values(...) for the values of an object"})
}

func newSize(v any) int {
	switch v := v.(type) {
	case []any:
		return 24 + 16*len(v)
	case map[string]any:
		return 300 + 64*len(v)
	}
	return 0
}

// add joins texts, adds numbers, and moves times.
func add(g *guard, a, b any) any {
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok {
			g.grow(len(x) + len(y))
			return x + y
		}
		if y, ok := b.(int64); ok {
			panic(mismatch("+", a, b, fmt.Sprintf("convert one: %s + string(%d), or int(...) + %d", "...", y, y)))
		}
	case time.Time:
		if y, ok := b.(time.Duration); ok {
			return x.Add(y)
		}
	case time.Duration:
		switch y := b.(type) {
		case time.Duration:
			return x + y
		case time.Time:
			return y.Add(x)
		}
	}
	return arithmetic("+", a, b)
}

// arithmetic keeps 64-bit integers; one that would overflow is a number with
// a fraction part (float64) instead. "/" and "**" are exact only as float64.
func arithmetic(op string, a, b any) any {
	if x, ok := a.(time.Time); ok && op == "-" {
		switch y := b.(type) {
		case time.Time:
			return x.Sub(y)
		case time.Duration:
			return x.Add(-y)
		}
	}
	if x, ok := a.(time.Duration); ok && op == "-" {
		if y, ok := b.(time.Duration); ok {
			return x - y
		}
	}
	if i, ok := integer(a); ok {
		if j, ok := integer(b); ok {
			if v, ok := integers(op, i, j); ok {
				return v
			}
		}
	}
	x, ok1 := float(a)
	y, ok2 := float(b)
	if !ok1 || !ok2 {
		hint := "both must be numbers; convert with int(...) or float(...)"
		if op == "+" {
			hint = "both must be numbers or both text; convert with int(...), float(...) or string(...)"
		}
		if a == nil || b == nil {
			hint = "give a default for what is missing: (x ?? 0)"
		}
		panic(mismatch(op, a, b, hint))
	}
	switch op {
	case "+":
		return number(x + y)
	case "-":
		return number(x - y)
	case "*":
		return number(x * y)
	case "/":
		if y == 0 {
			panic(fault{message: "division by zero", hint: "test the divisor first: b == 0 ? 0 : a / b"})
		}
		return number(x / y)
	case "%":
		if y == 0 {
			panic(fault{message: "division by zero", hint: "test the divisor first: b == 0 ? 0 : a % b"})
		}
		return number(math.Mod(x, y))
	}
	return number(math.Pow(x, y))
}

func integers(op string, i, j int64) (any, bool) {
	switch op {
	case "+":
		s := i + j
		return s, (s > i) == (j > 0)
	case "-":
		s := i - j
		return s, (s < i) == (j > 0)
	case "*":
		hi, lo := bits.Mul64(magnitude(i), magnitude(j))
		return i * j, hi == 0 && lo < 1<<63
	case "/":
		if j != 0 && i%j == 0 && j != -1 {
			return i / j, true
		}
	case "%":
		if j != 0 && j != -1 {
			return i % j, true
		}
	case "**":
		if j < 0 || j > 63 {
			return nil, false
		}
		result := int64(1)
		for range j {
			next, ok := integers("*", result, i)
			if !ok {
				return nil, false
			}
			result = next.(int64)
		}
		return result, true
	}
	return nil, false
}

func magnitude(i int64) uint64 {
	if i < 0 {
		return -uint64(i)
	}
	return uint64(i)
}

func integer(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case int:
		return int64(v), true
	}
	return 0, false
}

func float(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int64:
		return float64(v), true
	case int:
		return float64(v), true
	}
	return 0, false
}

func equal(g *guard, a, b any, depth int) bool {
	g.step(1)
	g.deeper(depth)
	if x, ok := float(a); ok {
		y, ok := float(b)
		i, ok1 := integer(a)
		j, ok2 := integer(b)
		if ok1 && ok2 {
			return i == j
		}
		return ok && x == y
	}
	switch x := a.(type) {
	case nil:
		return b == nil
	case bool:
		return x == b
	case string:
		y, ok := b.(string)
		if ok && len(x) == len(y) {
			g.step(len(x) / 32)
			return x == y
		}
		return false
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, func(a, b any) bool { return equal(g, a, b, depth+1) })
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k, v := range x {
			if w, ok := y[k]; !ok || !equal(g, v, w, depth+1) {
				return false
			}
		}
		return true
	case time.Time:
		y, ok := b.(time.Time)
		return ok && x.Equal(y)
	case time.Duration:
		return x == b
	}
	return false
}

// compare orders numbers, texts, times and durations; nothing else has an
// order, null included.
func compare(g *guard, op string, a, b any) int {
	g.step(1)
	i, ok1 := integer(a)
	j, ok2 := integer(b)
	if ok1 && ok2 {
		return cmp.Compare(i, j)
	}
	if x, ok := float(a); ok {
		if y, ok := float(b); ok {
			return cmp.Compare(x, y)
		}
	}
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok {
			g.step(min(len(x), len(y)) / 32)
			return cmp.Compare(x, y)
		}
	case time.Time:
		if y, ok := b.(time.Time); ok {
			return x.Compare(y)
		}
	case time.Duration:
		if y, ok := b.(time.Duration); ok {
			return cmp.Compare(x, y)
		}
	}
	hint := "compare numbers with numbers and text with text; convert with int(...), float(...) or string(...)"
	if a == nil || b == nil {
		hint = "give a default for what is missing: (x ?? 0)"
	}
	panic(mismatch(op, a, b, hint))
}

func contains(g *guard, in, v any) bool {
	switch in := in.(type) {
	case nil:
		return false
	case []any:
		for _, item := range in {
			if equal(g, item, v, 0) {
				return true
			}
		}
		return false
	case map[string]any:
		name, ok := v.(string)
		if ok {
			_, ok = in[name]
		}
		return ok
	}
	panic(fault{message: "in needs a list or an object on its right, found " + describe(in), hint: "for text write: text contains part"})
}

func span(g *guard, from, to any) any {
	i, ok1 := whole(from)
	j, ok2 := whole(to)
	if !ok1 || !ok2 {
		panic(mismatch("..", from, to, "both must be whole numbers"))
	}
	if j < i {
		return []any{}
	}
	if size := uint64(j) - uint64(i); size >= maxElements {
		panic(limitFault("the range has more than %d elements", maxElements))
	}
	out := make([]any, 0, j-i+1)
	g.grow(24 * cap(out))
	for n := i; ; n++ {
		if out = append(out, n); n == j {
			return out
		}
	}
}

func matches(g *guard, a, b any) bool {
	if a == nil || b == nil {
		return false
	}
	s, ok := a.(string)
	p, compiled := b.(*pattern)
	if t, isText := b.(string); isText {
		var err error
		if p, err = newPattern(t); err != nil {
			panic(fault{message: err.Error(), hint: "see the syntax of Go's regular expressions (RE2)"})
		}
		g.step(20 * len(t)) // compiling costs more than looking
	} else if !compiled {
		ok = false
	}
	if !ok {
		panic(mismatch("matches", a, b, "both must be text"))
	}
	const maxWork = 3_000_000 // about 30 ms
	if work := (len(s) + 1) * p.size; work > maxWork {
		panic(limitFault("the pattern and the text are too big together: %d steps, over the limit of %d", work, maxWork))
	}
	g.step((len(s) + 1) * p.size / 8)
	return p.MatchString(s)
}

// patternSize gives the number of instructions of a valid pattern.
func patternSize(text string) int {
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return 1 << 20
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return 1 << 20
	}
	return len(program.Inst)
}

func sum(g *guard, list []any) any {
	var total any = int64(0)
	for _, v := range list {
		g.step(1)
		total = add(g, total, v)
	}
	return total
}

func lastTrue(list []any) any {
	for i, v := range slices.Backward(list) {
		if v == true {
			return int64(i)
		}
	}
	return nil
}

// groups gives what the library's groupBy made as an object.
func groups(g *guard, v any) any {
	out := map[string]any{}
	iterate(v, func(key string, items []any) {
		g.grow(100 + 16*len(items))
		out[key] = items
	})
	return out
}

// sortBy takes pairs of an element and its sort key.
func sortBy(g *guard, a []any) any {
	pairs := slices.Clone(a[0].([]any))
	g.grow(32 * len(pairs))
	sign := order(a[1:])
	slices.SortStableFunc(pairs, func(x, y any) int {
		return sign * compare(g, "sortBy", x.([]any)[1], y.([]any)[1])
	})
	for i, pair := range pairs {
		pairs[i] = pair.([]any)[0]
	}
	return pairs
}

func order(a []any) int {
	if len(a) == 0 || a[0] == "asc" {
		return 1
	}
	if a[0] == "desc" {
		return -1
	}
	panic(fault{message: "unknown order " + describe(a[0]), hint: `use "asc" or "desc"`})
}
