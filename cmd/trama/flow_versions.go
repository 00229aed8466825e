package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/problem"
)

// flowVersionCommands are the commands for the versions of flows.
func (p *program) flowVersionCommands() []*cobra.Command {
	versions := &cobra.Command{
		Use:   "versions ID",
		Short: "List the versions of a flow",
		Long: `List the versions of a flow: when each was published, by which file or the API,
which one is current, and how many live sessions began with it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return p.flowVersions(c.Context(), args[0]) },
	}
	diff := &cobra.Command{
		Use:   "diff ID [FROM] [TO]",
		Short: "Show what changed between two versions of a flow",
		Long: `Show which triggers, nodes and edges were added, removed and changed between two
versions of a flow. TO is the current version if left out, FROM the one before
TO.`,
		Args: cobra.RangeArgs(1, 3),
		RunE: func(c *cobra.Command, args []string) error { return p.flowDiff(c.Context(), args[0], args[1:]) },
	}
	publish := &cobra.Command{
		Use:   "publish FILE...",
		Short: "Publish flow documents through the API, all or none",
		Long: `Publish flow documents through the API: all of them or, if one has a mistake,
none. A document that the current version holds already makes no new one. A flow
that comes from a file of the server's workspace is changed there.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return p.publish(c.Context(), args) },
	}
	var to int
	rollback := &cobra.Command{
		Use:   "rollback ID",
		Short: "Make an older version of a flow the current one, at once",
		Long: `Make an older version of a flow the current one, at once and under its own
number: the version before the current one, or the one that --to names (which
may be a later one, to go forward again). Sessions end on the versions that they
began with.

A flow that comes from a file may be rolled back too. It stays so, over restarts
and "trama apply" as well, until its file holds another document; "trama flow
list" and "trama doctor" show it until then.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("to") && to < 1 {
				return usageError{fmt.Sprintf("--to %d: want the number of a version", to)}
			}
			return p.rollback(c.Context(), args[0], to)
		},
	}
	rollback.Flags().IntVar(&to, "to", 0, "`number` of the version")
	all := []*cobra.Command{versions, diff, publish, rollback}
	p.clientFlags(all...)
	return all
}

func flowPath(id string) string { return "/v1/flows/" + url.PathEscape(id) }

func (p *program) flowVersions(ctx context.Context, id string) error {
	c, err := p.client()
	if err != nil {
		return err
	}
	var versions []admin.VersionInfo
	data, err := c.do(ctx, "GET", flowPath(id)+"/versions", nil, &versions)
	if err != nil {
		return err
	}
	if p.json {
		return p.printJSON(data)
	}
	t := newTable(p.stdout, "VERSION", "PUBLISHED", "BY", "CURRENT", "SESSIONS")
	for _, v := range versions {
		row := []string{strconv.Itoa(v.Number), "not kept", "not kept", "", strconv.Itoa(v.Sessions)}
		if !v.Published.IsZero() {
			row[1], row[2] = when(v.Published), v.Origin.String()
		}
		if v.Current {
			row[3] = "current"
		}
		t.row(row...)
	}
	return t.end()
}

func (p *program) showVersion(ctx context.Context, id string, version int) error {
	c, err := p.client()
	if err != nil {
		return err
	}
	var detail admin.VersionDetail
	data, err := c.do(ctx, "GET", flowPath(id)+"/versions/"+strconv.Itoa(version), nil, &detail)
	if err != nil {
		return err
	}
	if p.json {
		return p.printJSON(data)
	}
	t := newTable(p.stdout)
	t.row("flow", fmt.Sprintf("%s v%d", detail.ID, detail.Number))
	if !detail.Published.IsZero() {
		t.row("published", when(detail.Published))
		t.row("by", detail.Origin.String())
	}
	t.row("current", strconv.FormatBool(detail.Current))
	if err := t.end(); err != nil {
		return err
	}
	fmt.Fprintln(p.stdout)
	return p.printJSON([]byte(detail.Document))
}

func (p *program) flowDiff(ctx context.Context, id string, numbers []string) error {
	query := url.Values{}
	for i, name := range []string{"from", "to"}[:len(numbers)] {
		if n, err := strconv.Atoi(strings.TrimPrefix(numbers[i], "v")); err != nil || n < 1 {
			return usageError{fmt.Sprintf("%q: want the number of a version", numbers[i])}
		}
		query.Set(name, strings.TrimPrefix(numbers[i], "v"))
	}
	c, err := p.client()
	if err != nil {
		return err
	}
	var info admin.DiffInfo
	data, err := c.do(ctx, "GET", flowPath(id)+"/diff?"+query.Encode(), nil, &info)
	if err != nil {
		return err
	}
	if p.json {
		return p.printJSON(data)
	}
	return writeDiff(p.stdout, info)
}

// writeDiff writes differences for people: a line for each part, and its
// fields below.
func writeDiff(w io.Writer, info admin.DiffInfo) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s v%d -> v%d\n", info.ID, info.From, info.To)
	if len(info.Differences) == 0 {
		b.WriteString("nothing differs\n")
	}
	signs := map[string]string{"added": "+", "removed": "-", "changed": "~"}
	for _, d := range info.Differences {
		fmt.Fprintf(&b, "\n%s %s", signs[d.Action], d.Part)
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
				fmt.Fprintf(&b, " (%s)", plain(value))
			case d.Part == "edge" && f.Field == "to" && said:
				fmt.Fprintf(&b, " -> %s", plain(value))
			}
		}
		b.WriteString("\n")
		for _, f := range d.Fields {
			if d.Action == "changed" || !(f.Field == "id" || f.Field == "type" || d.Part == "edge") {
				writeField(&b, f, d.Action == "changed")
			}
		}
	}
	_, err := io.WriteString(w, printable(b.String()))
	return err
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

func (p *program) publish(ctx context.Context, files []string) error {
	texts := make(map[string]string, len(files))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		texts[file] = string(data)
	}
	c, err := p.client()
	if err != nil {
		return err
	}
	var changes []catalog.Change
	_, err = c.do(ctx, "POST", "/v1/flows", texts, &changes)
	if details, ok := errors.AsType[*problem.Details](err); ok && details.Status == http.StatusUnprocessableEntity {
		fmt.Fprintln(p.stderr, printable(details.Detail)) // one line for each mistake
		return errors.New("nothing was published")
	}
	if err != nil {
		return err
	}
	if p.json {
		return p.printJSON(changes)
	}
	if len(changes) == 0 {
		_, err := fmt.Fprintln(p.stdout, "nothing changed")
		return err
	}
	for _, change := range changes {
		if _, err := fmt.Fprintf(p.stdout, "%s v%d is current\n", printable(strings.TrimPrefix(change.Object, "flow/")), change.Version); err != nil {
			return err
		}
	}
	return nil
}

func (p *program) rollback(ctx context.Context, id string, to int) error {
	c, err := p.client()
	if err != nil {
		return err
	}
	var info admin.FlowInfo
	data, err := c.do(ctx, "POST", flowPath(id)+"/rollback", map[string]int{"to": to}, &info)
	if err != nil {
		return err
	}
	if p.json {
		return p.printJSON(data)
	}
	text := fmt.Sprintf("%s v%d is current", info.ID, info.Version)
	if r := info.RolledBack; r != nil {
		text += fmt.Sprintf(", rolled back from v%d", r.From)
		if info.Origin.Kind == "file" {
			text += "; it stays so until " + info.Origin.File + " changes"
		}
	}
	_, err = fmt.Fprintln(p.stdout, printable(text))
	return err
}
