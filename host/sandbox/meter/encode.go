package meter

import "encoding/binary"

// skipU32 gives what follows an unsigned LEB128 number, and the number. The
// bytes were read before, so they are well formed.
func skipU32(b []byte) ([]byte, uint32) {
	v, n := binary.Uvarint(b)
	return b[n:], uint32(v)
}
