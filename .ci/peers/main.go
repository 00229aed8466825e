// Command peers installs the programs of others that tests talk to, and runs
// the tests that need them: those in files with the build tag "peers". Each of
// them must have run and passed; a missing peer, or a test left out, is a
// failure. See README.md.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const (
	from = ".ci/peers"        // what to install
	into = "build/peers"      // where npm's go
	tag  = "//go:build peers" // the first line of a file of such tests
)

func main() {
	err := install()
	if err == nil {
		err = run(os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "test-peers:", err)
		os.Exit(1)
	}
}

// install brings the peers up to what package.json and debian.txt say.
func install() error {
	debian, err := os.ReadFile(filepath.Join(from, "debian.txt"))
	if err != nil {
		return err
	}
	packages := strings.Fields(string(debian))
	if exec.Command("dpkg-query", append([]string{"-W"}, packages...)...).Run() != nil {
		if err := command("apt-get", "update", "-qq"); err != nil {
			return err
		}
		if err := command("apt-get", append([]string{"install", "-y", "-qq", "--no-install-recommends"}, packages...)...); err != nil {
			return err
		}
	}
	want, err := os.ReadFile(filepath.Join(from, "package.json"))
	if err != nil {
		return err
	}
	// npm keeps the list of what is installed, so what was copied last tells
	// whether all of it is, once npm has ended well.
	done := filepath.Join(into, "installed.json")
	if have, err := os.ReadFile(done); err == nil && bytes.Equal(have, want) {
		return nil
	}
	if err := os.MkdirAll(into, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(into, "package.json"), want, 0o644); err != nil {
		return err
	}
	if err := command("npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock", "--prefix", into); err != nil {
		return err
	}
	return os.WriteFile(done, want, 0o644)
}

func command(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	cmd.Env = append(cmd.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
	}
	return nil
}

// run runs the tests in files with the tag, with args for go test, and sees
// that each of them passed.
func run(args []string) error {
	wanted, err := find(".")
	if err != nil {
		return err
	}
	if len(wanted) == 0 {
		return errors.New("no file has the tag " + tag)
	}
	var packages, names []string
	for _, w := range wanted {
		packages = append(packages, w.dir)
		names = append(names, w.test)
	}
	slices.Sort(packages)
	slices.Sort(names)
	passed, failed := goTest(append(append([]string{"-tags", "peers", "-count=1", "-timeout", "10m",
		"-run", "^(" + strings.Join(slices.Compact(names), "|") + ")$"}, args...), slices.Compact(packages)...))
	for _, w := range wanted {
		if !passed[w] {
			fmt.Printf("%s %s did not pass\n", w.dir, w.test)
			failed = errors.Join(failed, errors.New("not all tests with peers passed"))
		}
	}
	if failed == nil {
		fmt.Printf("%d tests with peers passed\n", len(wanted))
	}
	return failed
}

// named is a test and the directory of its package, as "./plugins/x".
type named struct{ dir, test string }

var function = regexp.MustCompile(`(?m)^func (Test\w*)\(t \*testing\.T\)`)

// find gives the tests in files with the tag.
func find(root string) ([]named, error) {
	var found []named
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (path == "build" || path == ".git" || entry.Name() == "node_modules"):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil || !strings.HasPrefix(string(source), tag+"\n") {
			return err
		}
		for _, match := range function.FindAllSubmatch(source, -1) {
			found = append(found, named{"./" + filepath.Dir(path), string(match[1])})
		}
		return nil
	})
	return found, err
}

// goTest runs go test and prints what it says, without the lines of tests that
// go well. It gives those that passed.
func goTest(args []string) (map[named]bool, error) {
	module, err := exec.Command("go", "list", "-m").Output()
	if err != nil {
		return nil, fmt.Errorf("go list -m: %w", err)
	}
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	passed := map[named]bool{}
	said := map[named]*strings.Builder{}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e struct{ Action, Package, Test, Output string }
		if json.Unmarshal(lines.Bytes(), &e) != nil { // not of test2json
			fmt.Println(lines.Text())
			continue
		}
		key := named{"." + strings.TrimPrefix(e.Package, strings.TrimSpace(string(module))), e.Test}
		if said[key] == nil {
			said[key] = &strings.Builder{}
		}
		switch e.Action {
		case "build-output":
			fmt.Print(e.Output)
		case "output":
			said[key].WriteString(e.Output)
		case "pass":
			passed[key] = true
			if e.Test == "" {
				fmt.Println("ok  ", key.dir)
			}
		case "fail", "skip":
			fmt.Print(said[key])
		}
	}
	return passed, errors.Join(lines.Err(), cmd.Wait())
}
