// Package plugins_test holds the page on the plugins of this build to what
// their manifests say.
package plugins_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/trama-run/trama/pdk/abi"
)

//go:generate go test . -run TestReadme -update

var update = flag.Bool("update", false, "write README.md")

// ownManifest is what the host itself does for flows, in the form of a plugin.
const ownManifest = "../host/native/manifest.json"

// The part of README.md that is made of the manifests stands between these.
const (
	begin = "<!-- made of the manifests: go generate ./plugins -->\n"
	end   = "<!-- end of what is made of the manifests -->\n"
)

func TestReadme(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), begin)
	_, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		t.Fatal("README.md lacks the marks around what is made of the manifests")
	}
	want := before + begin + "\n" + reference(t) + end + after
	if *update {
		if err := os.WriteFile("README.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(page) != want {
		t.Error("README.md is not what the manifests say now: run go generate ./plugins")
	}
}

// reference describes each plugin.
func reference(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("*/manifest.json")
	if err != nil || len(files) < 6 {
		t.Fatalf("manifests %q (%v), want at least six", files, err)
	}
	var b strings.Builder
	for _, file := range append(files, ownManifest) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var m abi.Manifest
		if err := json.Unmarshal(data, &m); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if own := file == ownManifest; !own && m.Name != filepath.Dir(file) {
			t.Errorf("%s is the manifest of %s", file, m.Name)
		}
		fmt.Fprintf(&b, "### %s\n\nA %s, version %s. %s\n\nAsks for: %s.\n\n", m.Name, m.Kind, m.Version, m.Description, asks(m))
		if len(m.Sends) > 0 {
			fmt.Fprintf(&b, "Sends the [messages](#messages) %s.\n\n", code(m.Sends))
		}
		if config := properties(t, m.Config); config != "" {
			fmt.Fprintf(&b, "Settings of a channel: %s.\n\n", config)
		}
		if len(m.Operations) == 0 {
			continue
		}
		b.WriteString("| operation | effect | input | output |\n|---|---|---|---|\n")
		for _, op := range m.Operations {
			fmt.Fprintf(&b, "| `%s.%s`<br>*%s*<br>%s | %s | %s | %s |\n", m.Name, op.Name, op.Titles["pt-BR"], op.Description, op.Effect, shape(t, op.Input), shape(t, op.Output))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// asks says what an operator is asked for.
func asks(m abi.Manifest) string {
	var all []string
	add := func(what string, names []string) {
		if len(names) > 0 {
			all = append(all, what+" "+code(names))
		}
	}
	add("egress", m.Capabilities.Egress)
	for _, s := range m.Capabilities.Secrets {
		add("the secret", []string{s.Name})
	}
	add("keys for", m.Capabilities.Sign)
	if m.Capabilities.KVBytes > 0 {
		all = append(all, fmt.Sprintf("%d bytes of memory of each contact", m.Capabilities.KVBytes))
	}
	if w := m.Webhook; w != nil && w.Signature != nil {
		add("the channel's secret", []string{w.Signature.Secret})
	}
	if w := m.Webhook; w != nil && w.Handshake != nil {
		add("the channel's secret", []string{w.Handshake.Secret})
	}
	if m.Limits.MemoryBytes > 0 {
		all = append(all, fmt.Sprintf("%d MiB of memory", m.Limits.MemoryBytes>>20))
	}
	return cmp.Or(strings.Join(all, "; "), "nothing, it computes")
}

func code(names []string) string { return "`" + strings.Join(names, "`, `") + "`" }

// shape sums a schema up in a cell: its members, those that must be there in
// bold, or else what it says of itself.
func shape(t *testing.T, schema json.RawMessage) string {
	t.Helper()
	var s struct {
		Description string `json:"description"`
	}
	if err := json.Unmarshal(schema, &s); err != nil {
		t.Fatalf("schema %s: %v", schema, err)
	}
	return cmp.Or(properties(t, schema), s.Description)
}

// properties lists the members of a schema's objects, in its order.
func properties(t *testing.T, schema json.RawMessage) string {
	t.Helper()
	if len(schema) == 0 {
		return ""
	}
	var s struct {
		Properties json.RawMessage `json:"properties"`
		Required   []string        `json:"required"`
	}
	if err := json.Unmarshal(schema, &s); err != nil {
		t.Fatalf("schema %s: %v", schema, err)
	}
	var list []string
	for _, p := range members(t, s.Properties) {
		name := "`" + p.name + "`"
		if slices.Contains(s.Required, p.name) {
			name = "**" + name + "**"
		}
		list = append(list, name+p.kind)
	}
	return strings.Join(list, ", ")
}

// object is a schema inside another, of an object or of an array's items.
type object struct {
	Properties json.RawMessage `json:"properties"`
	Required   []string        `json:"required"`
}

// names lists what an object may have, without a word on that.
func (o object) names(t *testing.T) string {
	var names []string
	for _, p := range members(t, o.Properties) {
		if slices.Contains(o.Required, p.name) {
			p.name = "**" + p.name + "**"
		}
		names = append(names, p.name)
	}
	if names == nil {
		return ""
	}
	return " (" + strings.Join(names, ", ") + ")"
}

// member is one of a schema's properties; kind is its type and, of an object, what
// it may have, with a space before it, or nothing.
type member struct{ name, kind string }

// members reads an object of schemas in the order in which it is written.
func members(t *testing.T, data json.RawMessage) (list []member) {
	t.Helper()
	if len(data) == 0 {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if _, err := decoder.Token(); err != nil { // {
		t.Fatal(err)
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		var s struct {
			object
			Type  any    `json:"type"`
			Items object `json:"items"`
		}
		if err := decoder.Decode(&s); err != nil {
			t.Fatal(err)
		}
		m := member{name: name.(string)}
		switch kind := s.Type.(type) {
		case string:
			m.kind = " " + kind
		case []any:
			var kinds []string
			for _, k := range kind {
				kinds = append(kinds, k.(string))
			}
			m.kind = " " + strings.Join(kinds, " or ")
		}
		m.kind += s.names(t) + s.Items.names(t)
		list = append(list, m)
	}
	return list
}
