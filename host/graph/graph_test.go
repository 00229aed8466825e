package graph

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"github.com/trama-run/trama/host/flow"
)

var update = flag.Bool("update", false, "write what came out into the case files; read them before you commit")

// TestMermaid: each case file has a flow, maybe the path of a run, and the
// chart that comes of them.
func TestMermaid(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parts := map[string][]byte{}
		for _, f := range archive.Files {
			parts[f.Name] = f.Data
		}
		f, err := flow.Parse(file, parts["flow.yaml"])
		if err != nil {
			t.Fatal(err)
		}
		var path *Path
		if data := parts["path.json"]; data != nil {
			if err := json.Unmarshal(data, &path); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
		}
		g := New(f, path)
		got := g.Mermaid()
		if *update {
			i := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == "chart.mmd" })
			archive.Files[i].Data = []byte(got)
			if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if want := string(parts["chart.mmd"]); got != want {
			t.Errorf("%s:\n%s, want\n%s", file, got, want)
		}
		if problem := wrong(g); problem != "" {
			t.Errorf("%s: %s", file, problem)
		}
	}
}

// TestPictures: pictures of any flow, with any texts and any path, are well
// formed, hold nothing but shapes and texts, and nothing in them overlaps.
func TestPictures(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := New(someFlow.Draw(t, "flow"), somePath.Draw(t, "path"))
		if problem := wrong(g); problem != "" {
			t.Fatal(problem)
		}
	})
}

// TestLargest: the largest flow that there may be is drawn too.
func TestLargest(t *testing.T) {
	f := &flow.Flow{ID: "large", Triggers: []flow.Trigger{{ID: "start", Type: "gateway"}}, Edges: []flow.Edge{{From: "start", To: "n0"}}}
	for i := range 1000 {
		id := fmt.Sprintf("n%d", i)
		f.Nodes = append(f.Nodes, flow.Node{ID: id, Type: "conditional"})
		for port, to := range []int{i + 1, i + 3 + i*7%5, i - i*5%7} {
			if to < 1000 {
				f.Edges = append(f.Edges, flow.Edge{From: id, Port: fmt.Sprintf("p%d", port), To: fmt.Sprintf("n%d", to)})
			}
		}
	}
	if problem := wrong(New(f, nil)); problem != "" {
		t.Error(problem)
	}
}

var (
	someText = rapid.OneOf(rapid.Just(""), rapid.String(), rapid.StringMatching(`[a-zA-Z ]{0,80}`), rapid.SampledFrom([]string{
		"]]>", `<script>alert("x")</script>`, "a\nb", "{{ x }}", "\u202eright to left", "مرحبا بالعالم", "👩‍👩‍👧 family", "\x00\x1b[31m", "&#0;", "a|b;c#d%%e", "\xff\xfe", "\ufffe",
	}))
	someType = rapid.SampledFrom([]string{"conditional", "set_flow", "set_user", "run_code", "send_message", "wait_reply", "response.json", "end", "crm.find", "not_known"})
	somePort = rapid.SampledFrom([]string{"", "error", "else", "a", "yes", "a_port_with_quite_a_long_name", strings.Repeat("m", 64)})
	someNode = rapid.IntRange(0, 59)
)

// someFlow draws flows, valid and not: what can be told is drawn.
var someFlow = rapid.Custom(func(t *rapid.T) *flow.Flow {
	f := &flow.Flow{ID: "some", Title: someText.Draw(t, "title")}
	nodes := rapid.IntRange(1, 60).Draw(t, "nodes")
	ids := []string{}
	for i := range rapid.IntRange(1, 3).Draw(t, "triggers") {
		ids = append(ids, fmt.Sprintf("t%d", i))
		f.Triggers = append(f.Triggers, flow.Trigger{ID: ids[i], Type: "message", Channel: someText.Draw(t, "channel")})
	}
	for i := range nodes {
		ids = append(ids, fmt.Sprintf("n%d", i))
		f.Nodes = append(f.Nodes, flow.Node{ID: ids[len(ids)-1], Type: someType.Draw(t, "type"), Title: someText.Draw(t, "title")})
	}
	seen := map[string]bool{}
	for range rapid.IntRange(0, 2*nodes+2).Draw(t, "edges") {
		e := flow.Edge{From: rapid.SampledFrom(ids).Draw(t, "from"), Port: somePort.Draw(t, "port"), To: fmt.Sprintf("n%d", someNode.Draw(t, "to")%nodes)}
		if key := e.From + ":" + e.FromPort(); !seen[key] {
			seen[key] = true
			f.Edges = append(f.Edges, e)
		}
	}
	return f
})

