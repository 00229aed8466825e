package flows

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/change"
	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/catalog"
)

// versionCommands are the commands for the versions of flows.
func (p program) versionCommands() []*cobra.Command {
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
				return cli.Usage(fmt.Sprintf("--to %d: want the number of a version", to))
			}
			return p.rollback(c.Context(), args[0], to)
		},
	}
	rollback.Flags().IntVar(&to, "to", 0, "`number` of the version")
	remove := &cobra.Command{
		Use:   "remove ID",
		Short: "Remove a flow that was published through the API",
		Long: `Remove a flow that was published through the API: nothing starts it any more.
Sessions that began with it end on their versions, which are kept; publishing it
again goes on counting them.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return change.Make(c.Context(), p.Program, "DELETE", flowPath(args[0]), nil)
		},
	}
	all := []*cobra.Command{versions, diff, publish, rollback, remove}
	p.ClientFlags(all...)
	return all
}

func flowPath(id string) string { return "/v1/flows/" + url.PathEscape(id) }

func (p program) flowVersions(ctx context.Context, id string) error {
	var versions []admin.VersionInfo
	if done, err := p.Fetch(ctx, flowPath(id)+"/versions", &versions); done || err != nil {
		return err
	}
	t := cli.NewTable(p.Stdout, "VERSION", "PUBLISHED", "BY", "CURRENT", "SESSIONS")
	for _, v := range versions {
		row := []string{strconv.Itoa(v.Number), "not kept", "not kept", "", strconv.Itoa(v.Sessions)}
		if !v.Published.IsZero() {
			row[1], row[2] = cli.When(v.Published), v.Origin.String()
		}
		if v.Current {
			row[3] = "current"
		}
		t.Row(row...)
	}
	return t.End()
}

func (p program) showVersion(ctx context.Context, id string, version int) error {
	var detail admin.VersionDetail
	if done, err := p.Fetch(ctx, flowPath(id)+"/versions/"+strconv.Itoa(version), &detail); done || err != nil {
		return err
	}
	t := cli.NewTable(p.Stdout)
	t.Row("flow", fmt.Sprintf("%s v%d", detail.ID, detail.Number))
	if !detail.Published.IsZero() {
		t.Row("published", cli.When(detail.Published))
		t.Row("by", detail.Origin.String())
	}
	t.Row("current", strconv.FormatBool(detail.Current))
	if err := t.End(); err != nil {
		return err
	}
	fmt.Fprintln(p.Stdout)
	return p.PrintJSON([]byte(detail.Document))
}

func (p program) flowDiff(ctx context.Context, id string, numbers []string) error {
	query := url.Values{}
	for i, name := range []string{"from", "to"}[:len(numbers)] {
		if n, err := strconv.Atoi(strings.TrimPrefix(numbers[i], "v")); err != nil || n < 1 {
			return cli.Usage(fmt.Sprintf("%q: want the number of a version", numbers[i]))
		}
		query.Set(name, strings.TrimPrefix(numbers[i], "v"))
	}
	var info admin.DiffInfo
	if done, err := p.Fetch(ctx, flowPath(id)+"/diff?"+query.Encode(), &info); done || err != nil {
		return err
	}
	return writeDiff(p.Stdout, info)
}

// writeDiff writes differences for people: a line for each part, and its
// fields below.
func writeDiff(w io.Writer, info admin.DiffInfo) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s v%d -> v%d\n", info.ID, info.From, info.To)
	if len(info.Differences) == 0 {
		b.WriteString("nothing differs\n")
	}
	change.WriteDifferences(&b, info.Differences)
	_, err := io.WriteString(w, cli.Printable(b.String()))
	return err
}

func (p program) publish(ctx context.Context, files []string) error {
	texts := make(map[string]string, len(files))
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		texts[file] = string(data)
	}
	c, err := p.Client()
	if err != nil {
		return err
	}
	var changes []catalog.Change
	_, err = c.Do(ctx, "POST", "/v1/flows", texts, &changes)
	if err != nil {
		return change.Mistakes(p.Program, err, "nothing was published")
	}
	if p.JSON {
		return p.PrintJSON(changes)
	}
	if len(changes) == 0 {
		_, err := fmt.Fprintln(p.Stdout, "nothing changed")
		return err
	}
	for _, change := range changes {
		if _, err := fmt.Fprintf(p.Stdout, "%s v%d is current\n", cli.Printable(strings.TrimPrefix(change.Object, "flow/")), change.Version); err != nil {
			return err
		}
	}
	return nil
}

func (p program) rollback(ctx context.Context, id string, to int) error {
	c, err := p.Client()
	if err != nil {
		return err
	}
	var info admin.FlowInfo
	data, err := c.Do(ctx, "POST", flowPath(id)+"/rollback", map[string]int{"to": to}, &info)
	if err != nil {
		return err
	}
	if p.JSON {
		return p.PrintJSON(data)
	}
	text := fmt.Sprintf("%s v%d is current", info.ID, info.Version)
	if r := info.RolledBack; r != nil {
		text += fmt.Sprintf(", rolled back from v%d", r.From)
		if info.Origin.Kind == "file" {
			text += "; it stays so until " + info.Origin.File + " changes"
		}
	}
	_, err = fmt.Fprintln(p.Stdout, cli.Printable(text))
	return err
}
