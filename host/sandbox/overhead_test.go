package sandbox

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/trama-run/trama/host/sandbox/meter"
)

// BenchmarkFuelOverhead measures the same call of the same module with and
// without counting, in turn, and reports the median ratio of pairs.
func BenchmarkFuelOverhead(b *testing.B) {
	const order = `{"items":[{"price":250,"quantity":2}]}`
	for _, g := range []struct {
		lang          string
		wasm          func(testing.TB) []byte
		export, input string
	}{
		{"c", func(t testing.TB) []byte { return guest(t, "json") }, "total", order},
		{"rust", func(t testing.TB) []byte { return guest(t, "rust/total") }, "total", order},
		{"go", func(t testing.TB) []byte { return buildGuest(t, "../..", "./host/sandbox/testdata/gojson") }, "total", order},
		{"js", func(t testing.TB) []byte { return read(t, "../../plugins/javascript/javascript.wasm") }, "run",
			`{"code":"let total = 0; for (const i of input.items) total += i.price * i.quantity; return {total}","input":` + order + `,"flow":{},"user":{},"env":{}}`},
	} {
		b.Run(g.lang, func(b *testing.B) {
			s := open(b, Config{})
			call := func(counting bool) func() time.Duration {
				m := compileWith(b, s, g.wasm(b), counting, []Warm{{Export: g.export, Input: []byte(g.input)}})
				return func() time.Duration {
					begun := time.Now()
					for range 200 {
						if _, err := m.Call(context.Background(), Call{Export: g.export, Input: []byte(g.input), Limits: DefaultLimits()}); err != nil {
							b.Fatal(err)
						}
					}
					return time.Since(begun)
				}
			}
			counted, free := call(true), call(false)
			var ratios []float64
			for b.Loop() {
				ratios = append(ratios, float64(counted())/float64(free()))
			}
			for len(ratios) < 11 {
				ratios = append(ratios, float64(counted())/float64(free()))
			}
			slices.Sort(ratios)
			b.ReportMetric(ratios[len(ratios)/2], "ratio")
		})
	}
}

// compileWith is Compile for guests that need not be trusted to end.
func compileWith(t testing.TB, s *Sandbox, wasm []byte, counting bool, warm []Warm) *Module {
	t.Helper()
	parsed, info, err := inspect(wasm)
	if err != nil {
		t.Fatal(err)
	}
	rewrite := meter.Rewrite
	if !counting {
		rewrite = meter.RewriteUncounted
	}
	rewritten, err := rewrite(parsed)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.load(context.Background(), info, rewritten, nil, Options{Memory: 64 * mib, Warm: warm})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
