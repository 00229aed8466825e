// Package kit is the conformance kit: what every plugin owes to its host, as a
// table of named checks. Each finding says what is wrong, where, and what its
// author does about it.
//
// It calls a plugin by way of [plugintest] and knows nothing above that.
package kit

import (
	"context"
	"fmt"

	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/plugintest"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/pdk/abi"
)

// Finding is one thing that a plugin does otherwise than it owes to its host.
type Finding struct {
	Check  string `json:"check"`
	Where  string `json:"where"`  // an export, or a place in the manifest
	What   string `json:"what"`   // one or more lines
	Remedy string `json:"remedy"` // what the author does about it
}

// String gives the place, what is wrong there, and the remedy.
func (f Finding) String() string { return f.Where + ": " + f.What + "; " + f.Remedy }

// Check is one check of the conformance kit.
type Check struct {
	Name  string
	Title string // what a plugin that passes it does
	run   func(*kit) error
}

// Checks lists the conformance kit. What a host refuses at once (a wrong
// signature of an export, an invalid manifest, another ABI) is found by [plugintest.Open].
func Checks() []Check {
	return []Check{
		{"schemas", "each operation says what it takes and gives, by schemas that can be read", (*kit).schemas},
		{"examples", "each operation has examples, which suit its schemas and come out as they say", (*kit).examples},
		{"limits", "its examples leave half of what it may take", (*kit).limits},
		{"authority", "it asks for what it uses, and uses what it asks for", (*kit).authority},
		{"again", "a call gives the same again, whatever came between", (*kit).again},
		{"empty", "no input at all is answered, not crashed on", (*kit).empty},
		{"malformed", "what is no JSON, or not what was asked for, is answered, not crashed on", (*kit).malformed},
		{"unicode", "texts of any script are answered, not crashed on", (*kit).unicode},
		{"numbers", "the largest, the smallest and fractional numbers are answered, not crashed on", (*kit).numbers},
		{"unanswered", "a request that fails, or is answered with nonsense, is told, not crashed on", (*kit).unanswered},
		{"oversized", "a megabyte is answered, not crashed on", (*kit).oversized},
		{"errors", "errors have a code for programs and a sentence for people", (*kit).errors},
	}
}

// Checked is how one check went.
type Checked struct {
	Name   string `json:"name"`
	Title  string `json:"title"`
	Detail string `json:"detail,omitempty"` // such as how many calls it made
	// Untried says why there was nothing to try, and what to add where that can be
	// mended: the plugin has neither passed nor failed.
	Untried  string    `json:"untried,omitempty"`
	Findings []Finding `json:"findings,omitempty"`
}

// Run runs the conformance kit; each check is told of as it ends. Its error is
// the context's, or what keeps a call from being made.
func Run(ctx context.Context, p *plugintest.Plugin, each func(Checked)) error {
	k := &kit{ctx: ctx, Plugin: p, settings: plugin.TrySettings(p.Manifest)}
	var err error
	if k.functions, err = k.all(); err != nil {
		return err
	}
	for _, c := range Checks() {
		k.now, k.calls, k.told = &Checked{Name: c.Name, Title: c.Title}, 0, map[string]bool{}
		if err := c.run(k); err != nil {
			return err
		}
		if k.calls > 0 && k.now.Detail == "" {
			k.now.Detail = fmt.Sprintf("%d calls", k.calls)
		}
		each(*k.now)
	}
	return nil
}

// kit is the checks at work.
type kit struct {
	*plugintest.Plugin
	ctx   context.Context //nolint:containedctx // of one Run, and ends with it
	now   *Checked
	calls int
	// settings are those of calls that say nothing of them.
	settings map[string]string
	told     map[string]bool // what this check has found, of what it would find again and again
	// functions are what is tried.
	functions []function
	// failures are the errors that calls ended with, by export.
	failures []failure
	// outcomes are what came of the examples.
	outcomes []plugintest.Result
}

type failure struct {
	export string
	err    *abi.Error
	kind   sandbox.Kind
	said   string // that it was read from
}

func (k *kit) find(where, remedy, format string, args ...any) {
	k.now.Findings = append(k.now.Findings, Finding{k.now.Name, where, fmt.Sprintf(format, args...), remedy})
}

// once says whether a check finds this for the first time.
func (k *kit) once(what string) bool {
	before := k.told[what]
	k.told[what] = true
	return !before
}

// untried says that the check has tried nothing; one with findings has.
func (k *kit) untried(why string) {
	if len(k.now.Findings) == 0 {
		k.now.Detail, k.now.Untried = "", why
	}
}

// call makes a call, with [plugin.TrySettings] if it has none, and keeps its error
// for the check of errors.
func (k *kit) call(c plugintest.Call) (plugintest.Outcome, error) {
	k.calls++
	if c.Config == nil {
		c.Config = k.settings
	}
	out, err := k.Call(k.ctx, c)
	if err == nil && out.Error != nil {
		k.failures = append(k.failures, failure{c.Export, out.Error, out.Kind, out.Said})
	}
	return out, err
}

// place is an operation's place in the manifest.
func place(i int, rest string) string { return fmt.Sprintf("$.operations[%d]%s", i, rest) }
