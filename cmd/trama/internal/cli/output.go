package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/pdk/abi"
)

// PrintJSON prints a value as one indented document. Bytes are JSON already.
func (p *Program) PrintJSON(value any) error {
	data, isJSON := value.([]byte)
	if !isJSON {
		var buffer bytes.Buffer
		encoder := json.NewEncoder(&buffer)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(value); err != nil {
			return err
		}
		data = buffer.Bytes()
	}
	var out bytes.Buffer
	if err := json.Indent(&out, bytes.TrimSpace(data), "", "  "); err != nil {
		return err
	}
	out.WriteByte('\n')
	_, err := out.WriteTo(p.Stdout)
	return err
}

// Table writes aligned columns.
type Table struct{ w *tabwriter.Writer }

// NewTable begins a table; head are the heads of its columns, if it has any.
func NewTable(w io.Writer, head ...string) Table {
	t := Table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	if len(head) > 0 {
		t.Row(head...)
	}
	return t
}

// Row adds a line. Cells may hold what strangers sent.
func (t Table) Row(cells ...string) {
	for i, c := range cells {
		cells[i] = Printable(strings.ReplaceAll(c, "\n", " "))
	}
	fmt.Fprintln(t.w, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
}

// End writes the table out.
func (t Table) End() error { return t.w.Flush() }

// Printable spells out what could drive a terminal. Plugins and callers chose
// much of what is shown.
func Printable(text string) string {
	if strings.IndexFunc(text, unprintable) < 0 {
		return strings.ToValidUTF8(text, "\ufffd") // a byte alone can be a control character too
	}
	var b strings.Builder
	for _, r := range text {
		if unprintable(r) {
			fmt.Fprintf(&b, "\\u%04x", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func unprintable(r rune) bool { return !unicode.IsGraphic(r) && r != '\n' && r != '\t' }

// ShownWidth is how much of a value is shown where nobody asked for more.
const ShownWidth = 300

// Compact gives a value as JSON in one line of at most width characters; a
// width of 0 cuts nothing.
func Compact(value any, width int) string {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return err.Error()
	}
	text := Printable(strings.TrimSpace(buffer.String()))
	if runes := []rune(text); width > 0 && len(runes) > width {
		return fmt.Sprintf("%s… (%d characters)", string(runes[:width]), len(runes))
	}
	return text
}

// When gives an instant in the reader's time zone.
func When(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// Took gives a duration in a few digits.
func Took(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}

// ErrorText gives "code: message"; nothing for nil.
func ErrorText(e *abi.Error) string {
	if e == nil {
		return ""
	}
	return e.Code + ": " + e.Message
}

// PrintProblems prints the mistakes in files, one a line.
func (p *Program) PrintProblems(problems source.Problems) {
	for _, problem := range problems {
		fmt.Fprintln(p.Stderr, Printable(problem.Error()))
	}
}
