package author

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// tool is a program that a language needs.
type tool struct {
	name string
	// names are looked for in PATH, the paths among them ("~" is HOME, and a
	// path may be a pattern) as they are. The first that will do is taken.
	names []string
	// accept says why a program will not do, or nothing. nil: all will.
	accept func(j *job, program string) string
	get    string // how to get it
}

// MissingTool says that a program is missing, or that none found will do.
type MissingTool struct {
	Language string
	Tool     string
	Refused  []string // programs that were found, each with what it lacks
	Get      string
}

func (e *MissingTool) Error() string {
	text := fmt.Sprintf("%s needs %s, which is not in PATH", e.Language, e.Tool)
	if len(e.Refused) > 0 {
		text = fmt.Sprintf("%s needs %s, and what was found will not do: %s", e.Language, e.Tool, strings.Join(e.Refused, "; "))
	}
	return text + "; get it: " + e.Get
}

// Failed says that a compiler refused the sources. What it wrote has been
// passed on.
type Failed struct {
	Command string // such as "go build"
	Code    int
}

func (e *Failed) Error() string {
	return fmt.Sprintf("%s ended with exit code %d; what it says is above", e.Command, e.Code)
}

// job is one build.
type job struct {
	ctx      context.Context
	language Language
	dir      string    // the project's, absolute
	work     string    // a directory for what the build leaves, which goes with it
	out      string    // where the module goes
	manifest []byte    // manifest.json
	files    fs.FS     // the embedded PDKs
	environ  []string  // of the author
	output   io.Writer // what compilers say
	debug    bool
	note     string // for Built
}

// passed are the variables of the author's environment that a toolchain gets:
// where it lives, keeps its caches, and reaches its registry. The rest (flags
// above all) would make a result of one machine.
var passed = []string{
	"PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "XDG_CACHE_HOME", "XDG_DATA_HOME",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR",
	"GOROOT", "GOPATH", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GOTOOLCHAIN",
	"CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "CARGO_HTTP_CAINFO",
	"NODE_EXTRA_CA_CERTS", "npm_config_registry", "npm_config_cache", "NPM_CONFIG_REGISTRY", "NPM_CONFIG_CACHE", "NPM_CONFIG_USERCONFIG",
	"PYENV_ROOT", "PYENV_VERSION", "ZIG_GLOBAL_CACHE_DIR",
}

// env gives a variable of the author's environment, or "".
func (j *job) env(name string) string {
	for _, e := range slices.Backward(j.environ) {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	return ""
}

// command is a program in the project, with the least environment. It ends
// with the build.
func (j *job) command(program string, args ...string) *exec.Cmd {
	c := exec.CommandContext(j.ctx, program, args...)
	c.Dir = j.dir
	c.WaitDelay = 5 * time.Second
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	for _, name := range passed {
		if value := j.env(name); value != "" {
			c.Env = append(c.Env, name+"="+value)
		}
	}
	return c
}

// run runs one step of a build; env is added to its environment. What it says
// goes on as it is.
func (j *job) run(env []string, program string, args ...string) error {
	c := j.command(program, args...)
	c.Env = append(c.Env, env...)
	c.Stdout, c.Stderr = j.output, j.output
	err := c.Run()
	if j.ctx.Err() != nil {
		return j.ctx.Err()
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		what := filepath.Base(program)
		if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
			what += " " + args[0]
		}
		return &Failed{Command: what, Code: exit.ExitCode()}
	}
	return err
}

// ask runs a program for the line that it prints; "" if it fails.
func (j *job) ask(program string, args ...string) string {
	var said bytes.Buffer
	c := j.command(program, args...)
	c.Stdout = &said
	if c.Run() != nil {
		return ""
	}
	return strings.TrimSpace(said.String())
}

// tool finds a program. Which one it is is told if it isn't the first that an
// author would think of.
func (j *job) tool(t tool) (string, error) {
	missing := &MissingTool{Language: j.language.Title, Tool: t.name, Get: t.get}
	for _, program := range j.candidates(t.names) {
		if t.accept == nil {
			return program, nil
		}
		lacks := t.accept(j, program)
		if j.ctx.Err() != nil {
			return "", j.ctx.Err()
		}
		if lacks == "" {
			if len(missing.Refused) > 0 {
				fmt.Fprintf(j.output, "note: %s; building with %s\n", missing.Refused[0], program)
			}
			return program, nil
		}
		missing.Refused = append(missing.Refused, program+" "+lacks)
	}
	return "", missing
}

// candidates lists the programs of these names: of all directories of PATH, as
// the first may be one that lacks what another has.
func (j *job) candidates(names []string) []string {
	var found []string
	add := func(path string) {
		info, err := os.Stat(path)
		if err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 && !slices.Contains(found, path) {
			found = append(found, path)
		}
	}
	for _, name := range names {
		if rest, ok := strings.CutPrefix(name, "~/"); ok {
			name = filepath.Join(orElse(j.env("HOME"), "/nonexistent"), rest)
		}
		switch {
		case strings.HasPrefix(name, "./"):
			add(filepath.Join(j.dir, name))
		case strings.ContainsRune(name, filepath.Separator):
			paths, _ := filepath.Glob(name) // the only error is a bad pattern; ours are constants
			for _, path := range paths {
				add(path)
			}
		default:
			for _, dir := range filepath.SplitList(j.env("PATH")) {
				if filepath.IsAbs(dir) {
					add(filepath.Join(dir, name))
				}
			}
		}
	}
	return found
}
