package script

import (
	"encoding/json"
	"fmt"
	"strings"
)

// places says where each part of a bundle comes from: the files, relative to
// the entry's folder, and for each line of the bundle segments as in a source
// map (ECMA-426). Numbers count from zero in each line, where a source map goes
// on from the line before: so the engine, which looks for a place when
// something was thrown, reads one line and not all of them.
type places struct {
	Sources  []string `json:"sources"`
	Mappings string   `json:"mappings"` // each line ends with a semicolon
}

const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// placesOf takes a source map apart.
func placesOf(sourceMap []byte) (places, error) {
	var m places
	if err := json.Unmarshal(sourceMap, &m); err != nil {
		return places{}, err
	}
	var b strings.Builder
	var at [4]int // column of the bundle; file, line and column of the source
	for line := range strings.SplitSeq(m.Mappings, ";") {
		at[0] = 0
		var written [4]int
		start := b.Len()
		for segment := range strings.SplitSeq(line, ",") {
			n, err := addNumbers(&at, segment)
			if err != nil {
				return places{}, err
			}
			if n < len(at) {
				continue // it comes from no file
			}
			if b.Len() > start {
				b.WriteByte(',')
			}
			for i := range at {
				writeNumber(&b, at[i]-written[i])
			}
			written = at
		}
		b.WriteByte(';')
	}
	m.Mappings = b.String()
	return m, nil
}

// addNumbers adds the numbers of a segment, and says how many there are. A
// fifth is the index of a name.
func addNumbers(to *[4]int, segment string) (n int, err error) {
	value, shift := 0, 0
	for _, c := range segment {
		digit := strings.IndexRune(digits, c)
		if digit < 0 || shift > 50 {
			return 0, fmt.Errorf("segment %q is no number", segment)
		}
		value |= digit & 31 << shift
		shift += 5
		if digit&32 != 0 {
			continue
		}
		if n < len(to) {
			if value&1 != 0 {
				to[n] -= value >> 1
			} else {
				to[n] += value >> 1
			}
		}
		n++
		value, shift = 0, 0
	}
	return n, nil
}

func writeNumber(b *strings.Builder, n int) {
	value := n << 1
	if n < 0 {
		value = -n<<1 | 1
	}
	for {
		digit := value & 31
		if value >>= 5; value != 0 {
			digit |= 32
		}
		b.WriteByte(digits[digit])
		if value == 0 {
			return
		}
	}
}
