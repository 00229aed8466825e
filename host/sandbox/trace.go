package sandbox

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/trama-run/trama/host/sandbox/lines"
	"github.com/trama-run/trama/host/sandbox/meter"
	"github.com/trama-run/trama/host/sandbox/wasm"
)

// linesOf gives the line tables of a module that has some, in memory of their
// own.
func linesOf(m *wasm.Module, rewritten meter.Result) *lines.Table {
	if rewritten.Moved == nil {
		return nil
	}
	sections := map[string][]byte{}
	for _, name := range lines.Sections() {
		if data, ok, err := wasm.Custom(m.Bytes, name); err == nil && ok {
			sections[name] = bytes.Clone(data)
		}
	}
	return lines.New(sections)
}

// frame is one call of those that were under way when a guest crashed.
type frame struct {
	function string
	at       string // "src/lib.rs:12:5"; empty where the module does not say
	inlined  bool
}

func (f frame) String() string {
	text := f.function
	if f.at != "" {
		text += " " + f.at
	}
	if f.inlined {
		text += " (inlined)"
	}
	return text
}

// What a trace is cut to; the engine tells of 30 calls.
const (
	maxRead      = 60 // frames, with inlined ones
	maxFrames    = 12
	maxFrameText = 400
)

var (
	// frameSignature is what the engine writes behind a function's name.
	frameSignature = regexp.MustCompile(`\((?:i32|i64|f32|f64|v128|externref|funcref|,)*\)(?: .*)?$`)
	// frameOffset is what it writes below a frame of a module with offsets; see
	// package meter.
	frameOffset = regexp.MustCompile(`^0x([0-9a-f]+): `)
)

// trace reads the frames that the engine tells of, innermost first, with the
// names and places of the author's source.
func (in *instance) trace(err error) []frame {
	_, text, found := strings.Cut(err.Error(), "wasm stack trace:\n")
	if !found {
		return nil
	}
	var all []frame
	for _, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || len(all) >= maxRead {
			break
		}
		if offset := frameOffset.FindStringSubmatch(line); offset != nil && len(all) > 0 {
			all = in.locate(all, offset[1])
			continue
		}
		name := frameSignature.ReplaceAllString(line, "")
		if strings.HasPrefix(name, meter.TripModule+".") {
			continue
		}
		// The guest has no name as a module, so its functions begin with a dot.
		if own, ok := strings.CutPrefix(name, "."); ok {
			name = in.functionName(own)
		}
		all = append(all, frame{function: name})
	}
	return all
}

// unnamed is how a function without a name is told of.
const unnamed = "function "

// functionName gives a name as its author wrote it, or the number in the
// original module for a function without one.
func (in *instance) functionName(name string) string {
	if digits, ok := strings.CutPrefix(name, "$"); ok {
		if n, err := strconv.Atoi(digits); err == nil {
			return unnamed + strconv.Itoa(n-1) // the meter's import stands before it
		}
	}
	return lines.Name(name)
}

// locate adds to the last frame where it stood, and the frames of calls that
// were inlined into it.
func (in *instance) locate(all []frame, offset string) []frame {
	now, err := strconv.ParseUint(offset, 16, 32)
	if err != nil || in.module.source == nil {
		return all
	}
	places := in.module.source.Find(in.module.rewritten.Moved.Before(uint32(now)))
	if len(places) == 0 {
		return all
	}
	outer := all[len(all)-1]
	all = all[:len(all)-1]
	for i, p := range places {
		f := frame{function: p.Function, at: placeText(p), inlined: i < len(places)-1}
		if !f.inlined {
			f.function = outer.function
		}
		all = append(all, f)
	}
	return all
}

func placeText(p lines.Place) string {
	switch {
	case p.File == "" || p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// ownNames and ownFiles are how functions begin that languages bring along, such
// as those that a panic runs through, and where their sources lie; so do those
// of the PDKs, where one has names or a file of its own: where they crash is not
// where the fault is. entryNames are how the C PDK calls an author's exports.
var (
	ownNames   = regexp.MustCompile(`^(<?(core|std|alloc|panic_abort|trama_pdk)::|rust_|__|runtime\.|internal/|~lib/|abort$|builtin\.|debug\.|extism:|trama:|trama_|trama\.|trama-pdk/|wasi_)`)
	ownFiles   = regexp.MustCompile(`(^|/)(library|lib/rustlib/src/rust/library)/(core|std|alloc|panic_abort|stdarch)/|/lib/(zig/)?std/[^:]*\.zig:|(^|/)trama\.(h|zig):|(^|/)trama-pdk/`)
	entryNames = regexp.MustCompile(`^trama_(entry|export)_`)
)

// byAuthor reports a function that no language brings along.
func (f frame) byAuthor() bool {
	return entryNames.MatchString(f.function) || !ownNames.MatchString(f.function) && !ownFiles.MatchString(f.at)
}

// fromAuthor leaves out the calls within what the author called last: twenty
// functions of a panic say nothing.
func fromAuthor(frames []frame) []frame {
	i := slices.IndexFunc(frames, frame.byAuthor)
	return frames[max(i-1, 0):]
}

// placeOf says in a few words where a guest crashed: in the innermost function
// that is its author's. Nothing is said of functions without names and lines.
func placeOf(frames []frame) string {
	if len(frames) == 0 {
		return ""
	}
	at := frames[max(slices.IndexFunc(frames, frame.byAuthor), 0)]
	switch {
	case at.at != "":
		return fmt.Sprintf("%s (%s)", at.function, path.Base(at.at))
	case strings.HasPrefix(at.function, unnamed):
		return ""
	}
	return at.function
}
