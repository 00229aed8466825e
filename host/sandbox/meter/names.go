package meter

import (
	"encoding/binary"
	"math"
	"unicode/utf8"
)

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
	moved := appendU32(make([]byte, 0, len(content)+len(content)/8), n)
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
		moved = appendName(appendU32(moved, move(index)), string(name))
		content, last = rest, int64(index)
	}
	return moved, len(content) == 0
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
