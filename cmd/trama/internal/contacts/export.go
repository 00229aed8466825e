package contacts

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/contact"
)

// exportPage is how many contacts are asked for in one request.
const exportPage = "500"

// maxLooks is how often an export looks for contacts that became one meanwhile.
const maxLooks = 5

// exported are contacts on their way into a file. They wait in another one:
// which variables there are, so which columns, is known behind the last of them,
// and there may be more than the memory holds.
type exported struct {
	tag       string
	file      *os.File
	rows      *bufio.Writer   // as lines of JSON
	variables map[string]bool // columns
	// merged are those that another became while pages were read, by key; gone
	// are the rows that they stand for.
	merged map[contact.Key]admin.ContactInfo
	gone   map[contact.Key]bool
}

// exportContacts writes all contacts, as CSV or JSON. It reads page after page
// while contacts change: who is one all the while is in it once, who is erased
// meanwhile may be, and of those that become one none is lost or there twice.
func (p program) exportContacts(ctx context.Context, tag string) (err error) {
	c, err := p.Client()
	if err != nil {
		return err
	}
	file, err := os.CreateTemp("", "trama-export-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	e := exported{tag, file, bufio.NewWriter(file), map[string]bool{}, map[contact.Key]admin.ContactInfo{}, map[contact.Key]bool{}}
	began, err := eachContact(ctx, c, url.Values{"variables": {"true"}, "tag": {tag}}, e.take)
	if err != nil {
		return err
	}
	// Of two that became one while the pages were read, both have rows, or neither
	// has one that is right. A look may itself be overtaken; who becomes one
	// behind it is, with both rows, as it was when they were read.
	for look := 0; look < maxLooks; look++ {
		since, before := began.Add(-time.Minute).UTC().Format(time.RFC3339), len(e.gone)
		if began, err = eachContact(ctx, c, url.Values{"variables": {"true"}, "merged_since": {since}}, e.merge); err != nil {
			return err
		}
		if len(e.gone) == before {
			break
		}
	}
	for _, one := range e.merged {
		e.name(one)
	}
	if err := e.rows.Flush(); err != nil {
		return err
	}
	if p.JSON {
		return e.writeJSON(p.Stdout)
	}
	return e.writeCSV(p.Stdout)
}

// eachContact reads all pages of a list of contacts, and says when the server
// answered the first.
func eachContact(ctx context.Context, c *cli.Client, query url.Values, take func(admin.ContactInfo) error) (began time.Time, err error) {
	query.Set("limit", exportPage)
	for {
		response, data, err := c.Ask(ctx, "GET", "/v1/contacts?"+query.Encode(), nil)
		if err != nil {
			return began, err
		}
		if response.StatusCode/100 != 2 {
			return began, c.Refused(response, data)
		}
		if began.IsZero() {
			if began, err = http.ParseTime(response.Header.Get("Date")); err != nil {
				return began, fmt.Errorf("the answer of %s says not when it was given: %w", c.Base, err)
			}
		}
		var page []admin.ContactInfo
		if err := c.Decode(data, &page); err != nil {
			return began, err
		}
		for _, one := range page {
			if err := take(one); err != nil {
				return began, err
			}
		}
		after := response.Header.Get(admin.HeaderMore)
		if after == "" {
			return began, nil
		}
		query.Set("after", after)
	}
}

// take keeps a contact.
func (e *exported) take(one admin.ContactInfo) error {
	e.name(one)
	return json.NewEncoder(e.rows).Encode(one)
}

// name keeps which variables a contact has.
func (e *exported) name(one admin.ContactInfo) {
	for name, value := range one.Variables {
		e.variables[columnOf(name, value)] = true
	}
}

// merge takes in that a contact stands for the rows of all of its addresses.
func (e *exported) merge(one admin.ContactInfo) error {
	for _, at := range append(one.Also, one.Key) {
		e.gone[at] = true
		delete(e.merged, at)
	}
	if e.tag == "" || slices.Contains(one.Tags, e.tag) {
		e.merged[one.Key] = one
	}
	return nil
}

// each gives the contacts, at last those that others became.
func (e *exported) each(take func(admin.ContactInfo) error) error {
	if _, err := e.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	rows := json.NewDecoder(bufio.NewReader(e.file))
	rows.UseNumber()
	for {
		var one admin.ContactInfo
		err := rows.Decode(&one)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil && !e.gone[one.Key] {
			err = take(one)
		}
		if err != nil {
			return err
		}
	}
	for _, key := range slices.Sorted(maps.Keys(e.merged)) {
		if err := take(e.merged[key]); err != nil {
			return err
		}
	}
	return nil
}

// writeJSON writes them as one array, as PrintJSON would.
func (e *exported) writeJSON(to io.Writer) error {
	w, before := bufio.NewWriter(to), "[\n  "
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("  ", "  ")
	err := e.each(func(one admin.ContactInfo) error {
		text.Reset()
		if err := encoder.Encode(one); err != nil {
			return err
		}
		_, err := w.WriteString(before + strings.TrimSpace(text.String()))
		before = ",\n  "
		return err
	})
	if err != nil {
		return err
	}
	end := "\n]\n"
	if before[0] == '[' {
		end = "[]\n"
	}
	if _, err := w.WriteString(end); err != nil {
		return err
	}
	return w.Flush()
}

func (e *exported) writeCSV(to io.Writer) error {
	w, columns := csv.NewWriter(to), slices.SortedFunc(maps.Keys(e.variables), func(a, b string) int {
		return cmp.Or(strings.Compare(variable(a), variable(b)), strings.Compare(b, a))
	})
	if err := w.Write(append(contactColumns(), columns...)); err != nil {
		return err
	}
	err := e.each(func(one admin.ContactInfo) error {
		also := make([]string, len(one.Also))
		for i, at := range one.Also {
			also[i] = string(at)
		}
		row := []string{string(one.Key), listOf(also), one.Name, one.Language, one.Opts[one.Key].State, listOf(one.Tags)}
		for _, column := range columns {
			field, err := fieldOf(column, one.Variables)
			if err != nil {
				return fmt.Errorf("contact %s: %w", one.Key, err)
			}
			row = append(row, field)
		}
		for i := range row {
			row[i] = escaped(row[i])
		}
		return w.Write(row)
	})
	if err != nil {
		return err
	}
	w.Flush()
	return w.Error()
}
