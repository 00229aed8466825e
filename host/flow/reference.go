package flow

import (
	"fmt"
	"slices"
	"strings"

	"github.com/invopop/jsonschema"
)

// Reference gives the reference of triggers and built-in nodes, as Markdown. It
// is made from what this package declares, so that it says what is true.
// example gives a flow document that shows a type of node, or ""; nil: none.
func Reference(example func(nodeType string) string) string {
	var b strings.Builder
	b.WriteString("# Triggers and nodes\n\n")
	b.WriteString("Made by `trama flow reference`: change what it says where host/flow declares it.\n\n")
	b.WriteString(common)
	b.WriteString("## Triggers\n\nEvery flow has one at least; an edge leads from it to the first node. Fields of all: `id`, `type`.\n\n")
	b.WriteString("| type | starts with |\n|---|---|\n")
	for _, k := range TriggerKinds() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", k.Type, cell(k.Doc))
	}
	b.WriteString("\n")
	trigger := item(reflector().Reflect(&Flow{}), "triggers")
	writeFields(&b, trigger, "id", "type")
	for _, group := range []Group{GroupAction, GroupControl, GroupResponse} {
		fmt.Fprintf(&b, "## %s\n\n", group)
		for _, k := range Kinds() {
			if k.Group == group {
				writeKind(&b, k, example)
			}
		}
	}
	return b.String()
}

// common is what holds for all nodes.
const common = "A node has an `id`, a `type`, its settings under `with`, and ports; an edge `{from, port, to}` leads from a port to the next node, `port: next` if it is left out. Where no edge leaves a port, the run ends. Values under `with` may hold `{{ expressions }}` over `input`, `flow`, `user`, `env`, `trigger`, `nodes`, `error` and `now`; the author's text is expanded once, and never what a value contains. `user` holds the variables that flows have set and always `channel`, `address`, `profile_name` (as the channel gives it), `tags`, `key`, which names the contact: `<channel>/<scheme>:<address>`, and `heard_at`, when the contact wrote last from the address, or null: `user.heard_at != nil and now - date(user.heard_at) < duration(\"24h\")` says that WhatsApp still takes any message, and not templates alone.\n\n" +
	"**Errors.** A node that fails leaves by its port `error`, with `error` as `{code, message, node, attempt, retryable, detail}`. If that port has no edge, the run goes on at the flow's `on_error` node, once, and fails if there is none. A sub-run's error goes to the node that began it.\n\n" +
	"**Calls.** All other types are `<plugin>.<operation>`: they call a plugin, with `connection` naming the configured system, `timeout` bounding one call, and `retry: {attempts, backoff}` repeating one whose error may pass: the pause is doubled each time, give or take a fifth, and is longer if the other system asks for it. `run_code` takes them too, without a connection for `retry`; nodes that call no plugin have nothing to repeat and are refused with them. The output is what the plugin returned; the ports are `next` and `error`.\n\n" +
	"**Bounds.** A run may pass 1000 nodes without a wait, and hold 16 MiB of values; 8 MiB as JSON whenever it must be stored, which is before a call that is not pure and after it; 256 KiB while it waits. A failed run of 1 MiB as JSON at most is kept for `trama runs retry`. 10 flows and sub-runs may be in one another. What is over a bound fails with the code `limit` and a sentence that says what to do; a run that holds too much ends there, past error ports and `on_error`, since what they see would be too much as well.\n\n" +
	"**Time spans** are texts such as `30s`, `10m`, `2h`, `3d`, `1w` or `1d12h`, or numbers of seconds: a second at least, 366 days at most.\n\n"

func writeKind(b *strings.Builder, k Kind, example func(string) string) {
	fmt.Fprintf(b, "### %s\n\n%s\n\n", k.Type, k.Doc)
	switch k.Needs {
	case NeedsContact:
		b.WriteString("Works in the conversation of a contact only.\n\n")
	case NeedsCaller:
		b.WriteString("Works only in a run that a caller of the gateway waits for.\n\n")
	}
	writeFields(b, reflector().Reflect(k.Config()))
	if c, ok := k.Config().(interface{ tables() string }); ok {
		b.WriteString(c.tables())
	}
	b.WriteString("| port | taken when |\n|---|---|\n")
	if own, ok := k.Config().(interface{ portsDoc() string }); ok {
		fmt.Fprintf(b, "| its own | %s |\n", cell(own.portsDoc()))
	}
	for _, p := range k.Ports {
		fmt.Fprintf(b, "| `%s` | %s |\n", p.Name, cell(p.Doc))
	}
	b.WriteString("\n")
	if example == nil {
		return
	}
	if text := example(k.Type); text != "" {
		fmt.Fprintf(b, "```yaml\n%s\n```\n\n", strings.TrimSpace(text))
	}
}

// writeFields writes a table of the fields of a struct, but for some.
func writeFields(b *strings.Builder, s *jsonschema.Schema, but ...string) {
	var rows []string
	var add func(s *jsonschema.Schema, at string)
	add = func(s *jsonschema.Schema, at string) {
		if s.Properties == nil {
			return
		}
		for p := s.Properties.Oldest(); p != nil; p = p.Next() {
			name := at + p.Key
			if slices.Contains(but, name) {
				continue
			}
			must := ""
			if slices.Contains(s.Required, p.Key) {
				must = "yes"
			}
			rows = append(rows, fmt.Sprintf("| `%s` | %s | %s |", name, must, cell(p.Value.Description)))
			switch {
			case p.Value.Items != nil:
				add(p.Value.Items, name+"[].")
			case p.Value.Properties != nil:
				add(p.Value, name+".")
			}
		}
	}
	add(s, "")
	if len(rows) > 0 {
		fmt.Fprintf(b, "| field | must be set | meaning |\n|---|---|---|\n%s\n\n", strings.Join(rows, "\n"))
	}
}

// cell makes a text fit into a table.
func cell(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "|", `\|`), "\n", " ")
}
