// Command tests runs `go test` with its own arguments and prints what that
// prints without -v: a line a package, and all of what failed. At the end it
// says which tests were left out on this machine, and why, which go test would
// not say.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// event is a line of `go test -json`; see `go doc test2json`.
type event struct {
	Action, Package, Test, Output string
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	said := map[string]*strings.Builder{} // by package and test
	var left []string
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if line == "" && err != nil {
			break
		}
		var e event
		if json.Unmarshal([]byte(line), &e) != nil { // not of test2json
			fmt.Print(line)
			continue
		}
		key := e.Package + " " + e.Test
		if said[key] == nil {
			said[key] = &strings.Builder{}
		}
		switch e.Action {
		case "output":
			said[key].WriteString(e.Output)
			continue
		case "build-output":
			fmt.Print(e.Output)
			continue
		case "skip":
			if e.Test != "" {
				left = append(left, fmt.Sprintf("%s %s: %s", e.Package, e.Test, reason(said[key].String())))
			}
		case "fail":
			fmt.Print(said[key])
		case "pass":
		default:
			continue
		}
		if e.Test == "" && e.Action != "fail" { // its one line
			text := strings.TrimSpace(said[key].String())
			fmt.Println(text[strings.LastIndexByte(text, '\n')+1:])
		}
		delete(said, key)
	}
	failed := cmd.Wait()
	if len(left) > 0 {
		fmt.Printf("\n%d tests were left out:\n", len(left))
		for _, l := range left {
			fmt.Println("  " + l)
		}
	}
	if exit, ok := errors.AsType[*exec.ExitError](failed); ok {
		os.Exit(exit.ExitCode())
	}
	return failed
}

// reason is what a test said when it was left out, without its place.
func reason(output string) string {
	var lines []string
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "=== ") || strings.HasPrefix(line, "--- ") {
			continue
		}
		if _, text, found := strings.Cut(line, ".go:"); found {
			_, line, _ = strings.Cut(text, ": ")
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, " ")
}
