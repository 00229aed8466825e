package wasm

import "encoding/binary"

// AppendU32 appends an unsigned LEB128 number.
func AppendU32(b []byte, v uint32) []byte { return binary.AppendUvarint(b, uint64(v)) }

// AppendS64 appends a signed LEB128 number; it serves for i32 as well.
func AppendS64(b []byte, v int64) []byte {
	for {
		low := byte(v & 0x7f)
		v >>= 7
		if v == 0 && low&0x40 == 0 || v == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}

// AppendName appends a text with its length before it.
func AppendName(b []byte, s string) []byte { return append(AppendU32(b, uint32(len(s))), s...) }
