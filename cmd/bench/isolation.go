package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/trama-run/trama/host/sandbox"
)

// isolation measures what a plugin that never ends does to everybody else.
func isolation(s settings, dir string) ([]Row, error) {
	var rows []Row
	if s.wants("isolation.stop") || s.wants("isolation.gc") {
		more, err := spinning(s, dir)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	if s.wants("isolation.p99") {
		row, err := neighbours(s, dir)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// hostile are the functions of hostile.wasm that never end: a loop that calls
// nothing, calls without end, and an instruction that writes a MiB, in a loop.
var hostile = []string{"spin", "tree", "fill"}

// spinning has a plugin spin: how long beyond its limit and, with one on every
// core, how long garbage collection takes meanwhile.
func spinning(s settings, dir string) ([]Row, error) {
	ctx := context.Background()
	box, err := openBox(dir)
	if err != nil {
		return nil, err
	}
	wasm, err := os.ReadFile("host/sandbox/testdata/hostile.wasm")
	if err != nil {
		return nil, err
	}
	m, err := box.Compile(ctx, wasm, sandbox.Options{Memory: sandbox.DefaultLimits().Memory})
	if err != nil {
		return nil, err
	}
	limits := sandbox.CeilingLimits()
	limits.Time = 100 * time.Millisecond
	var over, pauses []float64
	for range s.rounds {
		for _, export := range hostile {
			begun := time.Now()
			if _, err := m.Call(ctx, sandbox.Call{Export: export, Limits: limits}); err == nil {
				return nil, fmt.Errorf("%s ended by itself", export)
			}
			over = append(over, float64(time.Since(begun)-limits.Time)/1e6)
		}
		var pause float64
		for _, export := range hostile {
			pause = max(pause, collecting(func() {
				m.Call(ctx, sandbox.Call{Export: export, Limits: limits}) //nolint:errcheck // it ends by its limit, as measured above
			}))
		}
		pauses = append(pauses, pause)
	}
	worst, pause := highest(over), median(pauses)
	return []Row{
		{Name: "isolation.stop", Unit: "ms over the limit, worst", Value: worst, Goal: "<= 50 ms", Met: worst <= 50},
		{Name: "isolation.gc", Unit: "ms, longest of a round", Value: pause, Goal: "<= 15 ms", Met: pause <= 15},
	}, box.Close(ctx)
}

// collecting returns the milliseconds of the longest garbage collection while
// every core runs f.
func collecting(f func()) (longest float64) {
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(f)
	}
	ended := make(chan struct{})
	go func() { wg.Wait(); close(ended) }()
	for {
		select {
		case <-ended:
			return longest
		case <-time.After(5 * time.Millisecond):
		}
		begun := time.Now()
		runtime.GC()
		longest = max(longest, float64(time.Since(begun))/1e6)
	}
}

// neighbours measures a route's latency beside as many spinning plugins as
// cores, and beside as many native processes that spin.
func neighbours(s settings, dir string) (row Row, err error) {
	workspace, err := build(dir)
	if err != nil {
		return Row{}, err
	}
	host, _, err := serve(workspace)
	if err != nil {
		return Row{}, err
	}
	defer func() { err = firstOf(err, host.stop()) }()
	const perSecond = 300
	latency := func() (float64, error) {
		p99, err := openLoop(host.addr, 32, perSecond, s.seconds, 200, plain("/api/near"))
		return float64(p99) / 1e6, err
	}
	if _, err := latency(); err != nil { // loads the code
		return Row{}, fmt.Errorf("%w\n%s", err, tail(host.log.String()))
	}
	var ours, natives, ratios []float64
	for range s.rounds {
		a, err := beside(func(ctx context.Context) error {
			q, err := http.NewRequestWithContext(ctx, "POST", "http://"+host.addr+"/api/spin", nil)
			if err != nil {
				return err
			}
			answer, err := http.DefaultClient.Do(q)
			if err == nil {
				defer answer.Body.Close()
				return fmt.Errorf("the spinning plugin ended with status %d", answer.StatusCode)
			}
			return nil
		}, latency)
		if err != nil {
			return Row{}, fmt.Errorf("%w\n%s", err, tail(host.log.String()))
		}
		b, err := beside(func(ctx context.Context) error {
			self, err := os.Executable()
			if err != nil {
				return err
			}
			exec.CommandContext(ctx, self, "busy").Run() //nolint:errcheck // it is killed
			return nil
		}, latency)
		if err != nil {
			return Row{}, err
		}
		ours, natives, ratios = append(ours, a), append(natives, b), append(ratios, a/b)
	}
	ratio := median(ratios)
	return Row{Name: "isolation.p99", Unit: "ms", Value: median(ours), Peer: "native busy processes", PeerValue: median(natives),
		Ratio: ratio, Goal: "<= 1.5x", Met: ratio <= 1.5}, nil
}

// beside measures while as many spinners as cores run, and ends them.
func beside(spin func(context.Context) error, measure func() (float64, error)) (float64, error) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	failed := make(chan error, runtime.NumCPU())
	for range runtime.NumCPU() {
		wg.Go(func() {
			if err := spin(ctx); err != nil {
				failed <- err
			}
		})
	}
	time.Sleep(100 * time.Millisecond)
	value, err := measure()
	cancel()
	wg.Wait()
	select {
	case broken := <-failed:
		err = firstOf(err, broken)
	default:
	}
	return value, err
}

// busy spins until it is killed.
func busy() {
	for i := 0; ; i++ {
		if i < 0 {
			fmt.Println(i)
		}
	}
}

func openBox(dir string) (*sandbox.Sandbox, error) {
	return sandbox.Open(sandbox.Config{CacheDir: filepath.Join(dir, "code")})
}

func highest(values []float64) float64 {
	most := values[0]
	for _, v := range values {
		most = max(most, v)
	}
	return most
}
