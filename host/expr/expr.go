// Package expr evaluates the expressions and templates of flows.
//
// An expression is written in the language of expr-lang/expr and sees the
// names of [Names]. Its values are JSON values: nil, bool, int64, float64,
// string, []any and map[string]any; inside an expression there are also times
// and durations, which leave it as text (RFC 3339; "1h30m0s"). A number is
// int64 where it is integral and fits, and float64 otherwise. A path that
// leads nowhere is null, not an error. There is no clock: now is a value of
// the scope.
//
// A template is text with {{ expression }} in it. A text that is exactly one
// {{ }} keeps the type of its value; otherwise the parts are joined: null as
// nothing, text as it is, numbers plainly, lists and objects as JSON.
// Templates expand the author's text once and never what a value contains.
//
// The library bounds neither the time nor the memory of an evaluation, so
// every operator and function that can take more than a moment is replaced by
// one of this package that counts (see patch.go); only parsing, closures and
// control flow are the library's.
//
// The package is pure but for two things: it looks at the monotonic clock to
// stop what takes too long, which changes no value, and timezone() reads the
// system's time zone table. It must not know what flows are.
package expr

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	exprlang "github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"
	"github.com/trama-run/trama/host/source"
)

// Limits of one evaluation: of an expression, or of a template with all the
// expressions in it.
const (
	maxText     = 8 << 10               // bytes of one expression
	maxNodes    = 2000                  // nodes of its syntax tree
	maxTime     = 80 * time.Millisecond // so that it has ended within 100 ms
	maxSteps    = 20_000_000            // elements or 32-byte pieces looked at
	minSteps    = 100_000               // steps before the first look at the clock
	clockStride = 4096                  // steps between two looks
	maxBytes    = 16 << 20              // memory that it may build up
	maxElements = 500_000               // elements of the lists that it may build up
	maxValue    = 8 << 20               // bytes of one text that it may work on
	maxDepth    = 200                   // values in one another
)

// Names lists the names that an expression sees.
func Names() []string {
	return []string{"input", "flow", "user", "env", "trigger", "nodes", "error", "now"}
}

// Expression is a compiled expression. It may be used by many goroutines.
type Expression struct {
	text    string
	program *vm.Program
}

// Compile reads an expression. Its errors are of type [*Error].
func Compile(text string) (*Expression, error) {
	if len(text) > maxText {
		return nil, &Error{Text: text, Message: fmt.Sprintf("the expression has %d bytes, over the limit of %d", len(text), maxText), Hint: "move the work to a run_code node"}
	}
	if strings.TrimSpace(text) == "" {
		return nil, &Error{Text: text, Message: "the expression is empty", Hint: `write a value, such as input.name`}
	}
	names := types.Map{guardName: types.Any}
	for _, name := range Names() {
		names[name] = types.Any
	}
	p := &patcher{names: map[*ast.IdentifierNode]bool{}}
	options := []exprlang.Option{
		exprlang.Env(names),
		exprlang.DisableAllBuiltins(),
		exprlang.Optimize(false), // it would bring back what the patcher replaces
		exprlang.MaxNodes(maxNodes),
		exprlang.Patch(p),
	}
	for name, f := range internals() {
		options = append(options, exprlang.Function(name, f))
	}
	for _, f := range functions() {
		options = append(options, exprlang.Function(f.name, f.call))
	}
	program, err := exprlang.Compile(text, options...)
	p.finish()
	if p.err != nil {
		p.err.Text = text
		p.err.locate()
		return nil, p.err
	}
	if err != nil {
		return nil, compileError(text, err)
	}
	return &Expression{text, program}, nil
}

// String gives the text that was compiled.
func (e *Expression) String() string { return e.text }

// Eval gives the expression's value in a scope, whose keys are of [Names];
// absent ones are null. Neither the scope nor the value may be changed
// afterwards: they share parts. Errors are of type [*Error].
func (e *Expression) Eval(scope map[string]any) (any, error) {
	scope, g := guarded(scope)
	return e.eval(g, scope)
}

