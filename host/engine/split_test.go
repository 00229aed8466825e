package engine_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/engine"
)

// splitting gives how contacts, or sessions without one, go through a split.
func splitting(t testing.TB, with string) func(contact, session string) string {
	t.Helper()
	programs := engine.Programs{"f": compile(t, []byte(fmt.Sprintf(`
schema: 1
id: f
triggers: [{id: start, type: message}]
nodes: [{id: ab, type: split, with: {%s}}]
edges: [{from: start, to: ab}]
`, with)))}
	return func(contact, session string) string {
		out, err := programs.Advance(
			engine.Session{ID: session, Contact: contact, Run: &engine.Run{Flow: "f", Version: 3}},
			engine.Event{Now: began, Start: &engine.Start{Trigger: "start"}})
		if err != nil || len(out.Steps) != 1 || out.Steps[0].Port == "" {
			t.Fatalf("contact %q, session %q: %+v, %v", contact, session, out.Steps, err)
		}
		return out.Steps[0].Port
	}
}

const ids = 10_000

// shares draws for many contacts.
func shares(through func(contact, session string) string) (ways []string, counts map[string]int) {
	counts = map[string]int{}
	for i := range ids {
		way := through(fmt.Sprintf("wa/tel:55119%08d", i), fmt.Sprint("s", i))
		ways = append(ways, way)
		counts[way]++
	}
	return ways, counts
}

// near holds counts to the weights, within five standard deviations.
func near(t *testing.T, counts map[string]int, weights map[string]float64) {
	t.Helper()
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	for way, w := range weights {
		p := w / sum
		if off := math.Abs(float64(counts[way]) - ids*p); off > 5*math.Sqrt(ids*p*(1-p)) {
			t.Errorf("%s: %d of %d, want about %.0f", way, counts[way], ids, ids*p)
		}
	}
}

func TestSplitKeepsShares(t *testing.T) {
	tests := map[string]map[string]float64{
		"ways: [{port: a, weight: 50}, {port: b, weight: 50}]":                                           {"a": 50, "b": 50},
		"ways: [{port: a, weight: 1}, {port: b, weight: 2.5}, {port: c, weight: 6.5}]":                   {"a": 1, "b": 2.5, "c": 6.5},
		"ways: [{port: a, weight: 1}, {port: b, weight: 99}, {port: c, weight: 0}]":                      {"a": 1, "b": 99, "c": 0},
		"ways: [{port: a, weight: 20}, {port: b, weight: 80}], sticky: false":                            {"a": 20, "b": 80},
		"ways: [{port: a, weight: 1}, {port: b, weight: 1}, {port: c, weight: 1}, {port: d, weight: 1}]": {"a": 1, "b": 1, "c": 1, "d": 1},
	}
	for with, weights := range tests {
		t.Run(with, func(t *testing.T) {
			_, counts := shares(splitting(t, with))
			near(t, counts, weights)
		})
	}
}

// TestSplitSticks: a contact goes the same way in all its sessions; without
// sticky, and without a contact, each session draws anew.
func TestSplitSticks(t *testing.T) {
	const ways = "ways: [{port: a, weight: 1}, {port: b, weight: 1}]"
	sticky, loose := splitting(t, ways), splitting(t, ways+", sticky: false")
	seen, drawn, alone := map[string]int{}, map[string]int{}, map[string]int{}
	for i := range ids {
		session := fmt.Sprint("s", i)
		seen[sticky("wa/tel:1", session)]++
		drawn[loose("wa/tel:1", session)]++
		alone[sticky("", session)]++
		for _, draw := range []func(contact, session string) string{sticky, loose} {
			if first, again := draw("", session), draw("", session); first != again {
				t.Fatalf("a run that is repeated goes %s, and then %s", first, again)
			}
		}
	}
	if len(seen) != 1 {
		t.Errorf("a contact went %v", seen)
	}
	near(t, drawn, map[string]float64{"a": 1, "b": 1})
	near(t, alone, map[string]float64{"a": 1, "b": 1})
}

// TestSplitsAreIndependent: who goes one way in a test is spread over all ways
// of the next one.
func TestSplitsAreIndependent(t *testing.T) {
	const ways = "ways: [{port: a, weight: 1}, {port: b, weight: 1}]"
	first, _ := shares(splitting(t, ways))
	programs := engine.Programs{"f": compile(t, []byte(strings.ReplaceAll(`
schema: 1
id: f
triggers: [{id: start, type: message}]
nodes: [{id: other, type: split, with: {WAYS}}]
edges: [{from: start, to: other}]
`, "WAYS", ways)))}
	second, _ := shares(func(contact, session string) string {
		out, err := programs.Advance(engine.Session{ID: session, Contact: contact, Run: &engine.Run{Flow: "f"}},
			engine.Event{Now: began, Start: &engine.Start{Trigger: "start"}})
		if err != nil {
			t.Fatal(err)
		}
		return out.Steps[0].Port
	})
	counts := map[string]int{}
	for i := range ids {
		counts[first[i]+second[i]]++
	}
	near(t, counts, map[string]float64{"aa": 1, "ab": 1, "ba": 1, "bb": 1})
}

// TestSplitMovesFewest: where one weight grows, contacts move to that way
// alone, and as many as its share grows; those of a way that goes are spread.
func TestSplitMovesFewest(t *testing.T) {
	before, old := shares(splitting(t, "ways: [{port: a, weight: 10}, {port: b, weight: 40}, {port: c, weight: 50}]"))
	tests := []struct {
		with, grows, shrinks string
	}{
		{"ways: [{port: c, weight: 50}, {port: b, weight: 40}, {port: a, weight: 10}]", "none", "none"},
		{"ways: [{port: a, weight: 1}, {port: b, weight: 4}, {port: c, weight: 5}]", "none", "none"},
		{"ways: [{port: a, weight: 30}, {port: b, weight: 40}, {port: c, weight: 50}]", "a", ""},
		{"ways: [{port: a, weight: 10}, {port: b, weight: 40}, {port: c, weight: 50}, {port: d, weight: 25}]", "d", ""},
		{"ways: [{port: a, weight: 10}, {port: b, weight: 40}]", "", "c"},
		{"ways: [{port: a, weight: 10}, {port: b, weight: 40}, {port: c, weight: 10}]", "", "c"},
	}
	for _, test := range tests {
		after, counts := shares(splitting(t, test.with))
		for i := range ids {
			if before[i] == after[i] {
				continue
			}
			if test.grows != "" && after[i] != test.grows || test.shrinks != "" && before[i] != test.shrinks {
				t.Fatalf("%s: contact %d moved from %s to %s", test.with, i, before[i], after[i])
			}
		}
		if g := test.grows; len(g) == 1 && counts[g] <= old[g] {
			t.Errorf("%s: %s had %d and has %d", test.with, g, old[g], counts[g])
		}
		if s := test.shrinks; len(s) == 1 && counts[s] >= old[s] {
			t.Errorf("%s: %s had %d and has %d", test.with, s, old[s], counts[s])
		}
	}
}
