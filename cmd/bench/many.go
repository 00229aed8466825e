package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/pdk/abi"
)

// fuelOverhead measures what counting costs: the same calls of the same
// modules, rewritten with and without it. Only the sandbox's own benchmark can
// leave it out.
func fuelOverhead(s settings, _ string) ([]Row, error) {
	if !s.wants("fuel.overhead") {
		return nil, nil
	}
	out, err := exec.Command("go", "test", "-run", "^$", "-bench", "FuelOverhead", "-count", strconv.Itoa(s.rounds), "./host/sandbox").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("go test -bench FuelOverhead: %w\n%s", err, out)
	}
	most := map[string]float64{"c": 1.10, "rust": 1.10, "go": 1.20, "js": 1.30}
	ratios := map[string][]float64{}
	for _, m := range regexp.MustCompile(`FuelOverhead/(\w+)\S*\s.*?([\d.]+) ratio`).FindAllStringSubmatch(string(out), -1) {
		v, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return nil, err
		}
		ratios[m[1]] = append(ratios[m[1]], v)
	}
	var rows []Row
	for _, lang := range []string{"c", "rust", "go", "js"} {
		if len(ratios[lang]) == 0 {
			return nil, fmt.Errorf("go test -bench FuelOverhead printed no ratio for %s:\n%s", lang, out)
		}
		v := median(ratios[lang])
		rows = append(rows, Row{Name: "fuel.overhead." + lang, Unit: "x without fuel", Value: v, Goal: fmt.Sprintf("<= %.2fx", most[lang]), Met: v <= most[lang]})
	}
	return rows, nil
}

// firstCalls measures how long each of our plugins takes from its file to its
// first answer, with its code compiled already.
func firstCalls(s settings, dir string) ([]Row, error) {
	if !s.wants("start.first.") {
		return nil, nil
	}
	ctx := context.Background()
	built, err := builtPlugins()
	if err != nil {
		return nil, err
	}
	var rows []Row
	for _, path := range built {
		name := "start.first." + strings.TrimSuffix(filepath.Base(path), ".wasm")
		if !s.wants(name) {
			continue
		}
		wasm, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var times []float64
		for round := range s.rounds + 1 {
			box, err := openBox(dir)
			if err != nil {
				return nil, err
			}
			begun := time.Now()
			m, err := box.Compile(ctx, wasm, sandbox.Options{Memory: 64 << 20})
			if err == nil {
				_, err = m.Call(ctx, sandbox.Call{Export: abi.FuncDescribe, Limits: sandbox.DefaultLimits()})
			}
			took := float64(time.Since(begun)) / 1e6
			if err := firstOf(err, box.Close(ctx)); err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			if round > 0 { // the first one fills the cache
				times = append(times, took)
			}
		}
		rows = append(rows, Row{Name: name, Unit: "ms", Value: median(times)})
	}
	return rows, nil
}

// subject is one plugin of manyCalls, with the call that it gets.
type subject struct {
	module *sandbox.Module
	call   sandbox.Call
}

// subjects compiles as many different plugins as an installation has: our own,
// which describe themselves, and small ones that compute.
func subjects(ctx context.Context, box *sandbox.Sandbox) ([]subject, error) {
	built, err := builtPlugins()
	if err != nil {
		return nil, err
	}
	adder, err := os.ReadFile("host/sandbox/testdata/json.wasm")
	if err != nil {
		return nil, err
	}
	var all []subject
	for i := range installed {
		wasm, call := marked(adder, strconv.Itoa(i)), sandbox.Call{Export: "total", Input: []byte(small), Limits: sandbox.DefaultLimits()}
		if i < len(built) {
			if wasm, err = os.ReadFile(built[i]); err != nil {
				return nil, err
			}
			call.Export, call.Input = abi.FuncDescribe, nil
		}
		m, err := box.Compile(ctx, wasm, sandbox.Options{Memory: 64 << 20})
		if err != nil {
			return nil, err
		}
		all = append(all, subject{m, call})
	}
	return all, nil
}

// manyCalls measures what a process holds after a million calls over thirty
// plugins, beside what it holds after ten thousand.
func manyCalls(s settings, dir string) ([]Row, error) {
	if !s.wants("mem.calls") {
		return nil, nil
	}
	ctx := context.Background()
	box, err := openBox(dir)
	if err != nil {
		return nil, err
	}
	all, err := subjects(ctx, box)
	if err != nil {
		return nil, err
	}
	// after makes calls until so many have been made.
	made := 0
	after := func(calls int) (float64, error) {
		for ; made < calls; made++ {
			of := all[made%len(all)]
			if _, err := of.module.Call(ctx, of.call); err != nil {
				return 0, err
			}
		}
		runtime.GC()
		debug.FreeOSMemory()
		return (&process{cmd: &exec.Cmd{Process: &os.Process{Pid: os.Getpid()}}}).resident()
	}
	early, err := after(10_000)
	if err != nil {
		return nil, err
	}
	late, err := after(1_000_000)
	ratio := late / early
	return []Row{{Name: "mem.calls", Unit: "MiB after 1,000,000 calls", Value: late, Peer: "after 10,000", PeerValue: early, Ratio: ratio, Goal: "<= 1.10x", Met: ratio <= 1.1}},
		firstOf(err, box.Close(ctx))
}
