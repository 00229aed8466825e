package plugintest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/trama-run/trama/pdk/abi"
)

// Difference is one thing that is not as it must be.
type Difference struct {
	// At is where, as a path of JSON: output.items[2].price.
	At   string `json:"at"`
	Want string `json:"want"`
	Got  string `json:"got"`
}

// String gives the place and, below it, the two sides as a diff does.
func (d Difference) String() string {
	return d.At + "\n" + indent("  - ", d.Want) + "\n" + indent("  + ", d.Got)
}

func indent(mark, text string) string {
	return mark + strings.ReplaceAll(text, "\n", "\n"+mark)
}

// nothing stands for a side that is not there.
const nothing = "(nothing)"

// Result is how a case ended.
type Result struct {
	Case        Case
	Outcome     Outcome
	Took        time.Duration
	Differences []Difference // none: it passed
}

// Run makes the call of a case and compares its end. What keeps the call from
// being made is a difference too; the error is the context's.
func (p *Plugin) Run(ctx context.Context, c Case) (Result, error) {
	began := time.Now()
	result := Result{Case: c}
	result.Outcome, result.Differences = p.run(ctx, c)
	result.Took = time.Since(began)
	return result, ctx.Err()
}

func (p *Plugin) run(ctx context.Context, c Case) (Outcome, []Difference) {
	call, err := p.CallOf(c)
	if err != nil {
		return Outcome{}, []Difference{{At: "case", Want: "a call", Got: err.Error()}}
	}
	out, err := p.Call(ctx, call)
	if err != nil {
		return out, []Difference{{At: "case", Want: "a call", Got: err.Error()}}
	}
	return out, compareOutcome(c, out)
}

// CallOf gives the call that a case makes.
func (p *Plugin) CallOf(c Case) (Call, error) {
	export, err := c.export(p.Manifest)
	if err != nil {
		return Call{}, err
	}
	input, err := c.InputBytes()
	return Call{Export: export, Input: input, Config: c.Config, HTTP: c.HTTP, KV: c.KV}, err
}

// compareOutcome compares what came of a call with what a case says.
func compareOutcome(c Case, out Outcome) []Difference {
	all := slices.Clone(out.Unexpected)
	switch {
	case c.Error != nil && out.Error == nil:
		all = append(all, Difference{"error", cmp.Or(c.Error.Code, "an error") + ": " + c.Error.Message, "the output " + shorten(string(out.Output))})
	case c.Error != nil:
		all = append(all, compareFailure(*c.Error, *out.Error)...)
	case out.Error != nil:
		want := "an output"
		if data, err := c.outputBytes(); err == nil && data != nil {
			want = shorten(string(data))
		} else if data, err := marshal(c.Output.Exact()); err == nil && !c.Output.IsZero() {
			want = shorten(string(data))
		}
		all = append(all, Difference{"output", want, "the error " + out.Error.Error()})
	default:
		all = append(all, compareOutput(c, out.Output)...)
	}
	if c.KVAfter != nil {
		all = append(all, compareTexts("kv_after", c.KVAfter, out.KV)...)
	}
	if c.Log != nil {
		for i := range max(len(c.Log), len(out.Log)) {
			if want, got := itemAt(c.Log, i), itemAt(out.Log, i); want != got {
				all = append(all, Difference{fmt.Sprintf("log[%d]", i), want, got})
			}
		}
	}
	return all
}

func itemAt(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return nothing
}

// namesOf lists what is in one or the other of two objects, in order.
func namesOf[V any](a, b map[string]V) []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(names)
	return slices.Compact(names)
}

func compareTexts(at string, want, got map[string]string) (all []Difference) {
	for _, name := range namesOf(want, got) {
		w, wanted := want[name]
		g, there := got[name]
		if wanted == there && w == g {
			continue
		}
		d := Difference{field(at, name), strconv.Quote(w), strconv.Quote(g)}
		if !wanted {
			d.Want = nothing
		}
		if !there {
			d.Got = nothing
		}
		all = append(all, d)
	}
	return all
}

func compareOutput(c Case, got []byte) []Difference {
	want, err := c.outputBytes()
	switch {
	case err != nil:
		return []Difference{{"output", "bytes", err.Error()}}
	case want == nil:
		return compareJSON("output", c.Output.Exact(), got)
	case bytes.Equal(want, got):
		return nil
	}
	if a, errA := ParseJSON(want); errA == nil {
		if _, errB := ParseJSON(got); errB == nil {
			if all := compareJSON("output", a, got); len(all) > 0 {
				return all
			}
		}
	}
	// The same value, or no JSON: the first byte that differs, and what is around.
	at := 0
	for at < len(want) && at < len(got) && want[at] == got[at] {
		at++
	}
	return []Difference{{fmt.Sprintf("output, byte %d", at), around(want, at), around(got, at)}}
}

// around shows the bytes at a place, as a Go string.
func around(data []byte, at int) string {
	const before, after = 20, 40
	from, to := max(0, at-before), min(len(data), at+after)
	text := strconv.Quote(string(data[from:to]))
	if from > 0 {
		text = "…" + text
	}
	if to < len(data) {
		text += "…"
	}
	return fmt.Sprintf("%s (%d bytes)", text, len(data))
}

func compareFailure(want Failure, got abi.Error) (all []Difference) {
	if want.Code != "" && want.Code != got.Code {
		all = append(all, Difference{"error.code", want.Code, got.Code + ": " + got.Message})
	}
	if !strings.Contains(got.Message, want.Message) {
		all = append(all, Difference{"error.message", "with: " + want.Message, got.Message})
	}
	if want.Retryable != nil && *want.Retryable != got.Retryable {
		all = append(all, Difference{"error.retryable", fmt.Sprint(*want.Retryable), fmt.Sprint(got.Retryable)})
	}
	if want.RetryAfterMillis != nil && *want.RetryAfterMillis != got.RetryAfterMillis {
		all = append(all, Difference{"error.retry_after_millis", fmt.Sprint(*want.RetryAfterMillis), fmt.Sprint(got.RetryAfterMillis)})
	}
	if !want.Detail.IsZero() {
		all = append(all, compareJSON("error.detail", want.Detail.Exact(), got.Detail)...)
	}
	return all
}