var somePath = rapid.Custom(func(t *rapid.T) *Path {
	if rapid.Bool().Draw(t, "none") {
		return nil
	}
	p := &Path{
		Run: someText.Draw(t, "run"), Trigger: "t0", At: fmt.Sprintf("n%d", someNode.Draw(t, "at")),
		Status: rapid.SampledFrom([]string{"done", "failed", "waiting", "running"}).Draw(t, "status"),
	}
	for range rapid.IntRange(0, 80).Draw(t, "steps") {
		p.Steps = append(p.Steps, Step{fmt.Sprintf("n%d", someNode.Draw(t, "node")), somePort.Draw(t, "port"), rapid.SampledFrom([]string{"", "x"}).Draw(t, "sub")})
	}
	return p
})

// wrong says what is wrong with the pictures of a graph, "" for nothing.
func wrong(g *Graph) string {
	picture := g.SVG()
	if !bytes.Equal(picture, g.SVG()) {
		return "a second picture is another one"
	}
	if problem := markup(picture); problem != "" {
		return problem
	}
	if chart := g.Mermaid(); strings.Count(chart, "\n") > 10+2*len(looks)+len(g.nodes)+len(g.edges) || strings.ContainsAny(chart, "\x00\x1b\r\u202e") {
		return "a text broke out of the chart:\n" + chart
	}
	p := arrange(g)
	inside := box{0, 0, p.width, p.height}
	type named struct {
		name string
		box
	}
	var all []named
	for i, b := range p.nodes {
		all = append(all, named{"node " + g.nodes[i].id, b})
		room := b.w - 2*looks[g.nodes[i].kind].pad
		for _, line := range g.nodes[i].lines() {
			if textWidth(line, nameSize) > room+0.01 {
				return fmt.Sprintf("%q is wider than its node", line)
			}
		}
		if badgeWidth(g.nodes[i].order())+badgeWidth(g.nodes[i].mark)+16 > b.w {
			return "the badges of node " + g.nodes[i].id + " meet"
		}
	}
	for i, b := range p.labels {
		if b.w > 0 {
			all = append(all, named{fmt.Sprintf("label of edge %d", i), b})
		}
	}
	for _, c := range p.layout.cells {
		if c.node < 0 && !c.turn { // where edges run along a layer
			all = append(all, named{"a bend", box{c.x, p.tops[c.layer], 0, p.bottom[c.layer] - p.tops[c.layer]}})
		}
	}
	for i, a := range all {
		if a.x < inside.x || a.y < inside.y || a.x+a.w > inside.w || a.y+a.h > inside.h {
			return fmt.Sprintf("%s at %v is not in the picture of %v", a.name, a.box, inside)
		}
		for _, b := range all[:i] {
			if a.x < b.x+b.w && b.x < a.x+a.w && a.y < b.y+b.h && b.y < a.y+a.h {
				return fmt.Sprintf("%s at %v lies on %s at %v", a.name, a.box, b.name, b.box)
			}
		}
	}
	for i, e := range g.edges {
		if from, to := p.nodes[e.from], p.nodes[e.to]; !p.layout.back[i] && from.y+from.h >= to.y {
			return fmt.Sprintf("edge %d goes up", i)
		}
		to := p.nodes[e.to]
		if x := p.enters(i); x < to.x || x > to.x+to.w {
			return fmt.Sprintf("edge %d misses its node", i)
		}
		from := p.nodes[e.from]
		if x := p.leaves(i); x < from.x || x > from.x+from.w {
			return fmt.Sprintf("edge %d does not leave from its node", i)
		}
	}
	return ""
}

// elements and attributes are all that a picture has.
var (
	elements   = []string{"svg", "title", "desc", "style", "rect", "g", "text", "path"}
	attributes = []string{"xmlns", "width", "height", "viewBox", "role", "aria-labelledby", "id", "class", "x", "y", "rx", "d"}
)

func markup(picture []byte) string {
	decoder := xml.NewDecoder(bytes.NewReader(picture))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return ""
		}
		if err != nil {
			return fmt.Sprintf("not well formed: %v", err)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if !slices.Contains(elements, start.Name.Local) {
			return "the picture has an element " + start.Name.Local
		}
		for _, a := range start.Attr {
			if !slices.Contains(attributes, a.Name.Local) {
				return "the picture has an attribute " + a.Name.Local
			}
			if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
				return "an attribute is " + a.Value
			}
		}
	}
}

