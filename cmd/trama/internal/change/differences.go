package change

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/trama-run/trama/host/catalog"
)

// signs stand before what was added, removed and changed.
func signs(action string) string {
	return map[string]string{"added": "+", "created": "+", "removed": "-", "changed": "~", "updated": "~"}[action]
}

// WriteDifferences writes the parts of a flow that differ.
func WriteDifferences(b *strings.Builder, differences []catalog.Difference) {
	for _, d := range differences {
		fmt.Fprintf(b, "\n%s %s", signs(d.Action), d.Part)
		if d.Name != "" {
			b.WriteString(" " + d.Name)
		}
		for _, f := range d.Fields {
			value := f.To
			if d.Action == "removed" {
				value = f.From
			}
			switch said := d.Action != "changed"; {
			case said && (f.Field == "id" || f.Field == "from" || f.Field == "port"): // in the name
			case said && f.Field == "type":
				fmt.Fprintf(b, " (%s)", plain(value))
			case d.Part == "edge" && f.Field == "to" && said:
				fmt.Fprintf(b, " -> %s", plain(value))
			}
		}
		b.WriteString("\n")
		for _, f := range d.Fields {
			if d.Action == "changed" || !(f.Field == "id" || f.Field == "type" || d.Part == "edge") {
				writeField(b, f, d.Action == "changed")
			}
		}
	}
}

// writeField writes a field: before and after if its part changed. Texts of
// several lines are compared line by line.
func writeField(b *strings.Builder, f catalog.FieldDifference, changed bool) {
	from, to := plain(f.From), plain(f.To)
	if strings.Contains(from+to, "\n") {
		fmt.Fprintf(b, "    %s\n", f.Field)
		lines := strings.SplitAfterN(string(diff.Diff("", []byte(ended(from)), "", []byte(ended(to)))), "\n", 4)
		for line := range strings.Lines(lines[len(lines)-1]) { // without the head of three lines
			if !strings.HasPrefix(line, "@@ ") {
				fmt.Fprintf(b, "      %s", line)
			}
		}
		return
	}
	values := []string{string(f.From), string(f.To)}
	for i, v := range values {
		if v == "" {
			values[i] = "left out"
		}
	}
	if changed {
		fmt.Fprintf(b, "    %s: %s -> %s\n", f.Field, values[0], values[1])
		return
	}
	fmt.Fprintf(b, "    %s: %s%s\n", f.Field, f.From, f.To) // one of them is empty
}

// plain gives a text as it is, and any other JSON value as JSON.
func plain(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	return string(value)
}

// ended ends a text of lines with a newline.
func ended(text string) string {
	if text == "" || strings.HasSuffix(text, "\n") {
		return text
	}
	return text + "\n"
}
