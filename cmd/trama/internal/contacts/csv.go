package contacts

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/contact"
)

// importPage is how many rows go in one request.
const importPage = 200

// contactCSV are the commands that read and write contacts as CSV (RFC 4180).
func (p program) contactCSV() []*cobra.Command {
	var names []string
	var dry bool
	read := &cobra.Command{
		Use:   "import FILE.csv",
		Short: "Make and change contacts as the rows of a CSV file say",
		Long: `Make and change contacts as the rows of a CSV file say: UTF-8, its first line
names the columns. "contact" is a key such as wa/whatsapp:5511987654321; name,
language and opt_in (in, out or unknown) are the contact's; tags and the keys of
further addresses, also, are added: several are separated by commas, and one
with a comma in it stands in double quotes; var.NAME is a variable that is a
text, also where it looks like a number, and json.NAME one that is given as JSON,
such as 7, true or ["a","b"]. Empty fields change nothing. Commas or semicolons separate the fields. A row with a mistake is not taken, and named with its
line; to import the same file again changes nothing more.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return p.importContacts(c.Context(), args[0], names, dry)
		},
	}
	read.Flags().StringArrayVar(&names, "map", nil, "`column=name` that it stands for, such as phone=contact; may be repeated")
	read.Flags().BoolVar(&dry, "dry-run", false, "only say what would be done")
	var tag string
	write := &cobra.Command{
		Use:   "export",
		Short: "Write the contacts as CSV, as import takes it",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return p.exportContacts(c.Context(), tag) },
	}
	write.Flags().StringVar(&tag, "tag", "", "only those with this `tag`")
	p.ClientFlags(read, write)
	return []*cobra.Command{read, write}
}

// readRows reads a CSV file as rows of contacts, and says which rows are none.
func readRows(data []byte, names []string) (rows []admin.ImportRow, wrong []admin.Imported, err error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(data) {
		return nil, nil, errors.New("it is not UTF-8: save it as CSV UTF-8, or convert it with: iconv -f ISO-8859-1 -t UTF-8")
	}
	r := csv.NewReader(bytes.NewReader(data))
	head, _, _ := bytes.Cut(data, []byte("\n"))
	if bytes.Count(head, []byte(";")) > bytes.Count(head, []byte(",")) {
		r.Comma = ';'
	}
	columns, err := r.Read()
	if err != nil {
		return nil, nil, fmt.Errorf("its first line must name the columns: %w", err)
	}
	for _, pair := range names {
		column, name, ok := strings.Cut(pair, "=")
		at := slices.Index(columns, column)
		if !ok || at < 0 {
			return nil, nil, fmt.Errorf("--map %q: want column=name, of a column among %s", pair, strings.Join(columns, ", "))
		}
		columns[at] = name
	}
	for i, column := range columns {
		if !slices.Contains(contactColumns(), column) && variable(column) == "" {
			return nil, nil, fmt.Errorf("line 1: column %q is none of %s, var.NAME and json.NAME: name it with --map %s=var.NAME", column, strings.Join(contactColumns(), ", "), column)
		}
		if slices.Contains(columns[:i], column) {
			return nil, nil, fmt.Errorf("line 1: two columns are %q", column)
		}
	}
	if !slices.Contains(columns, "contact") {
		return nil, nil, fmt.Errorf("line 1 names no column %q, but %s", "contact", strings.Join(columns, ", "))
	}
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, wrong, nil
		}
		short := errors.Is(err, csv.ErrFieldCount)
		if err != nil && !short {
			return nil, nil, err // it says the line; what follows can't be told apart
		}
		line, _ := r.FieldPos(0)
		var row admin.ImportRow
		if short {
			err = fmt.Errorf("it has %d fields, and the first line %d: separate as many, also where they are empty", len(fields), len(columns))
		} else {
			row, err = rowOf(line, columns, fields)
		}
		if err != nil {
			wrong = append(wrong, admin.Imported{Line: line, Contact: row.Contact, Error: err.Error()})
			continue
		}
		rows = append(rows, row)
	}
}

// contactColumns are the columns but for variables, in the order in which export
// writes them.
func contactColumns() []string {
	return []string{"contact", "also", "name", "language", "opt_in", "tags"}
}

// listIn reads a field that is a list.
func listIn(text string) ([]string, error) {
	r := csv.NewReader(strings.NewReader(text))
	r.TrimLeadingSpace = true
	list, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("%.80q is no list, such as vip, \"Minas, Gerais\": %w", text, err)
	}
	return list, nil
}

// listOf writes a list as a field.
func listOf(list []string) string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	if err := w.Write(list); err != nil {
		return "" // a builder takes everything
	}
	w.Flush()
	return strings.TrimSuffix(b.String(), "\n")
}

func rowOf(line int, columns, fields []string) (row admin.ImportRow, err error) {
	row.Line = line
	for i, column := range columns {
		text := unescaped(fields[i])
		switch {
		case text == "":
		case column == "contact":
			row.Contact = contact.Key(text)
		case column == "name":
			row.Name = &text
		case column == "language":
			row.Language = &text
		case column == "opt_in":
			row.Opt = text
		case column == "tags":
			if row.AddTags, err = listIn(text); err != nil {
				return row, err
			}
		case column == "also":
			also, err := listIn(text)
			if err != nil {
				return row, err
			}
			for _, at := range also {
				row.Also = append(row.Also, contact.Key(at))
			}
		default:
			if row.Vars == nil {
				row.Vars = map[string]any{}
			}
			name := variable(column)
			if _, twice := row.Vars[name]; twice {
				return row, fmt.Errorf("var.%s and json.%[1]s both have a value: leave one of them empty", name)
			}
			if row.Vars[name], err = valueOf(column, text); err != nil {
				return row, err
			}
		}
	}
	return row, nil
}

// formula begins what a spreadsheet would compute instead of show.
const formula = "=+-@\t\r"

// cells are what some spreadsheet begins a new cell at, also inside of quotes
// where it takes semicolons for what separates fields.
const cells = ";\t\r\n"

// computes says whether a text, or one with apostrophes before it, is computed
// where a cell begins with it.
func computes(text string) bool {
	plain := strings.TrimLeft(text, "'")
	return plain != "" && strings.ContainsRune(formula, rune(plain[0]))
}

// escaped lets a spreadsheet show a text as it is: by an apostrophe before what
// it would compute. One that begins so itself gets another.
func escaped(text string) string {
	var b strings.Builder
	for i := range len(text) {
		if (i == 0 || strings.IndexByte(cells, text[i-1]) >= 0) && computes(text[i:]) {
			b.WriteByte('\'')
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

func unescaped(text string) string {
	var b strings.Builder
	for i := range len(text) {
		if (i == 0 || strings.IndexByte(cells, text[i-1]) >= 0) && text[i] == '\'' && computes(text[i:]) {
			continue
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

func (p program) importContacts(ctx context.Context, file string, names []string, dry bool) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	rows, mistakes, err := readRows(data, names)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	c, err := p.Client()
	if err != nil {
		return err
	}
	all := append([]admin.Imported{}, mistakes...)
	for page := range slices.Chunk(rows, importPage) {
		var done []admin.Imported
		if _, err := c.Do(ctx, "POST", "/v1/contacts/import", admin.ImportRequest{DryRun: dry, Rows: page}, &done); err != nil {
			return fmt.Errorf("%s: from line %d on: %w (import it again: what is done stays as it is)", file, page[0].Line, err)
		}
		all = append(all, done...)
	}
	slices.SortStableFunc(all, func(a, b admin.Imported) int { return a.Line - b.Line })
	made, wrong := 0, 0
	for _, one := range all {
		if one.Made {
			made++
		}
		if one.Error != "" {
			wrong++
			fmt.Fprintf(p.Stderr, "%s:%d: %s\n", file, one.Line, cli.Printable(one.Error))
		}
	}
	if p.JSON {
		if err := p.PrintJSON(all); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(p.Stdout, "%d contacts: %d new, %d changed, %d rows with mistakes\n", len(all)-wrong, made, len(all)-wrong-made, wrong)
	}
	if wrong > 0 {
		return fmt.Errorf("%s: %d of %d rows were not taken", file, wrong, len(all))
	}
	return nil
}

// Columns of variables: what is in them would not say of 007 or true whether it
// is a text.
const (
	textColumn = "var."
	jsonColumn = "json."
)

// variable is the name of the variable in a column; "": it has none.
func variable(column string) string {
	for _, prefix := range []string{textColumn, jsonColumn} {
		if name, ok := strings.CutPrefix(column, prefix); ok {
			return name
		}
	}
	return ""
}

// columnOf is the column in which a variable comes back as it is. An empty text
// would change nothing in the one for texts, and CSV takes a carriage return for
// a part of a line's end.
func columnOf(name string, value any) string {
	if text, is := value.(string); is && text != "" && !strings.Contains(text, "\r") {
		return textColumn + name
	}
	return jsonColumn + name
}

// fieldOf writes a variable as the field of a column; "" if it belongs into
// another.
func fieldOf(column string, variables map[string]any) (string, error) {
	name := variable(column)
	value, known := variables[name]
	if !known || columnOf(name, value) != column {
		return "", nil
	}
	if text, is := value.(string); is && strings.HasPrefix(column, textColumn) {
		return text, nil
	}
	var data strings.Builder
	encoder := json.NewEncoder(&data)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return strings.TrimSuffix(data.String(), "\n"), err
}

// valueOf reads a field of a column.
func valueOf(column, field string) (value any, err error) {
	if strings.HasPrefix(column, textColumn) {
		return field, nil
	}
	decoder := json.NewDecoder(strings.NewReader(field))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil || !json.Valid([]byte(field)) {
		return nil, fmt.Errorf("%s: %.80q is no JSON: write a text as \"text\", or name the column var.%s", column, field, variable(column))
	}
	return value, nil
}
