package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/pdk/abi"
)

// inspection is what a file shows without a server.
type inspection struct {
	File    string `json:"file"`
	Bundled bool   `json:"bundled"`
	sandbox.Info
	Manifest *abi.Manifest `json:"manifest,omitempty"`
	// Grant is what the manifest asks for, as a grant that gives all of it.
	Grant *grant.Grant `json:"grant,omitempty"`
}

func (p *program) inspectFile(ctx context.Context, path string) error {
	wasm, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	info, err := sandbox.Inspect(wasm)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	found := inspection{File: path, Info: info}
	manifest, digest, failure := describe(ctx, path)
	if failure == nil {
		found.SHA256 = digest // covers the manifest beside the file, if it has its own there
		found.Bundled = slices.Contains(bundledDigests(), digest)
		asked := grant.Request(manifest, digest)
		if found.Bundled {
			asked.Of = grant.OfBundled // holds for the next build's too
		}
		found.Manifest, found.Grant = &manifest, &asked
	}
	if p.json {
		err = p.printJSON(found)
	} else {
		err = writeInspection(p.stdout, found)
	}
	if failure != nil { // the module is shown all the same: it may say why
		failure = fmt.Errorf("%s: %w", path, failure)
	}
	return errors.Join(err, failure)
}

// describe asks a plugin's file for its manifest and digest, in a sandbox of its own.
func describe(ctx context.Context, path string) (m abi.Manifest, digest string, err error) {
	box, done, err := openSandbox()
	if err != nil {
		return abi.Manifest{}, "", err
	}
	defer func() { err = errors.Join(err, done(ctx)) }()
	return plugin.Inspect(ctx, box, path)
}

func writeInspection(w io.Writer, found inspection) error {
	t := newTable(w)
	t.row("file", found.File)
	t.row("sha256", found.SHA256)
	t.row("size", fmt.Sprintf("%d bytes, %d functions, memory from %s", found.Size, found.Functions, grant.Size(found.MemoryMin)))
	t.row("bundled", yesNo(found.Bundled))
	if err := t.end(); err != nil {
		return err
	}
	if found.Manifest != nil {
		fmt.Fprintln(w)
		if err := writeManifest(w, *found.Manifest); err != nil {
			return err
		}
	}
	sections := [][]string{}
	for _, s := range found.Sections {
		sections = append(sections, []string{s.Name, strconv.FormatInt(s.Bytes, 10) + " bytes"})
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
	t := newTable(w)
	for _, cells := range rows {
		cells[0] = "  " + cells[0]
		t.row(cells...)
	}
	return t.end()
}

// writeManifest writes what a plugin says of itself.
func writeManifest(w io.Writer, m abi.Manifest) error {
	t := newTable(w)
	t.row("plugin", m.Name+" "+m.Version)
	t.row("kind", fmt.Sprintf("%s, abi %d", m.Kind, m.ABI))
	for _, line := range [][2]string{{"title", m.Title}, {"about", m.Description}, {"sends", strings.Join(m.Sends, ", ")}} {
		if line[1] != "" {
			t.row(line[0], line[1])
		}
	}
	if err := t.end(); err != nil {
		return err
	}
	operations := [][]string{}
	for _, op := range m.Operations {
		operations = append(operations, []string{m.Name + "." + op.Name, string(op.Effect), cmp.Or(op.Title, op.Description)})
	}
	return errors.Join(writeList(w, "operations", operations), writeList(w, "asks for", requests(m)))
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
	if n := grant.Request(m, "").KV; n > 0 {
		rows = append(rows, []string{"kv", n.String() + " remembered of each contact"})
	}
	if w := m.Webhook; w != nil {
		if w.Signature != nil {
			rows = append(rows, []string{"webhook", "secret " + w.Signature.Secret + " of the channel, for signatures"})
		}
		if w.Handshake != nil {
			rows = append(rows, []string{"webhook", "secret " + w.Handshake.Secret + " of the channel, for the handshake"})
		}
	}
	if limits := grant.Request(m, "").Limits; limits != (grant.Limits{}) {
		rows = append(rows, []string{"limits", compact(limits, 0)})
	}
	if len(rows) == 0 {
		rows = append(rows, []string{"nothing: it computes"})
	}
	return rows
}
