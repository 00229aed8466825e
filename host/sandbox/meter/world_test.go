package meter_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/trama-run/trama/host/sandbox/meter"
	"github.com/trama-run/trama/host/sandbox/wasm"
)

const (
	testFuel  = math.MaxInt64 / 2
	testStack = 16 << 20
)

var (
	errFuel  = errors.New("fuel used up")
	errStack = errors.New("stack used up")
)

// world runs modules as they are, or metered.
type world struct {
	t       testing.TB
	rt      wazero.Runtime
	metered bool
	named   map[string]*guest
	last    *guest
	limits  [2]int64 // fuel and stack of a call
	refuel  int64    // what trip gives; 0: it stops the guest
	trips   int
}

// guest is a module with its meter. A nil one was left out.
type guest struct{ api.Module }

func newWorld(t testing.TB, spectest []byte, metered bool) *world {
	return newWorldOn(t, wazero.NewRuntimeConfig(), spectest, metered)
}

func newWorldOn(t testing.TB, engine wazero.RuntimeConfig, spectest []byte, metered bool) *world {
	ctx := context.Background()
	rt := wazero.NewRuntimeWithConfig(ctx, engine.WithCoreFeatures(api.CoreFeaturesV2))
	t.Cleanup(func() {
		if err := rt.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	w := &world{t: t, rt: rt, metered: metered, named: map[string]*guest{}, limits: [2]int64{testFuel, testStack}}
	_, err := rt.NewHostModuleBuilder(meter.TripModule).NewFunctionBuilder().
		WithFunc(func(_ context.Context, m api.Module, reason uint32) {
			if reason == meter.ReasonStack {
				panic(errStack)
			}
			if w.refuel == 0 {
				panic(errFuel)
			}
			w.trips++
			fuel := m.ExportedGlobal(meter.ExportFuel).(api.MutableGlobal)
			fuel.Set(fuel.Get() + uint64(w.refuel))
		}).Export(meter.TripName).Instantiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if spectest != nil {
		if _, err := rt.InstantiateWithConfig(ctx, spectest, wazero.NewModuleConfig()); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) forget(name, as string) { w.keep(name, nil) }

func (w *world) keep(name string, g *guest) {
	w.last = g
	if name != "" {
		w.named[name] = g
	}
}

// instantiate gives the reason why it can't be done.
func (w *world) instantiate(data []byte, name, as string) string {
	ctx := context.Background()
	result := meter.Result{Wasm: data}
	if w.metered {
		m, err := wasm.Parse(data)
		if err != nil {
			return err.Error()
		}
		if result, err = meter.Rewrite(m); err != nil {
			return err.Error()
		}
	}
	m, err := w.rt.InstantiateWithConfig(ctx, result.Wasm, wazero.NewModuleConfig().WithName(as).WithStartFunctions())
	if err != nil {
		return err.Error()
	}
	g := &guest{m}
	if w.metered {
		g.fill()
		for i, s := range result.Data {
			if !m.Memory().Write(s.Offset, s.Bytes) {
				return fmt.Sprintf("data segment %d is out of range", i)
			}
		}
		if result.Start != "" {
			if _, err := m.ExportedFunction(result.Start).Call(ctx); err != nil {
				return err.Error()
			}
		}
	}
	w.keep(name, g)
	return ""
}

func (g *guest) fill() { g.set(testFuel, testStack) }

func (g *guest) set(fuel int64, stack int32) {
	g.ExportedGlobal(meter.ExportFuel).(api.MutableGlobal).Set(uint64(fuel))
	g.ExportedGlobal(meter.ExportStack).(api.MutableGlobal).Set(api.EncodeI32(stack))
}

// used gives the fuel that was used since fill, and the stack.
func (g *guest) used() (fuel, stack int64) {
	return testFuel - int64(g.ExportedGlobal(meter.ExportFuel).Get()),
		testStack - int64(api.DecodeI32(g.ExportedGlobal(meter.ExportStack).Get()))
}

// gone is the outcome of a call into a module that was left out.
const gone = "gone"

// do runs an action and describes its outcome.
func (w *world) do(c command) string {
	g := w.last
	if c.Action.Module != "" {
		g = w.named[c.Action.Module]
	}
	if g == nil {
		return gone
	}
	if c.Action.Type == "get" {
		return fmt.Sprint(g.ExportedGlobal(c.Action.Field).Get())
	}
	var args []uint64
	for _, a := range c.Action.Args {
		args = append(args, a.bits()...)
	}
	if w.metered {
		g.set(w.limits[0], int32(w.limits[1]))
	}
	f := g.ExportedFunction(c.Action.Field)
	results, err := f.Call(context.Background(), args...)
	if err != nil {
		for _, tripped := range []error{errFuel, errStack} {
			if errors.Is(err, tripped) {
				return tripped.Error()
			}
		}
		first, _, _ := strings.Cut(err.Error(), "\n")
		return first
	}
	if w.metered {
		fuel, stack := g.used()
		fuel -= testFuel - w.limits[0]
		stack -= testStack - w.limits[1]
		if fuel < 0 || stack != 0 {
			w.t.Errorf("%s: %d units of fuel, %d bytes of stack are missing", c.Action.Field, fuel, stack)
		}
	}
	for i, t := range f.Definition().ResultTypes() {
		if t == api.ValueType(wasm.FuncRef) && results[i] != 0 {
			results[i] = 1 // an address
		}
	}
	return fmt.Sprintf("%x", results)
}
