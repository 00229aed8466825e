// Package guide follows the guides of the examples as a reader would: it runs
// each command as it is written there, and finds in its output what the guide
// says. It is for their tests, and knows Trama from outside alone.
package guide

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Guide is a document with commands in its sh blocks, a line each. What follows
// "#:" in a line is a part of what the command prints; a line that ends with &
// serves until the test is over.
type Guide struct {
	File string // the document
	Root string // the directory in which the commands run
	// Looks says whether a command only looks, so that it may do so again until
	// it finds what it wants: some of it comes a moment later.
	Looks func(line string) bool
	// Fails says whether a command may end with an error; nil: none may.
	Fails func(line string) bool
	// Ready is the URL that answers when what a line begins is there.
	Ready func(line string) string
	// Commands and Checks are how many there are at least.
	Commands, Checks int
}

// Follow runs the commands of a guide.
func (g Guide) Follow(t *testing.T) {
	t.Helper()
	document, err := os.ReadFile(g.File)
	if err != nil {
		t.Fatal(err)
	}
	ran, checked := 0, 0
	for _, line := range Commands(string(document)) {
		line, want, _ := strings.Cut(line, "#:")
		line, want = strings.TrimSpace(line), strings.TrimSpace(want)
		ran++
		if background, ok := strings.CutSuffix(line, "&"); ok {
			g.serve(t, background)
			continue
		}
		if want != "" {
			checked++
		}
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
			out, err := g.shell(line).CombinedOutput()
			fine := err == nil || g.Fails != nil && g.Fails(line)
			if fine && strings.Contains(strings.ToLower(string(out)), strings.ToLower(want)) {
				break
			}
			if !g.Looks(line) || time.Now().After(deadline) {
				t.Fatalf("%s\ngave (%v), not %q:\n%s", line, err, want, out)
			}
		}
	}
	if ran < g.Commands || checked < g.Checks {
		t.Errorf("%d commands ran and %d were checked, want at least %d and %d", ran, checked, g.Commands, g.Checks)
	}
}

// Commands lists the lines of a document's sh blocks.
func Commands(document string) (all []string) {
	in := false
	for line := range strings.Lines(document) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "```"):
			in = line == "```sh"
		case in && line != "":
			all = append(all, line)
		}
	}
	return all
}

func (g Guide) shell(line string) *exec.Cmd {
	c := exec.Command("bash", "-c", line)
	c.Dir = g.Root
	return c
}

// serve runs a command until the test ends, once what it serves is there.
func (g Guide) serve(t *testing.T, line string) {
	t.Helper()
	c := g.shell("exec " + line)
	c.Stdout, c.Stderr = t.Output(), t.Output()
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // `go run` has a child
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	t.Cleanup(func() {
		if err := syscall.Kill(-c.Process.Pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
			t.Error(err)
		}
		<-ended
	})
	url := g.Ready(line)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%s ended: %v", line, err)
		default:
		}
		if answer, err := http.Get(url); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer at %s", line, url)
		}
	}
}
