package main

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
)

// printJSON prints a value as one indented document. Bytes are JSON already.
func (p *program) printJSON(value any) error {
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
	_, err := out.WriteTo(p.stdout)
	return err
}

// table writes aligned columns.
type table struct{ w *tabwriter.Writer }

func newTable(w io.Writer, head ...string) table {
	t := table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	if len(head) > 0 {
		t.row(head...)
	}
	return t
}

// row adds a line. Cells may hold what strangers sent.
func (t table) row(cells ...string) {
	for i, c := range cells {
		cells[i] = printable(strings.ReplaceAll(c, "\n", " "))
	}
	fmt.Fprintln(t.w, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
}

// end writes the table out.
func (t table) end() error { return t.w.Flush() }

// printable spells out what could drive a terminal. Plugins and callers chose
// much of what is shown.
func printable(text string) string {
	if strings.IndexFunc(text, unprintable) < 0 {
		return text
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

// compact gives a value as JSON in one line of at most width characters; a
// width of 0 cuts nothing.
func compact(value any, width int) string {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return err.Error()
	}
	text := printable(strings.TrimSpace(buffer.String()))
	if runes := []rune(text); width > 0 && len(runes) > width {
		return fmt.Sprintf("%s… (%d characters)", string(runes[:width]), len(runes))
	}
	return text
}

// when gives an instant in the reader's time zone.
func when(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// took gives a duration in a few digits.
func took(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}

// printProblems prints the mistakes in files, one a line.
func (p *program) printProblems(problems source.Problems) {
	for _, problem := range problems {
		fmt.Fprintln(p.stderr, printable(problem.Error()))
	}
}