// TestTexts: what a document says stands in the picture as it is, and marks
// of direction that would turn the text around it do not.
func TestTexts(t *testing.T) {
	f := &flow.Flow{
		ID: "texts", Title: "<b>&\"'\n{{ x }}",
		Triggers: []flow.Trigger{{ID: "start", Type: "gateway"}},
		Nodes:    []flow.Node{{ID: "a", Type: "end", Title: "מה \u202eabc\u202c 👍"}},
		Edges:    []flow.Edge{{From: "start", To: "a"}},
	}
	var texts []string
	decoder := xml.NewDecoder(bytes.NewReader(New(f, nil).SVG()))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if data, ok := token.(xml.CharData); ok {
			texts = append(texts, string(data))
		}
	}
	for _, want := range []string{"<b>&\"' {{ x }}", "Flow texts: 1 trigger, 1 node, 1 edge.", "מה abc 👍", "מה abc 👍: end, a · end", "start to מה abc 👍, port next"} {
		if !slices.Contains(texts, want) {
			t.Errorf("%q is not in the picture's texts %q", want, texts)
		}
	}
}

// TestOnError: the node for errors that no port took is joined to where they
// come from.
func TestOnError(t *testing.T) {
	f := &flow.Flow{
		ID: "errors", OnError: "sorry", Triggers: []flow.Trigger{{ID: "start", Type: "message"}},
		Nodes: []flow.Node{{ID: "a", Type: "x.y"}, {ID: "sorry", Type: "end"}},
		Edges: []flow.Edge{{From: "start", To: "a"}},
	}
	for _, c := range []struct {
		steps []Step
		taken int
	}{
		{[]Step{{"a", "next", ""}}, 0},
		{[]Step{{"a", "", ""}, {"a", "", ""}}, 0},
		{[]Step{{"a", "", ""}, {"a", "", ""}, {"sorry", "", ""}}, 1},
	} {
		g := New(f, &Path{Trigger: "start", Steps: c.steps})
		if problem := wrong(g); problem != "" {
			t.Error(problem)
		}
		if e := g.edges[len(g.edges)-1]; g.nodes[e.to].id != "sorry" || e.taken != c.taken {
			t.Errorf("%v: the edge to %s is taken %d times, want %d", c.steps, g.nodes[e.to].id, e.taken, c.taken)
		}
	}
}

// TestSubRuns: steps of sub-runs are lit among each other as they came, and so
// are the edges that led to them.
func TestSubRuns(t *testing.T) {
	f := &flow.Flow{
		ID: "subs", Triggers: []flow.Trigger{{ID: "start", Type: "message"}},
		Nodes: []flow.Node{{ID: "loop", Type: "for_each"}, {ID: "a", Type: "x.y"}, {ID: "b", Type: "x.z"}, {ID: "done", Type: "end"}},
		Edges: []flow.Edge{{From: "start", To: "loop"}, {From: "loop", Port: "each", To: "a"}, {From: "a", To: "b"}, {From: "loop", To: "done"}},
	}
	g := New(f, &Path{Trigger: "start", Steps: []Step{{"a", "", "0"}, {"a", "next", "1"}, {"a", "next", "0"}, {"b", "", "1"}, {"b", "", "0"}, {"loop", "next", ""}, {"done", "", ""}}})
	var got []string
	for i := range g.nodes {
		got = append(got, fmt.Sprintf("%s %v", g.nodes[i].id, g.nodes[i].visits))
	}
	for _, e := range g.edges {
		got = append(got, fmt.Sprintf("%s %s %d", g.nodes[e.from].id, e.port, e.taken))
	}
	want := []string{"start [0]", "loop [5]", "a [1 2]", "b [3 4]", "done [6]", "start next 1", "loop each 2", "a next 2", "loop next 1"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestPath: visits, counts and marks of a run that goes around, repeats a call
// and passes a node that is not in the flow.
func TestPath(t *testing.T) {
	f := &flow.Flow{
		ID: "path", Triggers: []flow.Trigger{{ID: "start", Type: "message"}, {ID: "other", Type: "gateway"}},
		Nodes: []flow.Node{{ID: "a", Type: "x.y"}, {ID: "b", Type: "wait_reply"}, {ID: "c", Type: "end"}},
		Edges: []flow.Edge{{From: "start", To: "a"}, {From: "a", To: "b"}, {From: "a", Port: "error", To: "c"}, {From: "b", To: "a"}, {From: "other", To: "a"}},
	}
	g := New(f, &Path{Run: "r", Trigger: "start", At: "b", Status: "waiting", Steps: []Step{{"a", "", ""}, {"a", "next", ""}, {"gone", "next", ""}, {"b", "next", ""}, {"a", "next", ""}, {"b", "next", ""}, {"a", "next", ""}}})
	var got []string
	for i := range g.nodes {
		n := &g.nodes[i]
		got = append(got, fmt.Sprintf("%s %v %s", n.id, n.visits, n.mark))
	}
	for _, e := range g.edges {
		got = append(got, fmt.Sprintf("%s %s: %q", g.nodes[e.from].id, e.port, e.label()))
	}
	want := []string{"start [0] ", "other [] ", "a [1 3 5] ", "b [2 4] waiting", "c [] ", `start next: ""`, `a next: "×3"`, `a error: "error"`, `b next: "×2"`, `other next: ""`}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
