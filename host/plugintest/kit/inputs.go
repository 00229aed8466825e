package kit

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/trama-run/trama/host/plugin"
	"github.com/trama-run/trama/host/plugintest"
	"github.com/trama-run/trama/host/sandbox"
	"github.com/trama-run/trama/pdk/abi"
)

// answered makes a call that may fail, but only by an error of the plugin's own.
func (k *kit) answered(f function, what string, c plugintest.Call) error {
	c.Export = f.export
	out, err := k.call(c)
	if err != nil {
		return err
	}
	switch {
	case out.Error == nil && json.Valid(c.Input): // a flow gives nothing else
		k.gives(f, what, out.Output)
		if f.export == abi.FuncSend && k.Manifest.Kind == abi.KindChannel {
			k.identified(f, what, c.Input, out.Output)
		}
	case out.Error == nil || out.Kind == sandbox.KindGuest:
	case out.Kind == sandbox.KindLimit && strings.HasPrefix(out.Error.Message, sandbox.ErrorText+" "):
		if !k.once(f.name + " " + sandbox.ErrorText) {
			break
		}
		k.find(f.name, "quote no more of the input in a message than a few dozen characters", "on %s the message of its error is too long to be taken", what)
	case out.Kind == sandbox.KindTrap && out.Error.Code != abi.CodeTrap:
		// Extism's http_request can tell its caller of no failure: the host ends
		// the call, by the failure's own code.
	case !k.once(f.name + " " + out.Error.Message):
	default:
		k.find(f.name, "check what it is given, and fail by an error with a code such as invalid", "on %s it did not answer: %s", what, out.Error.Message)
	}
	return nil
}

// gives holds an output against what is said of it: the schema of its operation,
// or what the host reads of it. The same thing of it is told once.
func (k *kit) gives(f function, what string, output []byte) {
	if len(output) == 0 {
		output = []byte("null")
	}
	value, err := plugintest.ParseJSON(output)
	if err != nil {
		k.find(f.name, "give JSON: a flow takes nothing else", "for %s it gave what is not JSON: %s", what, brieflyQuoted(string(output)))
		return
	}
	if f.output != nil {
		if err := json.Unmarshal(output, f.output()); err != nil {
			k.find(f.name, "give what pdk/abi says of this function", "for %s it gave what no host can read, %s: %v", what, brieflyQuoted(string(output)), err)
		}
	}
	for _, op := range k.Manifest.Operations {
		s, err := compile(op.Output)
		if op.Name != f.name || plugin.ExportOf(op) != f.export || len(op.Output) == 0 || err != nil {
			continue // what is no schema is said by the check of them
		}
		for _, v := range s.Check(value) {
			if k.once(f.name + " " + v.Pointer) {
				k.find(f.name, "mend the operation or the schema", "for %s it gave what breaks its own schema: %s: %s", what, v.Pointer, v.Message)
			}
		}
	}
}

// identified holds what was sent against that it has an id, by which the host
// knows it again when the service tells what became of it.
func (k *kit) identified(f function, what string, input, output []byte) {
	var in abi.Send
	var sent abi.Sent
	if json.Unmarshal(output, &sent) != nil || sent.MessageID != "" {
		return
	}
	if err := json.Unmarshal(input, &in); err == nil && slices.Contains([]abi.MessageType{abi.MessageReaction, abi.MessageTyping, abi.MessageRead}, in.Message.Type) {
		return // no message of its own
	}
	if k.once(f.name + " message_id") {
		k.find(f.name, "fail where the service does not say that it took the message, and give the effect_id where it says so without an id", "for %s it says that the message was sent, and gives no message_id: %s", what, brieflyQuoted(string(output)))
	}
}

func (k *kit) empty() error {
	for _, f := range k.functions {
		if err := k.answered(f, "no input", plugintest.Call{}); err != nil {
			return err
		}
	}
	return nil
}

func (k *kit) malformed() error {
	for _, f := range k.functions {
		for _, input := range []string{
			"{", "nul", "[1,", `{"a":1}}`, "\xff\xfe\x00", `"\ud800"`, "null", "true", "-0", "[]", "{}", `"text"`,
			`{"":{"":[{}]}}`, strings.Repeat("[", 10_000), strings.Repeat(`{"a":`, 10_000),
		} {
			if err := k.answered(f, "the input "+brieflyQuoted(input), plugintest.Call{Input: []byte(input)}); err != nil {
				return err
			}
		}
	}
	return nil
}

// unicode puts texts of all kinds into the examples.
func (k *kit) unicode() error {
	return k.varied("a text", func(value any) []any {
		if _, is := value.(string); !is {
			return nil
		}
		return []any{"", "é", "👩‍👩‍👧‍👦 🇧🇷 e\u0301", "שלום العالم ﷽", "\u0000\u0001\u001f\u007f\u2028", "\"\\/</script>", "\uffff\U0010ffff"}
	})
}

