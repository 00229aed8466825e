// Command quickstart shows Trama at work on the workspace beside it, with the
// two systems that its flows talk to as real servers on loopback.
//
//	quickstart run    serves the workspace until it is interrupted
//	quickstart demo   sends it real input on free ports, kills it in between,
//	                  checks every answer, and fails if one is wrong
//
// Both start build/trama as a child and know nothing of its inside: they are
// an API consumer, a messaging service and an operator.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is main with its surroundings as arguments; it returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	if len(args) != 1 || (args[0] != "run" && args[0] != "demo") {
		fmt.Fprintln(stderr, "usage: quickstart run|demo")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	p, err := findPaths()
	if err == nil && args[0] == "run" {
		return serve(ctx, p, stdout, stderr)
	}
	if err == nil {
		err = demo(ctx, p, stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "quickstart:", err)
		return 1
	}
	return 0
}

// paths are where things are, all absolute.
type paths struct {
	root      string // of the repository
	build     string // what make builds into
	trama     string // the binary
	workspace string
}

// findPaths finds the repository above the working directory, and checks that
// it is built.
func findPaths() (paths, error) {
	dir, err := os.Getwd()
	if err != nil {
		return paths{}, err
	}
	for {
		workspace := filepath.Join(dir, "examples", "quickstart")
		if _, err := os.Stat(filepath.Join(workspace, "trama.yaml")); err == nil {
			build := filepath.Join(dir, "build")
			p := paths{root: dir, build: build, trama: filepath.Join(build, "trama"), workspace: workspace}
			return p, p.built()
		}
		if dir == filepath.Dir(dir) {
			return paths{}, errors.New("run it inside the repository: no examples/quickstart above the working directory")
		}
		dir = filepath.Dir(dir)
	}
}

// built says what is missing of the build.
func (p paths) built() error {
	for _, name := range []string{"http", "javascript", "jwt", "soap", "whatsapp", "xml"} {
		if _, err := os.Stat(filepath.Join(p.build, "plugins", name+".wasm")); err != nil {
			return fmt.Errorf("%w: run make build first", err)
		}
	}
	if _, err := os.Stat(p.trama); err != nil {
		return fmt.Errorf("%w: run make build first", err)
	}
	return nil
}
