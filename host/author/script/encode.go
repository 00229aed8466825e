package script

import (
	"encoding/binary"

	"github.com/trama-run/trama/host/sandbox/wasm"
)

func number(b []byte, n int) []byte { return binary.AppendUvarint(b, uint64(n)) }

// functionNames reads the names of functions; what is not sound it leaves out.
func functionNames(m *wasm.Module) map[uint32]string {
	names := map[uint32]string{}
	section, found, err := wasm.Custom(m.Bytes, "name")
	if err != nil || !found {
		return names
	}
	r := reader{section}
	for len(r.left) > 0 {
		id := r.left[0]
		r.left = r.left[1:]
		content := reader{r.take(r.number())}
		if id != 1 {
			continue
		}
		for range content.number() {
			i := content.number()
			names[i] = string(content.take(content.number()))
		}
		break
	}
	return names
}

// reader reads numbers and bytes, and zeros behind their end.
type reader struct{ left []byte }

func (r *reader) number() uint32 {
	v, n := binary.Uvarint(r.left)
	r.left = r.left[max(n, 0):]
	if n <= 0 {
		r.left = nil
	}
	return uint32(v)
}

func (r *reader) take(n uint32) []byte {
	n = min(n, uint32(len(r.left)))
	taken := r.left[:n]
	r.left = r.left[n:]
	return taken
}