// numbers puts numbers of all sizes into the examples.
func (k *kit) numbers() error {
	return k.varied("a number", func(value any) []any {
		if _, is := value.(json.Number); !is {
			return nil
		}
		var all []any
		for _, n := range []string{"0", "-1", "9007199254740991", "-9007199254740991", "9223372036854775807", "18446744073709551616", "0.1", "1e308", "-1e-308"} {
			all = append(all, json.Number(n))
		}
		return all
	})
}

// varied calls each function with what it can do something with, in which one
// value after the other is replaced.
func (k *kit) varied(what string, by func(value any) []any) error {
	for _, f := range k.functions {
		for _, call := range f.inputs {
			const most = 60 // calls of one function, or some more where it takes many things
			if err := k.replacing(f, call, by, max(10, most/len(f.inputs))); err != nil {
				return err
			}
		}
	}
	if k.calls == 0 {
		k.untried("no example has " + what + " in its input: give one that has")
	}
	return nil
}

// replacing makes at most so many calls with another value in one place.
func (k *kit) replacing(f function, call plugintest.Call, by func(value any) []any, most int) error {
	value, err := plugintest.ParseJSON(call.Input)
	if err != nil {
		return nil // said by the examples
	}
	all := replaced(value, by)
	for i := range min(most, len(all)) { // of many, those that lie apart
		if call.Input, err = json.Marshal(all[i*len(all)/min(most, len(all))]()); err != nil {
			return err
		}
		if int64(len(call.Input)) > k.Limits.Input {
			continue
		}
		if err := k.answered(f, "the input "+brieflyQuoted(string(call.Input)), call); err != nil {
			return err
		}
	}
	return nil
}

// replaced gives what makes a copy of a value with another in one place, for all
// places that have others.
func replaced(value any, by func(any) []any) (all []func() any) {
	for _, other := range by(value) {
		all = append(all, func() any { return other })
	}
	switch v := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			for _, other := range replaced(v[name], by) {
				all = append(all, func() any {
					copied := maps.Clone(v)
					copied[name] = other()
					return copied
				})
			}
		}
	case []any:
		for i, part := range v {
			for _, other := range replaced(part, by) {
				all = append(all, func() any {
					copied := slices.Clone(v)
					copied[i] = other()
					return copied
				})
			}
		}
	}
	return all
}

func (k *kit) oversized() error {
	long := strings.Repeat("0123456789abcdef", 1<<16)
	text := func(value any) []any {
		if _, is := value.(string); is {
			return []any{long}
		}
		return nil
	}
	for _, f := range k.functions {
		for _, input := range []string{`"` + long + `"`, `[` + strings.Repeat("0,", 1<<17) + `0]`} {
			if int64(len(input)) > k.Limits.Input {
				continue
			}
			if err := k.answered(f, "the input "+brieflyQuoted(input), plugintest.Call{Input: []byte(input)}); err != nil {
				return err
			}
		}
		for _, call := range f.inputs {
			unanswered := call
			unanswered.HTTP = nil // so that errors tell of the request
			const places = 3      // of each input
			for _, c := range []plugintest.Call{call, unanswered} {
				if err := k.replacing(f, c, text, places); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// unanswered spoils one answer after the other that a function's requests get.
func (k *kit) unanswered() error {
	if len(k.Manifest.Capabilities.Egress) == 0 {
		k.untried("it asks for no egress, and so makes no request")
		return nil
	}
	answer := func(status int, body string) plugintest.Exchange {
		encoded := base64.StdEncoding.EncodeToString([]byte(body))
		return plugintest.Exchange{Response: &plugintest.Response{Status: status, BodyBase64: &encoded}}
	}
	for _, f := range k.functions {
		if !f.asks {
			continue
		}
		for _, call := range f.inputs {
			answers := call.HTTP
			const most = 4 // requests of one call
			for i := range min(max(len(answers), 1), most) {
				for _, spoilt := range []struct {
					how string
					by  plugintest.Exchange
				}{
					{"is refused", plugintest.Exchange{Failure: plugintest.FailureRefused}},
					{"gets no answer in time", plugintest.Exchange{Failure: plugintest.FailureTimeout}},
					{"is answered 500 and a page", answer(500, "<html>sorry</html>")},
					{"is answered 204 and nothing", answer(204, "")},
					{"is answered 200 and nothing", answer(200, "")},
					{"is answered 200 and null", answer(200, "null")},
					{"is answered 200 and []", answer(200, "[]")},
					{"is answered 200 and {}", answer(200, "{}")},
					{"is answered 200 and half of JSON", answer(200, `{"id":`)},
				} {
					call.HTTP = append(slices.Clone(answers[:min(i, len(answers))]), spoilt.by)
					what := fmt.Sprintf("the input %s, as request %d %s,", brieflyQuoted(string(call.Input)), i+1, spoilt.how)
					if err := k.answered(f, what, call); err != nil {
						return err
					}
				}
			}
		}
	}
	if k.calls == 0 {
		k.untried("no example makes a request: give one with its answers in http")
	}
	return nil
}
