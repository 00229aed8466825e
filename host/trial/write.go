package trial

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/trama-run/trama/host/source"
)

// Write gives a case as a document for people, with notes above it.
func Write(c Case, notes []string) ([]byte, error) {
	data, err := json.Marshal([]Case{c})
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, note := range notes {
		fmt.Fprintf(&out, "# %s\n", strings.ReplaceAll(note, "\n", " "))
	}
	text, err := source.YAML(data)
	out.Write(text)
	return out.Bytes(), err
}
