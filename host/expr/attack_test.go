//go:build unix

package expr_test

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/trama-run/trama/host/expr"
)

// TestAttacks: whatever is written ends in time, in bounded memory, with an
// error that names the limit.
func TestAttacks(t *testing.T) {
	list := make([]any, 100_000)
	words := make([]any, len(list))
	for i := range list {
		list[i], words[i] = int64(i), fmt.Sprint("word", i%977)
	}
	long := strings.Repeat("a", 4<<20)
	s := map[string]any{"input": map[string]any{"list": list, "words": words, "long": long, "half": strings.Repeat("ab", 1<<20)}}
	attacks := []string{
		`all(input.list, all(input.list, all(input.list, true)))`,
		`count(input.list, any(input.list, # == -1))`,
		`sum(map(input.list, sum(input.list)))`,
		`map(input.list, map(input.list, #))`,
		`map(input.list, {{a: #, b: {c: #}}})`,
		`map(input.list, [#, [#], [[#]]])`,
		`reduce(1..1000, #acc + #acc, "x")`,
		`toJSON(reduce(1..60, [#acc, #acc], [1]))`,
		`reduce(1..60, [#acc, #acc], [1])`,
		`flatten(reduce(1..60, [#acc, #acc], [1]))`,
		`let x = reduce(1..60, [#acc, #acc], [1]); x == reduce(1..60, [#acc, #acc], [1])`,
		`uniq(reduce(1..60, [#acc, #acc], [1]))`,
		`reduce(1..100000, [#acc], [])`,
		`repeat("x", 1000000000)`,
		`repeat(input.long, 9223372036854775807)`,
		`1..1000000000`,
		`0..9223372036854775807`,
		`-9223372036854775807..9223372036854775807`,
		`map(1..1000, 1..1000)`,
		`map(1..1000, repeat("x", 100000))`,
		`replace(input.long, "", input.long)`,
		`replace(input.long, "a", input.half)`,
		`split(input.long, "")`,
		`join(map(1..1000, input.half), input.half)`,
		`input.long matches "(a|aa|aaa)*b(a|aa){300}"`,
		`map(1..1000, input.half matches "(.*)(.*)(.*)(.*)(.*)[^a]$")`,
		`map(1..100000, upper(input.long))`,
		`sortBy(map(1..400000, 400000 - #), # % 977)`,
		`map(input.list, sort(input.words))`,
		`map(input.list, sortBy(input.words, #))`,
		`map(input.list, groupBy(input.words, #))`,
		`map(input.list, # in input.words)`,
		`map(input.list, input.words == input.words)`,
		`map(input.list, toJSON(input.words))`,
		`map(input.list, len(input.long))`,
		`map(input.list, input.long[1:])`,
		`map(input.list, uniq(input.words))`,
		`map(input.list, findLast(input.list, # < 0))`,
		`map(input.list, indexOf(input.long, "b"))`,
		`map(input.list, fromJSON("[" + repeat("[],", 1000) + "1]"))`,
		`map(input.list, concat(input.list, input.list))`,
		`map(input.list, max(input.list))`,
		`map(input.list, trim(input.long, "a"))`,
		`trim(input.long, input.half)`,
		`map(input.list, timezone("America/Sao_Paulo"))`,
		`map(input.list, date("2026-01-02").Format("2006-01-02"))`,
		`map(input.list, input.words[0] matches "a+" + input.words[1])`,
		strings.Repeat(`upper(input.long) == lower(input.long) || `, 90) + "true",
	}
	for _, text := range attacks {
		t.Run(text[:min(len(text), 60)], func(t *testing.T) {
			e, err := expr.Compile(text)
			if err != nil {
				t.Fatal(err)
			}
			began := processorTime(t)
			v, err := e.Eval(s)
			// The race detector slows the last steps down.
			if took := processorTime(t) - began; took > 500*time.Millisecond {
				t.Errorf("took %v", took)
			}
			var ours *expr.Error
			if !errors.As(err, &ours) || !ours.Limit {
				t.Fatalf("got %T, %v; want a limit", v, err)
			}
			if !strings.Contains(err.Error(), "limit") && !strings.Contains(err.Error(), "more than") {
				t.Errorf("the error does not name the limit: %v", err)
			}
		})
	}
}

// processorTime is what this process has used, so that the test doesn't
// depend on what else the machine does.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
