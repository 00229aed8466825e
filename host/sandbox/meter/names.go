package meter

import (
	"encoding/binary"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/trama-run/trama/host/sandbox/wasm"
)

// maxName is what is kept of a function's name, in bytes: an engine's trace has
// a name for each of its frames.
const maxName = 200

// functionNames gives the subsection of function names with each index moved;
// false if there is none or it is not sound.
func functionNames(section []byte, move func(uint32) uint32) ([]byte, bool) {
	for len(section) > 0 {
		id := section[0]
		content, rest, ok := sized(section[1:])
		if !ok {
			return nil, false
		}
		if id == 1 {
			return moveNames(content, move)
		}
		section = rest
	}
	return nil, false
}

func moveNames(content []byte, move func(uint32) uint32) ([]byte, bool) {
	n, content, ok := number(content)
	if !ok {
		return nil, false
	}
	moved := wasm.AppendU32(make([]byte, 0, len(content)+len(content)/8), n)
	last := int64(-1)
	for range n {
		index, rest, ok := number(content)
		if !ok || int64(index) <= last || index == math.MaxUint32 {
			return nil, false
		}
		name, rest, ok := sized(rest)
		if !ok || !utf8.Valid(name) {
			return nil, false
		}
		moved = wasm.AppendName(wasm.AppendU32(moved, move(index)), shown(name))
		content, last = rest, int64(index)
	}
	return moved, len(content) == 0
}

// shown gives the start of a name, on one line and without characters that
// change how a terminal shows what follows.
func shown(name []byte) string {
	var s strings.Builder
	for _, r := range string(name[:min(len(name), 2*maxName)]) {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			continue // the last one may be cut
		}
		if s.Len()+utf8.RuneLen(r) > maxName {
			break
		}
		s.WriteRune(r)
	}
	return s.String()
}

// sized reads a length and as many bytes.
func sized(b []byte) (content, rest []byte, ok bool) {
	n, b, ok := number(b)
	if !ok || int64(n) > int64(len(b)) {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}

func number(b []byte) (v uint32, rest []byte, ok bool) {
	wide, n := binary.Uvarint(b)
	if n <= 0 || n > 5 || wide > math.MaxUint32 {
		return 0, nil, false
	}
	return uint32(wide), b[n:], true
}
