package trial

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/trama-run/trama/host/expr"
	"github.com/trama-run/trama/host/run/record"
)

// byPath gives steps with those of a group's sub-runs one sub-run after the
// other, each one's in their order: where several were at work at once, the
// steps of a record stand as they came to an end. Its name says which step it
// is, as [nameOf] does.
func byPath[T any](steps []T, name func(T) string) []T {
	all := make([]located[T], len(steps))
	for i, s := range steps {
		parts := strings.Split(name(s), "/")
		all[i] = located[T]{s, parts[:len(parts)-1]}
	}
	sortGroups(all, 0)
	sorted := make([]T, len(all))
	for i := range all {
		sorted[i] = all[i].step
	}
	return sorted
}

type located[T any] struct {
	step T
	path []string // as "each[0]", "called"
}

// at gives the group or the called flow at a depth of the path, and which of
// the group's sub-runs it is; empty: the step is not as deep.
func (l located[T]) at(depth int) (of, sub string) {
	if depth >= len(l.path) {
		return "", ""
	}
	of, sub, _ = strings.Cut(l.path[depth], "[")
	return of, strings.TrimSuffix(sub, "]")
}

func sortGroups[T any](steps []located[T], depth int) {
	for len(steps) > 0 {
		of, _ := steps[0].at(depth)
		n := length(steps, func(l located[T]) bool { is, _ := l.at(depth); return is == of })
		group := steps[:n]
		steps = steps[n:]
		if of == "" {
			continue
		}
		slices.SortStableFunc(group, func(a, b located[T]) int {
			_, x := a.at(depth)
			_, y := b.at(depth)
			return compareSubs(x, y)
		})
		for len(group) > 0 {
			_, sub := group[0].at(depth)
			n := length(group, func(l located[T]) bool { _, is := l.at(depth); return is == sub })
			sortGroups(group[:n], depth+1)
			group = group[n:]
		}
	}
}

// length counts the first ones that are so.
func length[T any](list []T, so func(T) bool) int {
	for i := range list {
		if !so(list[i]) {
			return i
		}
	}
	return len(list)
}

// compareSubs compares items by their numbers, branches by their names.
func compareSubs(a, b string) int {
	x, err := strconv.Atoi(a)
	y, err2 := strconv.Atoi(b)
	if err == nil && err2 == nil {
		return cmp.Compare(x, y)
	}
	return strings.Compare(a, b)
}

// compareSteps compares steps as they came or, if they differ, as byPath gives
// both: in which order the sub-runs of a group end is no matter.
func compareSteps(want, got []string) []string {
	lines := compare(want, got, sameStep)
	self := func(name string) string { return name }
	if lines != nil && compare(byPath(want, self), byPath(got, self), sameStep) == nil {
		return nil
	}
	return lines
}

// outputsOf gives the outputs of steps.
func outputsOf(steps []record.Step) []any {
	var outputs []any
	for _, s := range steps {
		outputs = append(outputs, expr.Numbers(s.Output))
	}
	return outputs
}