// compareRequest compares what is given of a request.
func compareRequest(at string, want Request, got abi.HTTPRequest) (all []Difference) {
	if want.Method != "" && !strings.EqualFold(want.Method, got.Method) {
		all = append(all, Difference{at + ".method", want.Method, got.Method})
	}
	if want.URL != "" && want.URL != got.URL {
		all = append(all, Difference{at + ".url", want.URL, got.URL})
	}
	for _, name := range slices.Sorted(maps.Keys(want.Headers)) {
		value, there := got.Headers[strings.ToLower(name)]
		if !there {
			value = nothing
		}
		if value != want.Headers[name] {
			all = append(all, Difference{field(at+".headers", name), want.Headers[name], value})
		}
	}
	if want.Parts != nil {
		return append(all, compareParts(at+".parts", want.Parts, got)...)
	}
	body, err := want.body()
	if err != nil || body == nil {
		return all
	}
	sent := []byte(got.Body)
	if got.BodyBase64 != "" {
		sent, _ = base64.StdEncoding.DecodeString(got.BodyBase64) // textOrBase64 wrote it
	}
	if bytes.Equal(body, sent) {
		return all
	}
	value, errWant := ParseJSON(body)
	if _, errGot := ParseJSON(sent); errWant == nil && errGot == nil {
		return append(all, compareJSON(at+".body", value, sent)...)
	}
	return append(all, Difference{at + ".body", shorten(string(body)), shorten(string(sent))})
}

// compareParts compares the parts of a form.
func compareParts(at string, want []abi.HTTPPart, got abi.HTTPRequest) (all []Difference) {
	if len(want) != len(got.Parts) {
		return []Difference{{at, fmt.Sprintf("%d parts", len(want)), fmt.Sprintf("%d parts: %s", len(got.Parts), brief(got))}}
	}
	for i, w := range want {
		g := got.Parts[i]
		if w.Blob != "" {
			w.Text, w.Blob = w.Blob, "" // its content is its id
		}
		if w.Type == "" {
			g.Type = ""
		}
		if w != g {
			all = append(all, Difference{fmt.Sprintf("%s[%d]", at, i), shown(w), shown(g)})
		}
	}
	return all
}

// compareJSON compares a value with a text of JSON.
func compareJSON(at string, want any, text []byte) []Difference {
	if len(bytes.TrimSpace(text)) == 0 {
		text = []byte("null") // as a host takes an output that is empty
	}
	got, err := ParseJSON(text)
	if err != nil {
		return []Difference{{at, "JSON", shorten(string(text)) + " (" + err.Error() + ")"}}
	}
	return compareValues(at, want, got)
}

// ParseJSON reads one JSON value, with its numbers as they are written.
func ParseJSON(data []byte) (value any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is something after the value")
	}
	return value, nil
}

func compareValues(at string, want, got any) (all []Difference) {
	switch want := want.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			break
		}
		for _, name := range namesOf(want, object) {
			w, wanted := want[name]
			g, there := object[name]
			switch {
			case !wanted:
				all = append(all, Difference{field(at, name), nothing, shown(g)})
			case !there:
				all = append(all, Difference{field(at, name), shown(w), nothing})
			default:
				all = append(all, compareValues(field(at, name), w, g)...)
			}
		}
		return all
	case []any:
		list, ok := got.([]any)
		if !ok {
			break
		}
		for i := range max(len(want), len(list)) {
			place := fmt.Sprintf("%s[%d]", at, i)
			switch {
			case i >= len(want):
				all = append(all, Difference{place, nothing, shown(list[i])})
			case i >= len(list):
				all = append(all, Difference{place, shown(want[i]), nothing})
			default:
				all = append(all, compareValues(place, want[i], list[i])...)
			}
		}
		return all
	}
	if !same(want, got) {
		return []Difference{{at, shown(want), shown(got)}}
	}
	return nil
}

// same compares what is no object or list. Whole numbers are compared by all
// their digits, and one with a fraction or an exponent as a float64.
func same(want, got any) bool {
	a, isNumber := numberOf(want)
	b, both := numberOf(got)
	if isNumber != both || !isNumber {
		return want == got
	}
	if x, whole := new(big.Int).SetString(a, 10); whole {
		if y, whole := new(big.Int).SetString(b, 10); whole {
			return x.Cmp(y) == 0
		}
	}
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	return a == b || errX == nil && errY == nil && x == y
}

func numberOf(value any) (string, bool) {
	switch n := value.(type) {
	case json.Number:
		return n.String(), true
	case int64:
		return strconv.FormatInt(n, 10), true
	case float64:
		return strconv.FormatFloat(n, 'g', -1, 64), true
	}
	return "", false
}

// field is the path of a field.
func field(at, name string) string {
	if name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == "" {
		return at + "." + name
	}
	return at + "[" + strconv.Quote(name) + "]"
}

// shown gives a value as JSON in one line.
func shown(value any) string {
	data, err := marshal(value)
	if err != nil {
		return err.Error()
	}
	return shorten(string(data))
}

func shorten(text string) string {
	const most = 2000
	if !utf8.ValidString(text) {
		text = strconv.Quote(text)
	}
	if runes := []rune(text); len(runes) > most {
		return fmt.Sprintf("%s… (%d characters)", string(runes[:most]), len(runes))
	}
	return text
}
