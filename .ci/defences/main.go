// Command defences takes each defence against hostile plugins out of the
// code, one at a time, and expects the test that guards it to fail: a test
// that passes without its subject guards nothing. The working tree is not
// touched.
//
//	go run ./.ci/defences [-only WORD] [-table]
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// defence is a piece of code and the test that must fail without it.
type defence struct {
	name     string
	file     string
	old, new string // each old must stand in the file exactly once
	test     string // "TestA", "TestA|TestB" or "TestA/part"
}

// A test that hangs without its defence has failed, and is killed. So that a
// slow one is not taken for that, it must pass with it in half the time.
const (
	allowed  = 25 * time.Second
	expected = allowed / 2
)

func main() {
	only := flag.String("only", "", "only the defences whose name has this in it")
	table := flag.Bool("table", false, "only look whether each defence still stands in its file")
	flag.Parse()
	whole, err := os.MkdirTemp("", "defences")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer os.RemoveAll(whole)
	failed, ran := 0, 0
	for _, d := range slices.Concat(defences, outside) {
		if !strings.Contains(d.name, *only) {
			continue
		}
		ran++
		begun := time.Now()
		if *table {
			if _, err := d.source(); err != nil {
				failed++
				fmt.Printf("FAIL  %s: %v\n", d.name, err)
			}
			continue
		}
		if err := d.try(whole); err != nil {
			failed++
			fmt.Printf("FAIL  %s: %v\n", d.name, err)
			continue
		}
		fmt.Printf("ok    %s: %s fails without it (%.1fs)\n", d.name, d.test, time.Since(begun).Seconds())
	}
	fmt.Printf("%d defences, %d of them not guarded\n", ran, failed)
	if failed > 0 || ran == 0 {
		os.Exit(1)
	}
}

// try runs the test with the defence, and without it. Test binaries with all
// defences are kept in the directory whole.
func (d defence) try(whole string) error {
	if err := d.passes(whole); err != nil {
		return err
	}
	source, err := d.source()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "defences")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	without := filepath.Join(dir, filepath.Base(d.file))
	if err := os.WriteFile(without, bytes.Replace(source, []byte(d.old), []byte(d.new), 1), 0o600); err != nil {
		return err
	}
	path, err := filepath.Abs(d.file)
	if err != nil {
		return err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{path: without}})
	if err != nil {
		return err
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return err
	}
	binary := filepath.Join(dir, "test")
	if err := d.build(binary, "-overlay", list); err != nil {
		return fmt.Errorf("without the defence: %w", err)
	}
	if _, err := d.run(binary, allowed); err == nil {
		return fmt.Errorf("%s passes without it", d.test)
	}
	return nil
}

// source reads the file, in which the defence must stand.
func (d defence) source() ([]byte, error) {
	source, err := os.ReadFile(d.file)
	if err != nil {
		return nil, err
	}
	if n := bytes.Count(source, []byte(d.old)); n != 1 {
		return nil, fmt.Errorf("%q stands in %s %d times, want once: correct the table", d.old, d.file, n)
	}
	return source, nil
}

// passes expects the test to pass with all defences.
func (d defence) passes(whole string) error {
	binary := filepath.Join(whole, strings.ReplaceAll(filepath.Dir(d.file), "/", "-"))
	if _, err := os.Stat(binary); err != nil {
		if err := d.build(binary); err != nil {
			return err
		}
	}
	out, err := d.run(binary, expected)
	if err != nil {
		return fmt.Errorf("%s does not pass within %s as it is: %w\n%s", d.test, expected, err, out)
	}
	if bytes.Contains(out, []byte("no tests to run")) || !bytes.Contains(out, []byte("--- PASS")) {
		return fmt.Errorf("there is no test %s", d.test)
	}
	return nil
}

func (d defence) build(binary string, flags ...string) error {
	args := append([]string{"test", "-c", "-o", binary}, flags...)
	if out, err := exec.Command("go", append(args, "./"+filepath.Dir(d.file))...).CombinedOutput(); err != nil {
		return fmt.Errorf("go test -c: %w\n%s", err, out)
	}
	return nil
}

// run runs the test, and kills what it leaves behind.
func (d defence) run(binary string, within time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	name, part, _ := strings.Cut(d.test, "/")
	cmd := exec.CommandContext(ctx, binary, "-test.run", "^("+name+")$/"+part, "-test.v", "-test.short")
	cmd.Dir = filepath.Dir(d.file)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd.CombinedOutput()
}
