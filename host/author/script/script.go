// Package script builds plugins from JavaScript and TypeScript: from an entry
// file to one WebAssembly module, without a compiler for C.
//
// The program is bundled with its imports (esbuild). An engine, QuickJS-NG as
// a module, then loads it, once, here: the memory that this leaves is written
// into the module as its data, so the plugin starts with its program in place.
// Host functions that the program can't reach are taken out of the module's
// imports, so a plugin that only computes runs in any Extism host.
//
// The engine and the library behind `import "trama"` are files of the PDK,
// which the caller passes in. The package knows esbuild, wazero and the binary
// format; it knows no server, no grants and no other language. Of the host's
// plugins it knows what a manifest says that a module exports.
package script

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/sandbox/wasm"
	"github.com/trama-run/trama/pdk/abi"
)

// Files of the PDK that Build reads.
const (
	engineFile  = "engine/engine.wasm"
	libraryFile = "trama.js"
)

// Problem is one thing that is wrong with a program. File is relative to the
// folder of the entry file; it is empty, and Line and Column are 0, where no
// place is known. Both count from 1, Column in characters or bytes.
type Problem struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Text   string `json:"text"`
}

// String gives the problem after its place. What a terminal would obey is spelt
// out: the text may be one that a program threw.
func (p Problem) String() string {
	if p.File == "" {
		return spelt(p.Text)
	}
	return fmt.Sprintf("%s:%d:%d: %s", spelt(p.File), p.Line, p.Column, spelt(p.Text))
}

func spelt(text string) string {
	var b strings.Builder
	for _, r := range text { // a byte that is no UTF-8 becomes U+FFFD
		if unicode.IsGraphic(r) || r == '\n' || r == '\t' {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "\\u%04x", r)
		}
	}
	return b.String()
}

// Error says what an author must change.
type Error struct{ Problems []Problem }

// Error gives a line for each problem.
func (e *Error) Error() string {
	var lines []string
	for _, p := range e.Problems {
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}

func problem(file, format string, args ...any) *Error {
	return &Error{[]Problem{{File: file, Text: fmt.Sprintf(format, args...)}}}
}

// Build makes the plugin of a program. pdk is the folder pdk/js; entry is the
// path of plugin.js or plugin.ts, in whose folder local imports and
// node_modules are looked for; manifest is the JSON of an [abi.Manifest], which
// goes into the module's section "trama.manifest" as it is. The program exports
// a function for each operation, for each warming call, and for what else the
// kind calls; a language may export prepare. The same files give the same bytes,
// wherever they lie.
//
// # Errors
//
// An [*Error] for what the author must change: the program doesn't parse, an
// import isn't there or leads out of the folder, an export is missing, or the top
// level throws, doesn't end within 20 s, or uses what only a call has. Anything
// else is about the PDK's files.
func Build(ctx context.Context, pdk fs.FS, entry string, manifest []byte) ([]byte, error) {
	var m abi.Manifest
	if err := json.Unmarshal(manifest, &m); err != nil {
		return nil, problem("", "manifest.json: %v", err)
	}
	operations, err := operations(m)
	if err != nil {
		return nil, err
	}
	library, err := fs.ReadFile(pdk, libraryFile)
	if err != nil {
		return nil, fmt.Errorf("library of the PDK: %w", err)
	}
	binary, err := fs.ReadFile(pdk, engineFile)
	if err != nil {
		return nil, fmt.Errorf("engine of the PDK: %w", err)
	}
	bundled, err := bundle(entry, string(library))
	if err != nil {
		return nil, err
	}
	if m.Kind == abi.KindLanguage && slices.Contains(bundled.exports, abi.FuncPrepare) && !slices.Contains(operations, abi.FuncPrepare) {
		operations = append(operations, abi.FuncPrepare)
	}
	engine, err := wasm.Parse(binary)
	if err != nil {
		return nil, fmt.Errorf("engine of the PDK: %w", err)
	}
	image, err := load(ctx, engine, program{bundled.source, operations, bundled.places}, filepath.Base(entry))
	if err != nil {
		return nil, err
	}
	module, err := write(engine, image, operations, reached(bundled.source))
	if err != nil {
		return nil, fmt.Errorf("engine of the PDK: %w", err)
	}
	return wasm.WithCustom(module, abi.SectionManifest, manifest)
}

// operations lists what the plugin of a manifest must export.
func operations(m abi.Manifest) ([]string, error) {
	var list []string
	for _, name := range plugin.ExportsOf(m) {
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	if len(list) == 0 {
		return nil, problem("", "manifest.json: operations: there are none, so there is nothing to export; add one")
	}
	for _, name := range list {
		if reserved(name) {
			return nil, problem("", "manifest.json: operations: %q is the name of an export that the engine has; choose another", name)
		}
	}
	return list, nil
}

// reached lists the functions of trama:host/v1 that the program may call: the
// library names each in the function that calls it, and the bundler drops those
// functions of the library that nothing uses.
func reached(bundle string) map[string]bool {
	names := map[string]bool{}
	for _, name := range abi.HostFunctions() {
		if strings.Contains(bundle, abi.ModuleTrama+"/"+name) {
			names[name] = true
		}
	}
	return names
}
