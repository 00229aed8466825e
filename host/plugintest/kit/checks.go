package kit

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/trama-run/trama/host/grant"
	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/plugintest"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/host/schema"
	"github.com/trama-run/trama/pdk/abi"
)

func (k *kit) schemas() error {
	if len(k.Manifest.Operations) == 0 && k.Manifest.Kind == abi.KindConnector {
		k.find("$.operations", "declare one, with the function that it calls", "there is none, and nothing else of a connector is ever called")
	}
	if len(k.Manifest.Operations) == 0 && len(k.Manifest.Config) == 0 {
		k.untried("there are no operations, and no settings of a channel in config")
	}
	for i, op := range k.Manifest.Operations {
		for _, side := range []struct {
			name   string
			schema json.RawMessage
		}{{"input", op.Input}, {"output", op.Output}} {
			where := place(i, "."+side.name)
			if len(side.schema) == 0 {
				k.find(where, "write a JSON Schema (2020-12); {} takes anything, and a title says what", "operation %s has no schema of its %s", op.Name, side.name)
			} else if _, err := compile(side.schema); err != nil {
				k.find(where, "write a JSON Schema of draft 2020-12, which refers to its own parts alone", "%v", err)
			}
		}
	}
	if len(k.Manifest.Config) > 0 {
		if _, err := compile(k.Manifest.Config); err != nil {
			k.find("$.config", "write a JSON Schema of draft 2020-12, which refers to its own parts alone", "%v", err)
		}
	}
	return nil
}

func compile(data json.RawMessage) (*schema.Schema, error) {
	document, err := plugintest.ParseJSON(data)
	if err != nil {
		return nil, err
	}
	return schema.Compile(document)
}

// examples holds the examples against their schemas, and runs them.
func (k *kit) examples() error {
	for i, op := range k.Manifest.Operations {
		if len(op.Examples) == 0 {
			k.find(place(i, ".examples"), "give at least one with its input and its output or error: they are its tests, and what people see of it", "operation %s has no example", op.Name)
		}
		for j, e := range op.Examples {
			where := place(i, fmt.Sprintf(".examples[%d]", j))
			if wrong := plugin.Unfit(k.Manifest, e.Config); wrong != "" {
				k.find(where+".config", "give the example settings with which a server calls the plugin, or mend the schema", "the example breaks the manifest's own schema of settings: %s", wrong)
			}
			switch {
			case e.Output == nil && e.Error == nil:
				k.find(where, "add output or error", "the example says nothing of its end")
			case e.Output != nil && e.Error != nil:
				k.find(where, "keep one", "the example has an output and an error")
			case e.Output != nil: // what fails may fail for its input
				k.suits(where+".input", op.Input, e.Input)
				k.suits(where+".output", op.Output, e.Output)
			}
		}
	}
	passed := 0
	for _, c := range plugintest.Examples(k.Manifest) {
		k.calls++
		r, err := k.Plugin.Run(k.ctx, c)
		if err != nil {
			return err
		}
		if r.Outcome.Error != nil {
			k.failures = append(k.failures, failure{c.Operation, r.Outcome.Error, r.Outcome.Kind, r.Outcome.Said})
		}
		k.outcomes = append(k.outcomes, r)
		if len(r.Differences) == 0 {
			passed++
		}
		for _, d := range r.Differences {
			k.find(c.Name, "mend the operation or its example", "%s", d)
		}
		if r.Outcome.Error == nil {
			i := slices.IndexFunc(k.functions, func(f function) bool { return f.name == c.Operation })
			k.gives(k.functions[i], fmt.Sprintf("the input of %q", c.Name), r.Outcome.Output)
		}
	}
	k.now.Detail = fmt.Sprintf("%d passed", passed)
	if len(k.outcomes) == 0 {
		k.untried("there is no example")
	}
	return nil
}

// suits holds a value of an example against its schema.
func (k *kit) suits(where string, of, value json.RawMessage) {
	s, err := compile(of)
	if len(of) == 0 || err != nil {
		return // said by the check of schemas
	}
	document, err := plugintest.ParseJSON(value)
	if err != nil {
		return // no manifest that a host reads has what is no JSON
	}
	for _, v := range s.Check(document) {
		k.find(where, "mend the example or the schema", "the example breaks the operation's own schema: %s: %s", v.Pointer, v.Message)
	}
}

