package meter

import "encoding/binary"

func appendU32(b []byte, v uint32) []byte { return binary.AppendUvarint(b, uint64(v)) }

// appendS64 appends a signed LEB128 number; it serves for i32 as well.
func appendS64(b []byte, v int64) []byte {
	for {
		low := byte(v & 0x7f)
		v >>= 7
		if v == 0 && low&0x40 == 0 || v == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}

func appendName(b []byte, s string) []byte { return append(appendU32(b, uint32(len(s))), s...) }

// skipU32 gives what follows an unsigned LEB128 number, and the number. The
// bytes were read before, so they are well formed.
func skipU32(b []byte) ([]byte, uint32) {
	v, n := binary.Uvarint(b)
	return b[n:], uint32(v)
}
