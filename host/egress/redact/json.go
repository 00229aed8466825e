package redact

import (
	"bytes"
	"encoding/json"
)

// JSON takes the hidden texts out of the texts of a valid JSON value. Names of
// members stay, and so does what is no text: what comes out is JSON of the same
// shape.
func (s *Set) JSON(data []byte) []byte {
	if s.Empty() {
		return data
	}
	var out bytes.Buffer
	copied := 0
	for at := 0; at < len(data); at++ {
		if data[at] != '"' {
			continue
		}
		open := at
		for at++; data[at] != '"'; at++ {
			if data[at] == '\\' {
				at++
			}
		}
		if rest := bytes.TrimLeft(data[at+1:], " \t\r\n"); len(rest) > 0 && rest[0] == ':' {
			continue // a name
		}
		var text string
		if json.Unmarshal(data[open:at+1], &text) != nil || s.Absent(text) {
			continue
		}
		hidden, _ := json.Marshal(s.Redact(text)) // a text always can be
		out.Write(data[copied:open])
		out.Write(hidden)
		copied = at + 1
	}
	out.Write(data[copied:])
	return out.Bytes()
}