// limits looks at what the examples took: a larger input takes more.
func (k *kit) limits() error {
	if len(k.outcomes) == 0 {
		k.untried("there is no example to measure")
		return nil
	}
	var fuel, memory int64
	for _, r := range k.outcomes {
		fuel, memory = max(fuel, r.Outcome.Fuel), max(memory, r.Outcome.Memory)
		for _, took := range []struct {
			what, field string
			used, limit int64
		}{{"fuel", "fuel", r.Outcome.Fuel, k.Limits.Fuel}, {"memory", "memory_bytes", r.Outcome.Memory, k.Limits.Memory}} {
			if took.used > took.limit/2 {
				k.find("$.limits."+took.field, "do less in a call, or ask for more than that in the manifest's limits", "the example %q took %d of the %d that its calls have of %s", r.Case.Name, took.used, took.limit, took.what)
			}
		}
	}
	k.now.Detail = fmt.Sprintf("at most %d of %d fuel, %s of %s memory", fuel, k.Limits.Fuel, grant.Size(memory), grant.Size(k.Limits.Memory))
	return nil
}

// authority compares what the manifest asks for with what the module imports:
// there is no other way out of it.
func (k *kit) authority() error {
	c := k.Manifest.Capabilities
	for _, a := range []struct {
		path      string
		asked     bool
		what      string
		functions []string
	}{
		{"$.capabilities.egress", len(c.Egress) > 0, "egress", []string{abi.HostHTTPSend, "http_request"}},
		{"$.capabilities.secrets", len(c.Secrets) > 0, "secrets", []string{abi.HostSecretRef}},
		{"$.capabilities.sign", len(c.Sign) > 0, "sign", []string{abi.HostSign, abi.HostVerify}},
		{"$.capabilities.kv_bytes", c.KVBytes > 0, "kv_bytes", []string{abi.HostKVGet, abi.HostKVSet, abi.HostKVDelete, abi.HostKVList}},
		{"$.config", plugin.HasSettings(k.Manifest), "settings", []string{"config_get"}},
	} {
		imported := ""
		for _, im := range k.Info.Imports {
			if im.Module != abi.ModuleWASI && slices.Contains(a.functions, im.Name) {
				imported = im.Module + "." + im.Name
			}
		}
		switch {
		case a.asked && imported == "":
			k.find(a.path, "take it out of the manifest: an operator reads it as what the plugin does", "it asks for %s, and the module imports none of %s", a.what, strings.Join(a.functions, ", "))
		case !a.asked && imported != "" && a.what != "settings": // which need no leave to be read
			k.find("import "+imported, "add "+a.what+" to the manifest's capabilities, or leave the import out", "it is used, and the manifest asks for no %s", a.what)
		}
	}
	k.now.Detail = fmt.Sprintf("%d imports", len(k.Info.Imports))
	return nil
}

// later is another year, month, day, hour, minute, second and millisecond,
// whatever the time is: what tells the clock is seen always, not by chance.
const later = 401*24*time.Hour + time.Hour + time.Minute + time.Second + time.Millisecond

// again repeats each example of a pure operation, after a call that failed and
// more than a year later by the plugin's clock.
func (k *kit) again() error {
	for _, c := range plugintest.Examples(k.Manifest) {
		pure := slices.ContainsFunc(k.Manifest.Operations, func(op abi.Operation) bool {
			return op.Name == c.Operation && op.Effect == abi.EffectPure
		})
		if !pure || c.Error != nil {
			continue
		}
		call, err := k.CallOf(c)
		if err != nil {
			return err
		}
		var outputs [2]string
		for i := range outputs {
			out, err := k.call(call)
			if err != nil {
				return err
			}
			outputs[i] = string(out.Output)
			if out.Error != nil {
				outputs[i] = "the error " + out.Error.Message
			}
			call.Ahead += later
			if _, err := k.call(plugintest.Call{Export: call.Export, Input: []byte("{"), Config: call.Config}); err != nil {
				return err
			}
		}
		if outputs[0] != outputs[1] {
			k.find(c.Name, "a pure operation gives the same for the same input: keep nothing between calls and tell no clock, or name another effect", "it gave %s and then, a year later, %s", brieflyQuoted(outputs[0]), brieflyQuoted(outputs[1]))
		}
	}
	if k.calls == 0 {
		k.untried("no operation is pure and has an example with an output")
	}
	return nil
}

