package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/trama-run/trama/host/author"
	"github.com/trama-run/trama/host/plugintest/portable"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/pdk/abi"
)

// languages are those that the same connector is written in, pdk/<language>/suite.
var languages = []string{"go", "rust", "c", "assemblyscript", "zig", "js"}

// authors measures what one connector costs in each language that its PDK is
// written in: its size, the time that it takes to be compiled, calls from a
// fresh image, and 64 KiB in and out beside go-sdk with the same file.
func authors(s settings, dir string) (rows []Row, err error) {
	for _, lang := range languages {
		name := "plugin." + lang
		if !s.wants(name) {
			continue
		}
		more, err := authorsIn(s, dir, lang, name)
		if missing, is := errors.AsType[*author.MissingTool](err); is {
			more, err = []Row{{Name: name, Unit: "left out: " + missing.Error()}}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		rows = append(rows, more...)
	}
	if s.wants("plugin.begin") {
		row, err := newcomer(s, dir)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// newcomer measures what stands before a new author in Go: new, build and test,
// with the compiler's cache warm.
func newcomer(s settings, dir string) (Row, error) {
	program, err := filepath.Abs("build/trama")
	if err != nil {
		return Row{}, err
	}
	var took []float64
	for range s.rounds + 1 {
		project := filepath.Join(dir, "begin")
		if err := os.RemoveAll(project); err != nil {
			return Row{}, err
		}
		began := time.Now()
		for _, args := range [][]string{{"new", "--lang", "go", "--dir", project, "acme"}, {"build", project}, {"test", project}} {
			if out, err := exec.Command(program, append([]string{"plugin"}, args...)...).CombinedOutput(); err != nil {
				return Row{}, fmt.Errorf("trama plugin %s: %w\n%s", strings.Join(args, " "), err, out)
			}
		}
		took = append(took, time.Since(began).Seconds())
	}
	v := median(took[1:]) // the first one warms the cache
	return Row{Name: "plugin.begin", Unit: "s", Value: v, Goal: "<= 20 s", Met: v <= 20}, nil
}

func authorsIn(s settings, dir, lang, name string) (rows []Row, err error) {
	ctx := context.Background()
	wasm, err := suite(ctx, dir, lang)
	if err != nil {
		return nil, err
	}
	rows = append(rows, Row{Name: name + ".size", Unit: "KiB", Value: float64(len(wasm)) / 1024})
	empty, err := os.MkdirTemp(dir, "code-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(empty)) }()
	box, err := openBox(empty)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, box.Close(ctx)) }()
	began := time.Now()
	first, err := box.Compile(ctx, wasm, sandbox.Options{Memory: 64 << 20})
	if err != nil {
		return nil, err
	}
	rows = append(rows, Row{Name: name + ".compile", Unit: "ms", Value: float64(time.Since(began)) / 1e6})
	if err := first.Close(ctx); err != nil {
		return nil, err
	}
	large, err := json.Marshal(strings.Repeat("x", 64<<10-2))
	if err != nil {
		return nil, err
	}
	for _, call := range []struct{ name, export, input string }{
		{"echo", "echo", `"twenty-one bytes it"`}, {"json", "total", small}, {"64k", "echo", string(large)},
	} {
		ours, end, err := inSandbox(ctx, box, wasm, sandbox.Call{Export: call.export, Input: []byte(call.input)}, "")
		if err != nil {
			return nil, err
		}
		row := Row{Name: name + "." + call.name, Unit: "us"}
		if call.name != "64k" {
			row.Value, err = several(s.rounds, ours)
		} else {
			row.Peer, row.Goal = "go-sdk 1.7.1, pooled", ">= 20x"
			theirs, _, endTheirs, failed := underSDK(ctx, wasm, call.export, []byte(call.input), portable.Stubs(first.Info())...)
			if failed != nil {
				return nil, failed
			}
			row.PeerValue, row.Value, row.Ratio, err = alternate(s.rounds, theirs, ours)
			row.Met = row.Ratio >= 20
			err = firstOf(err, endTheirs())
		}
		if err = firstOf(err, end()); err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// suite builds the connector in a new project of the language.
func suite(ctx context.Context, dir, lang string) ([]byte, error) {
	language, err := author.LanguageOf(lang)
	if err != nil {
		return nil, err
	}
	project := filepath.Join(dir, "suite-"+lang)
	if err := os.RemoveAll(project); err != nil { // of a run before
		return nil, err
	}
	pdks := os.DirFS("pdk")
	if _, err := author.New(pdks, author.Project{Name: "suite", Language: lang, Kind: abi.KindConnector, Dir: project}); err != nil {
		return nil, err
	}
	for from, to := range map[string]string{
		filepath.Join("pdk", lang, "suite", language.Main): language.Main,
		filepath.Join("pdk", "suite", "manifest.json"):     "manifest.json",
	} {
		data, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(project, to), data, 0o644)
		}
		if err != nil {
			return nil, err
		}
	}
	var said strings.Builder
	built, err := author.Build{Dir: project, Files: pdks, Environ: os.Environ(), Output: &said}.Run(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, &said)
	}
	return os.ReadFile(built.Path)
}
