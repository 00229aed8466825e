package flows

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/graph"
)

// graphOptions say what "flow graph" draws, and where to.
type graphOptions struct {
	format, run, out string
	version          int
}

// graphFormats are by the endings of files.
var graphFormats = map[string]string{".svg": "svg", ".mmd": "mermaid", ".mermaid": "mermaid", ".md": "mermaid"}

func (p program) graphCommand() *cobra.Command {
	var o graphOptions
	c := &cobra.Command{
		Use:   "graph FILE|ID",
		Short: "Draw a flow, and the way that a run took through it",
		Long: `Draw a flow as the text of a Mermaid flowchart or as an SVG picture. A document
in a file needs no server; otherwise it is a flow of the server, its current
version or the one that --version names. With --run, the way that the run took
is highlighted: the nodes in their order, the edges and how often each was taken,
and where the run failed or is now; a flow of the server is drawn in the version
that the run is of.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return p.flowGraph(c.Context(), args[0], o) },
	}
	c.Flags().StringVar(&o.format, "format", "", "mermaid or svg (default by the ending of -o, else mermaid)")
	c.Flags().StringVar(&o.run, "run", "", "highlight the way of the run with this `id`")
	c.Flags().IntVar(&o.version, "version", 0, "`number` of the version (default the current one)")
	c.Flags().StringVarP(&o.out, "output", "o", "", "`file` to write (default standard output)")
	p.ClientFlags(c)
	return c
}

func (p program) flowGraph(ctx context.Context, name string, o graphOptions) error {
	format := o.format
	if format == "" {
		format = graphFormats[filepath.Ext(o.out)]
	}
	if format == "" {
		format = "mermaid"
	}
	if format != "mermaid" && format != "svg" {
		return cli.Usage(fmt.Sprintf("--format %q: want mermaid or svg", format))
	}
	var c *cli.Client
	inFile := isDocument(name)
	if !inFile || o.run != "" {
		var err error
		if c, err = p.Client(); err != nil {
			return err
		}
	}
	var path *graph.Path
	if o.run != "" {
		var detail admin.RunDetail
		if _, err := c.Do(ctx, "GET", "/v1/runs/"+url.PathEscape(o.run), nil, &detail); err != nil {
			return err
		}
		if !inFile && detail.Flow != name {
			return fmt.Errorf("run %s is of flow %q, not of %q", o.run, detail.Flow, name)
		}
		if o.version == 0 {
			o.version = detail.Version
		}
		path = pathOf(detail)
	}
	f, err := p.document(ctx, c, name, inFile, o.version)
	if err != nil {
		return err
	}
	drawn := graph.New(f, path)
	picture := []byte(drawn.Mermaid())
	if format == "svg" {
		picture = drawn.SVG()
	}
	if o.out != "" {
		return os.WriteFile(o.out, picture, 0o644)
	}
	if p.JSON {
		return p.PrintJSON(map[string]string{"format": format, "graph": string(picture)})
	}
	_, err = p.Stdout.Write(picture)
	return err
}

// isDocument says whether a name is that of a file: no flow's id has a dot or
// a slash.
func isDocument(name string) bool { return strings.ContainsAny(name, `./\`) }

// document reads a flow from a file or asks the server for it.
func (p program) document(ctx context.Context, c *cli.Client, name string, inFile bool, version int) (*flow.Flow, error) {
	if inFile {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		return flow.Parse(name, data)
	}
	path := flowPath(name)
	if version != 0 {
		path += "/versions/" + strconv.Itoa(version)
	}
	var detail admin.VersionDetail
	if _, err := c.Do(ctx, "GET", path, nil, &detail); err != nil {
		if _, statErr := os.Stat(name); !errors.Is(statErr, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w; to draw the file %s write ./%s", err, name, name)
		}
		return nil, err
	}
	return flow.Parse(fmt.Sprintf("%s v%d", name, detail.Number), detail.Document)
}

// pathOf gives the way of a run through its own flow; steps in flows that it
// called are left out.
func pathOf(r admin.RunDetail) *graph.Path {
	path := &graph.Path{Run: r.ID, Trigger: r.Trigger, At: r.Node, Status: string(r.Status)}
	if r.Error != nil && r.Error.Node != "" {
		path.At = r.Error.Node
	}
	for _, s := range r.Steps {
		if s.Flow == "" || s.Flow == r.Flow {
			path.Steps = append(path.Steps, graph.Step{Node: s.Node, Port: s.Port, Sub: s.Path})
		}
	}
	return path
}
