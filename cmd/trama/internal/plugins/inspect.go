package plugins

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/trama-run/trama/cmd/trama/internal/cli"
	"github.com/trama-run/trama/cmd/trama/internal/local"
	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/host/seal"
	"github.com/trama-run/trama/pdk/abi"
)

// inspection is what a file shows without a server.
type inspection struct {
	File    string `json:"file"`
	Bundled bool   `json:"bundled"`
	sandbox.Info
	// Signature is by the trusted keys of the workspace.
	Signature seal.Status   `json:"signature"`
	Manifest  *abi.Manifest `json:"manifest,omitempty"`
	// ManifestFrom is where the manifest is: "describe", "section" or "file".
	ManifestFrom string `json:"manifest_from,omitempty"`
	// Grant is what the manifest asks for, as a grant that gives all of it.
	Grant *grant.Grant `json:"grant,omitempty"`
	// Verdict is what a server without a grant for it makes of the file, and why.
	Verdict string `json:"verdict"`
}

func (p program) inspectFile(ctx context.Context, arg string) error {
	path, err := local.PluginFile(ctx, p.Program, arg)
	if err != nil {
		return err
	}
	wasm, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	info, failure := sandbox.Inspect(wasm)
	if failure != nil && len(info.Sections) == 0 {
		return fmt.Errorf("%s: %w", path, failure)
	}
	trusted, err := p.trusted("")
	if err != nil {
		return err
	}
	found := inspection{File: path, Info: info, Signature: plugin.Signature(wasm, trusted)}
	if failure == nil {
		failure = found.describe(ctx, p.Bundled)
	}
	if failure != nil {
		found.Verdict = "refused: " + failure.Error()
		if refused, ok := errors.AsType[*sandbox.Error](failure); ok {
			found.Verdict = "refused: " + refused.ABI().Message
		}
	}
	if p.JSON {
		err = p.PrintJSON(found)
	} else {
		err = writeInspection(p.Stdout, found)
	}
	if failure != nil { // the module is shown all the same: it may say why
		failure = fmt.Errorf("%s: %w", path, failure)
	}
	return errors.Join(err, failure)
}

// describe adds what the manifest says, and what follows from it.
func (found *inspection) describe(ctx context.Context, bundled []string) error {
	manifest, digest, err := local.Describe(ctx, found.File)
	if err != nil {
		return err
	}
	found.SHA256 = digest // covers the manifest beside the file, if it has its own there
	found.Bundled = slices.Contains(bundled, digest)
	asked := grant.Request(manifest, digest)
	if found.Bundled {
		asked.Of = grant.OfBundled // holds for the next build's too
	}
	found.Manifest, found.Grant = &manifest, &asked
	found.ManifestFrom = manifestFrom(found.Info)
	found.Verdict = "ready: it belongs to this build, and asks for nothing"
	if d := grant.Decide(manifest, grant.Content{Digest: digest, Bundled: found.Bundled}, nil); d.Status != grant.Granted {
		found.Verdict = "pending: " + d.Reason
		if len(d.Missing) > 0 {
			found.Verdict += "; it asks for " + strings.Join(d.Missing, ", ")
		}
	}
	return nil
}

// manifestFrom tells where a host reads a module's manifest.
func manifestFrom(info sandbox.Info) string {
	switch {
	case slices.ContainsFunc(info.Exports, func(e sandbox.Export) bool { return e.Name == abi.FuncDescribe }):
		return "describe"
	case slices.ContainsFunc(info.Sections, func(s sandbox.Section) bool { return s.Name == "custom "+abi.SectionManifest }):
		return "section"
	}
	return "file"
}

func writeInspection(w io.Writer, found inspection) error {
	t := cli.NewTable(w)
	t.Row("file", found.File)
	t.Row("sha256", found.SHA256)
	t.Row("size", fmt.Sprintf("%d bytes, %d functions, memory from %s", found.Size, found.Functions, grant.Size(found.MemoryMin)))
	t.Row("bundled", yesNo(found.Bundled))
	t.Row("signature", signature(found.Signature))
	switch found.ManifestFrom {
	case "describe":
		t.Row("manifest", "what its export describe gives")
	case "section":
		t.Row("manifest", "in the file, in the section "+abi.SectionManifest)
	case "file":
		t.Row("manifest", "in "+strings.TrimSuffix(found.File, ".wasm")+".yaml, beside the file")
	}
	t.Row("verdict", found.Verdict)
	if err := t.End(); err != nil {
		return err
	}
	if found.Manifest != nil {
		fmt.Fprintln(w)
		if err := writeManifest(w, *found.Manifest); err != nil {
			return err
		}
	}
	sections := [][]string{}
	for _, s := range slices.SortedStableFunc(slices.Values(found.Sections), func(a, b sandbox.Section) int { return cmp.Compare(b.Bytes, a.Bytes) }) {
		sections = append(sections, []string{s.Name, strconv.FormatInt(s.Bytes, 10) + " bytes", fmt.Sprintf("%.1f%%", 100*float64(s.Bytes)/float64(found.Size))})
	}
	imports := [][]string{}
	for _, i := range found.Imports {
		imports = append(imports, []string{i.Module, i.Name + i.Signature})
	}
	exports := [][]string{}
	for _, e := range found.Exports {
		exports = append(exports, []string{e.Kind, e.Name + e.Signature})
	}
	if err := errors.Join(writeList(w, "imports", imports), writeList(w, "exports", exports), writeList(w, "sections", sections)); err != nil {
		return err
	}
	if found.Grant == nil {
		return nil
	}
	heading := "grant, to give all that it asks for"
	if len(found.Grant.Keys) > 0 {
		heading += "; name your own keys"
	}
	_, err := fmt.Fprintf(w, "\n%s\n  %s\n", heading, found.Grant)
	return err
}