// Prepare gives a scope its own place for what evaluations count, so that they
// need not copy it. It may then be used by one goroutine at a time, and is
// changed by its owner only.
func Prepare(scope map[string]any) map[string]any {
	g := newGuard()
	scope[guardName] = &g
	return scope
}

// guarded gives a scope with a fresh guard: the scope itself, if it is prepared.
func guarded(scope map[string]any) (map[string]any, *guard) {
	if g, ok := scope[guardName].(*guard); ok {
		g.renew()
		return scope, g
	}
	own := make(map[string]any, len(scope)+1)
	maps.Copy(own, scope)
	g := newGuard()
	own[guardName] = &g
	return own, &g
}

func (e *Expression) eval(g *guard, scope map[string]any) (value any, err error) {
	value, err = g.machine.Run(e.program, scope)
	if err != nil {
		return nil, runError(e.text, err)
	}
	defer func() {
		if r := recover(); r != nil {
			value, err = nil, faultError(e.text, r)
		}
	}()
	return g.plain(value, 0), nil
}

// Error is what is wrong with an expression or came up in its evaluation.
type Error struct {
	Text    string // the expression
	Line    int    // of the place in Text, from 1; 0 if unknown
	Column  int    // in characters, from 1
	Message string
	Hint    string // the remedy; may be empty
	Limit   bool   // a limit was reached

	from int // offset of the place in Text, in characters
}

// Error gives the expression, the place, the message and the remedy.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("expression ")
	b.WriteString(quote(e.Text))
	if e.Line > 1 {
		fmt.Fprintf(&b, ", line %d", e.Line)
	}
	if e.Column > 0 {
		fmt.Fprintf(&b, ", column %d", e.Column)
	}
	b.WriteString(": ")
	b.WriteString(e.Message)
	if e.Hint != "" {
		b.WriteString("; ")
		b.WriteString(e.Hint)
	}
	return b.String()
}

func (e *Error) locate() {
	e.Line, e.Column = 1, 1
	for i, c := range []rune(e.Text) {
		if i == e.from {
			return
		}
		if e.Column++; c == '\n' {
			e.Line, e.Column = e.Line+1, 1
		}
	}
}

// quote cuts a long text.
func quote(text string) string {
	if runes := []rune(text); len(runes) > 80 {
		text = string(runes[:80]) + "..."
	}
	return fmt.Sprintf("%q", text)
}

// compileError turns an error of the library into ours.
func compileError(text string, err error) *Error {
	var f *file.Error
	if !errors.As(err, &f) {
		return &Error{Text: text, Message: err.Error()}
	}
	e := &Error{Text: text, Line: f.Line, Column: f.Column + 1, Message: f.Message}
	if name, ok := strings.CutPrefix(f.Message, "unknown name "); ok {
		known := Names()
		for _, f := range functions() {
			known = append(known, f.name)
		}
		if e.Hint = source.Suggest(name, known); !strings.HasPrefix(e.Hint, "did you mean") {
			e.Hint = "an expression sees " + strings.Join(Names(), ", ") + "; text stands in quotes"
		}
	}
	return e
}

// runError turns an error of an evaluation into ours.
func runError(text string, err error) *Error {
	var f *file.Error
	if !errors.As(err, &f) {
		return &Error{Text: text, Message: err.Error()}
	}
	e := faultError(text, f.Message)
	var ours fault
	if errors.As(f.Prev, &ours) {
		e = faultError(text, ours)
	} else if f.Message == "memory budget exceeded" {
		e = faultError(text, limitFault("the lists that it builds up have more than %d elements", maxElements))
	}
	e.Line, e.Column = f.Line, f.Column+1
	return e
}

func faultError(text string, r any) *Error {
	if f, ok := r.(fault); ok {
		return &Error{Text: text, Message: f.message, Hint: f.hint, Limit: f.limit}
	}
	return &Error{Text: text, Message: fmt.Sprint(r)}
}