var codePattern = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// ofHost are the codes that a host gives of a plugin, and never to one, so that
// none can have it to hand on. The last comes with what the host puts before it.
var ofHost = []string{abi.CodeTrap, abi.CodeBadOutput, "plugin_" + abi.CodeUnavailable}

// shapeless tells an error that was given as JSON and taken as plain text.
func shapeless(message string) bool {
	value, err := plugintest.ParseJSON([]byte(message))
	_, isObject := value.(map[string]any)
	_, isList := value.([]any)
	return err == nil && (isObject || isList)
}

// unreadOf looks at an error as the plugin said it: at its code, which is nil of
// plain text, and at the names of fields that no error has.
func unreadOf(said string) (code *string, unread []string) {
	var fields map[string]json.RawMessage
	if json.Unmarshal([]byte(said), &fields) != nil || fields == nil {
		return nil, nil
	}
	code = new(string)
	if json.Unmarshal(fields["code"], code) != nil {
		*code = ""
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains([]string{"code", "message", "retryable", "retry_after_millis", "detail"}, name) {
			unread = append(unread, name)
		}
	}
	return code, unread
}

// errors looks at all errors that the checks before have seen.
func (k *kit) errors() error {
	seen := map[string]bool{}
	for _, f := range k.failures {
		if f.kind != sandbox.KindGuest || seen[f.export+f.err.Code+f.err.Message] {
			continue
		}
		seen[f.export+f.err.Code+f.err.Message] = true
		code, unread := unreadOf(f.said)
		switch {
		case strings.HasSuffix(f.err.Message, sandbox.Silent):
			k.find(f.export, "set an error before it returns what is not 0", "%s", f.err.Message)
		case strings.TrimSpace(f.err.Message) == "" || f.err.Message == f.err.Code:
			k.find(f.export, "say in a sentence what is wrong, where, and what to do about it", "an error with the code %q has no message", f.err.Code)
		case shapeless(f.err.Message):
			k.find(f.export, `give error_set {"code": "not_found", "message": "a sentence"}, or plain text`, "an error is JSON, and not of the shape of errors, so people get all of it to read: %s", brieflyQuoted(f.err.Message))
		case f.err.Code == abi.CodeBadOutput && strings.HasPrefix(f.err.Message, "output: "): // the PDK's word
			k.find(f.export, "give what JSON has: no NaN and no infinity, and nothing that contains itself", "what it gave for some input could not be written as JSON: %s", brieflyQuoted(f.err.Message))
		case code != nil && *code == "":
			k.find(f.export, "use a word such as not_found, which a flow can branch on", "an error has no code: %s", brieflyQuoted(f.err.Message))
		case len(unread) > 0:
			k.find(f.export, "an error has code, message, retryable, retry_after_millis and detail", "an error has the field %q, which no host reads: %s", unread[0], brieflyQuoted(f.err.Message))
		case slices.Contains(ofHost, f.err.Code):
			k.find(f.export, "use a word of the plugin's own, such as not_found", "the code %q of an error is what the host says of a plugin", strings.TrimPrefix(f.err.Code, "plugin_"))
		case !codePattern.MatchString(f.err.Code):
			k.find(f.export, "use a word such as not_found", "the code %q of an error is no word for programs", f.err.Code)
		case f.err.RetryAfterMillis < 0 || f.err.RetryAfterMillis > 0 && !f.err.Retryable:
			k.find(f.export, "say retryable too, or leave retry_after_millis out", "an error says when to repeat the call, and not that it may be repeated: %s", f.err.Message)
		}
	}
	k.now.Detail = fmt.Sprintf("%d different ones", len(seen))
	if len(seen) == 0 {
		k.untried("no call ended with an error: give an example of one that fails")
	}
	return nil
}

// brieflyQuoted shows an input in a line.
func brieflyQuoted(text string) string {
	const most = 60
	if len(text) > most {
		return fmt.Sprintf("%.40q… (%d bytes)", text, len(text))
	}
	return fmt.Sprintf("%q", text)
}