// writeList writes rows under a heading.
func writeList(w io.Writer, heading string, rows [][]string) error {
	if len(rows) == 0 {
		return nil
	}
	fmt.Fprintf(w, "\n%s\n", heading)
	t := cli.NewTable(w)
	for _, cells := range rows {
		cells[0] = "  " + cells[0]
		t.Row(cells...)
	}
	return t.End()
}

// writeManifest writes what a plugin says of itself.
func writeManifest(w io.Writer, m abi.Manifest) error {
	t := cli.NewTable(w)
	t.Row("plugin", m.Name+" "+m.Version)
	t.Row("kind", fmt.Sprintf("%s, abi %d", m.Kind, m.ABI))
	for _, line := range [][2]string{{"title", m.Title}, {"about", m.Description}, {"sends", strings.Join(m.Sends, ", ")}} {
		if line[1] != "" {
			t.Row(line[0], line[1])
		}
	}
	if err := t.End(); err != nil {
		return err
	}
	operations := [][]string{}
	for _, op := range m.Operations {
		operations = append(operations, []string{m.Name + "." + op.Name, string(op.Effect), cmp.Or(op.Title, op.Description)})
	}
	return errors.Join(writeList(w, "operations", operations), writeList(w, "asks for", requests(m)))
}

// settings lists those that a grant gives to a plugin.
func settings(m abi.Manifest) (rows [][]string) {
	var schema struct {
		Properties map[string]struct{ Title, Description string }
	}
	if m.Kind == abi.KindChannel || json.Unmarshal(m.Config, &schema) != nil { // no schema: the verdict says so
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		about := schema.Properties[name]
		if slices.Contains(grant.RequiredConfig(m), name) {
			name += ", which must be given"
		}
		rows = append(rows, []string{"setting", name, cmp.Or(about.Description, about.Title)})
	}
	return rows
}

// requests lists what a manifest asks the operator for.
func requests(m abi.Manifest) [][]string {
	rows := [][]string{}
	for _, e := range m.Capabilities.Egress {
		if e == abi.EgressConnection {
			e = "connection (the base URLs of the connections that use it)"
		}
		rows = append(rows, []string{"egress", e})
	}
	for _, s := range m.Capabilities.Secrets {
		where := s.Name + " in " + strings.Join(s.Places, ", ")
		if len(s.Origins) > 0 {
			where += " for " + strings.Join(s.Origins, ", ")
		}
		rows = append(rows, []string{"secret", where, s.Reason})
	}
	for _, algorithm := range m.Capabilities.Sign {
		rows = append(rows, []string{"sign", algorithm + " with a key of the host"})
	}
	rows = append(rows, settings(m)...)
	if n := grant.Request(m, "").KV; n > 0 {
		rows = append(rows, []string{"kv", n.String() + " remembered of each contact"})
	}
	if w := m.Webhook; w != nil {
		if w.Signature != nil {
			rows = append(rows, []string{"webhook", "secret " + w.Signature.Secret + " of the channel, for signatures"})
		}
		if w.Token != nil {
			rows = append(rows, []string{"webhook", "secret " + w.Token.Secret + " of the channel, for the header " + w.Token.Header})
		}
		if w.Handshake != nil {
			rows = append(rows, []string{"webhook", "secret " + w.Handshake.Secret + " of the channel, for the handshake"})
		}
	}
	if limits := grant.Request(m, "").Limits; limits != (grant.Limits{}) {
		rows = append(rows, []string{"limits", cli.Compact(limits, 0)})
	}
	if len(rows) == 0 {
		rows = append(rows, []string{"nothing: it computes"})
	}
	return rows
}
