package trial

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/run/record"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/host/workspace"
	"github.com/trama-run/trama/pdk/abi"
)

// open makes a bench of flows, by id, with the plugins that make has built.
func open(t *testing.T, files workspace.Files) *Bench {
	t.Helper()
	dir := filepath.Join("..", "..", "build", "plugins")
	config := Config{Files: files, Env: map[string]any{"CURRENCY": "BRL"}, Cache: filepath.Join("..", "..", "build", "testcache"), Scratch: t.TempDir(), Plugins: []string{dir}, Compiler: compiler()}
	for _, name := range []string{"xml", "http"} {
		wasm, err := os.ReadFile(filepath.Join(dir, name+".wasm"))
		if err != nil {
			t.Fatalf("%v: run make build first", err)
		}
		sum := sha256.Sum256(wasm)
		config.Bundled = append(config.Bundled, hex.EncodeToString(sum[:]))
	}
	b, err := Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return b
}

// compiler is the built binary: the same compiler in this process takes ten
// times as long under the race detector.
func compiler() []string {
	return []string{filepath.Join("..", "..", "build", "trama"), "compile-module"}
}

var files = workspace.Files{
	"connections.yaml": []byte("- {id: erp, base_url: \"https://erp.example.com\"}\n"),
	"flows/talk.yaml": []byte(`
schema: 1
id: talk
triggers: [{id: hello, type: message}]
nodes:
  - {id: ask, type: send_message, with: {text: "Name?"}}
  - {id: answer, type: wait_reply, with: {timeout: 1h}}
  - {id: remember, type: set_user, with: {set: {name: "{{ input.text }}"}}}
  - {id: greet, type: send_message, with: {text: "Hi, {{ user.name }} ({{ user.tier }}, {{ env.CURRENCY }})"}}
  - {id: nap, type: wait, with: {for: 2h}}
  - {id: bye, type: send_message, with: {text: "Bye, {{ user.name }}"}}
  - {id: done, type: end, with: {label: served, result: {name: "{{ user.name }}"}}}
  - {id: late, type: end, with: {label: silent}}
edges:
  - {from: hello, to: ask}
  - {from: ask, to: answer}
  - {from: answer, to: remember}
  - {from: answer, port: timeout, to: late}
  - {from: remember, to: greet}
  - {from: greet, to: nap}
  - {from: nap, to: bye}
  - {from: bye, to: done}
`),
	"flows/order.yaml": []byte(`
schema: 1
id: order
triggers: [{id: start, type: gateway}]
nodes:
  - {id: parse, type: xml.to_json, with: {xml: "{{ input.body }}"}}
  - {id: register, type: http.get, connection: erp, retry: {attempts: 3, backoff: 10s}, with: {url: /orders, error_on_status: true, query: {ref: "{{ input.order.ref }}"}}}
  - {id: news, type: emit_event, with: {event: order.made, data: {id: "{{ nodes.register.body.id }}"}}}
  - {id: reply, type: response.json, with: {status: 201, headers: {x-order: "7"}, body: {id: "{{ nodes.register.body.id }}", ref: "{{ nodes.parse.order.ref }}"}}}
  - {id: away, type: response.json, with: {status: 502, body: {error: "{{ error.code }}"}}}
edges:
  - {from: start, to: parse}
  - {from: parse, to: register}
  - {from: register, to: news}
  - {from: register, port: error, to: away}
  - {from: news, to: reply}
`),
	"flows/invite.yaml": []byte(`
schema: 1
id: invite
triggers: [{id: hello, type: message, keywords: [party]}, {id: party, type: activate}]
nodes:
  - {id: ask, type: send_message, with: {text: "{{ user.profile_name }}, {{ input.contact }}: {{ input.party }}"}}
  - {id: answer, type: wait_reply}
edges:
  - {from: hello, to: answer}
  - {from: party, to: ask}
  - {from: ask, to: answer}
`),
	"flows/window.yaml": []byte(`
schema: 1
id: window
triggers: [{id: news, type: activate}]
nodes:
  - {id: state, type: conditional, with: {branches: [{port: open, when: 'user.heard_at != nil and now - date(user.heard_at) < duration("24h")'}]}}
  - {id: text, type: wait_reply, with: {timeout: 25h}}
  - {id: template, type: send_message, with: {text: "a template: {{ user.heard_at }}"}}
edges: [{from: news, to: state}, {from: state, port: open, to: text}, {from: state, port: else, to: template}, {from: text, to: state}, {from: text, port: timeout, to: state}]
`),
	"flows/twice.yaml": []byte(`
schema: 1
id: twice
triggers: [{id: start, type: gateway}]
nodes:
  - {id: parse, type: xml.to_json, with: {xml: "<a>{{ input.body }}{{ input.body }}</a>"}}
edges: [{from: start, to: parse}]
`),
	"flows/each.yaml": []byte(`
schema: 1
id: each
triggers: [{id: start, type: gateway}]
nodes:
  - {id: all, type: for_each, with: {items: "{{ input.body }}", concurrency: 4}}
  - {id: parse, type: xml.to_json, with: {xml: "<a>{{ input }}</a>"}}
  - {id: reply, type: response.json, with: {body: "{{ nodes.all.results }}"}}
edges:
  - {from: start, to: all}
  - {from: all, port: each, to: parse}
  - {from: all, to: reply}
`),
}

const cases = `
- name: an activation
  flow: invite
  user: {profile_name: Ana}
  activate: {variables: {party: opening}}
  messages:
    - expect: {messages: ["Ana, chat/trial:contact: opening"], steps: [ask]}
    - receive: "yes"
  expect: {status: done, steps: [answer]}
- name: a conversation
  flow: talk
  user: {tier: gold, tags: [vip], profile_name: Ana S}
  messages:
    - receive: hi
    - expect: {status: waiting, steps: [ask], messages: ["Name?"]}
    - advance: 59m
    - receive: {type: text, text: Ana}
    - expect: {messages: ["Hi, Ana (gold, BRL)"], steps: [answer.next, remember, greet], user: {name: Ana, tags: [vip]}}
    - advance: 2h
  expect: {status: done, steps: [nap, bye, done], messages: ["Bye, Ana"], label: served, result: {name: Ana}}
- name: silence
  flow: talk
  messages:
    - receive: hi
    - advance: 1h
  expect: {status: done, steps: [ask.next, answer.timeout, late], label: silent}
- name: a window that closes
  flow: window
  user: {heard_at: "2026-01-05T09:30:00-03:00"}
  now: 2026-01-05T13:30:00Z
  activate: {}
  messages:
    - receive: hello
    - advance: 24h30m
    - expect: {steps: [state.open, text.next, state.open]}
    - advance: 30m
  expect: {status: done, steps: [text.timeout, state.else, template], messages: ["a template: 2026-01-05T13:30:00Z"]}
- name: a window that never was open
  flow: window
  activate: {}
  expect: {status: done, steps: [state.else, template], messages: ["a template:"]}
- name: an order, at the third try
  flow: order
  event: {body: "<order><ref>A1</ref></order>"}
  http:
    - {request: {method: GET, url: "https://erp.example.com/orders?ref=A1"}, response: {status: 503}, times: 1}
    - {request: {url: "https://erp.example.com/*"}, error: timeout}
    - {request: {url: "https://erp.example.com/*", headers: {user-agent: Trama, cookie: {$absent: true}}}, response: {status: 201, body: {id: 7, more: [1, 2]}}}
  expect:
    status: done
    steps: [parse, register, register, register.next, news, reply]
    answer: {status: 201, headers: {x-order: "7"}, body: {id: 7, ref: A1}}
    events: [{event: order.made, data: {id: 7}}]
    alerts: []
- name: an order, by the answer of the plugin
  flow: order
  event: {body: "<order><ref>A1</ref></order>"}
  calls:
    - {node: register, input: {query: {ref: A1}}, error: {code: unknown, message: may be}}
  expect: {answer: {status: 502, body: {error: unknown}}, steps: [parse, register.error, away]}
- name: sub-runs in their order
  flow: each
  event: {body: [x, "y", z]}
  expect:
    steps: ["all[0]/parse", "all[1]/parse.next", parse, all, reply]
    answer: {body: [{a: x}, {a: "y"}, {a: z}]}
`

// TestCases: each kind of trial passes, and twice gives the same; what the
// records of them say passes as a case, and replays as recorded.
func TestCases(t *testing.T) {
	b := open(t, files)
	list, problems := Parse("all.test.yaml", []byte(cases), "")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, c := range list {
		t.Run(c.Name, func(t *testing.T) {
			for range 2 {
				passes(t, b, c)
			}
			record := recordOf(t, b, c)
			again, notes := CaseOf(record)
			if len(notes) > 0 {
				t.Errorf("notes: %q", notes)
			}
			text, err := Write(again, []string{"of a run"})
			if err != nil {
				t.Fatal(err)
			}
			written, problems := Parse("again.test.yaml", text, "")
			if len(problems) > 0 {
				t.Fatalf("%v\n%s", problems, text)
			}
			passes(t, b, written[0])
			result, err := b.Replay(t.Context(), record)
			if err != nil || result.Departure != nil || result.Steps != len(record.Steps) {
				t.Errorf("replayed %+v, %+v, %v", result, result.Departure, err)
			}
			if t.Failed() {
				t.Logf("the case was\n%s", text)
			}
		})
	}
}

func passes(t *testing.T, b *Bench, c Case) {
	t.Helper()
	r, err := b.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Failures) > 0 {
		t.Errorf("%s failed:\n%s", c.Name, strings.Join(r.Failures, "\n"))
	}
}

// recordOf plays a case and gives its run's record, as a server would keep it.
func recordOf(t *testing.T, b *Bench, c Case) record.Record {
	t.Helper()
	w, err := b.World(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close(t.Context())
	p := play{World: w, c: c}
	if err := p.play(t.Context()); err != nil {
		t.Fatal(err)
	}
	records, err := w.Records(t.Context())
	if err != nil || len(records) != 1 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	return records[0]
}

// TestFailures: what is not as expected is said, with where and what.
func TestFailures(t *testing.T) {
	b := open(t, files)
	for _, test := range []struct{ name, text, want string }{
		{"steps", "flow: each, event: {body: [x]}, expect: {steps: [all, parse, reply]}", "steps:\n  - all\n    all[0]/parse.next\n  + all.next\n    reply.next"},
		{"answer", "flow: each, event: {body: [x]}, expect: {answer: {status: 201, body: [{a: {$match: '^y'}}]}}", `answer.status: want 201, got 200`},
		{"operator", "flow: each, event: {body: [x]}, expect: {answer: {body: [{a: {$match: '^y'}}]}}", `answer.body[0].a: want {"$match":"^y"}, got "x"`},
		{"request", "flow: order, event: {body: '<order><ref>A1</ref></order>'}, expect: {steps: [parse, register, register, register.error, away]}", "a request that was not expected: GET https://erp.example.com/orders?ref=A1"},
		{"unused", "flow: each, event: {body: []}, http: [{request: {url: 'https://x/'}, error: refused}]", "any method https://x/: asked for 1 times less than expected"},
		{"failed run", "flow: order, event: {body: '<order'}, expect: {steps: [parse]}", "the run failed, which was not expected: node parse: "},
		{"messages", "flow: talk, messages: [{receive: hi}], expect: {messages: [Nome, Other]}", `messages[1]: want "Other", and there is none`},
		{"no flow", "flow: tlak, event: {}", `there is no flow "tlak": did you mean`},
		{"invented event", "flow: invite, trigger: party, event: {variables: {party: x}}", "the trigger \"party\" takes activations: give activate: {variables: {...}} in the place of event"},
		{"activation", "flow: order, activate: {variables: {a: b}}", "the trigger \"start\" is of type gateway, and takes no activations"},
		{"no run", "flow: talk, trigger: hello", "the trigger \"hello\" takes messages"},
	} {
		t.Run(test.name, func(t *testing.T) {
			list, problems := Parse("x.test.yaml", []byte("- {name: it, "+test.text+"}"), "")
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			r, err := b.Run(t.Context(), list[0])
			if err != nil {
				t.Fatal(err)
			}
			if text := strings.Join(r.Failures, "\n"); !strings.Contains(text, test.want) {
				t.Errorf("failures:\n%s\nwant in them:\n%s", text, test.want)
			}
		})
	}
}

func TestParse(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"[]", "x.test.yaml:1: there is no case"},
		{"- {flow: a}", `lacks the field "name"`},
		{"- {name: a}", "no flow is named"},
		{"- {name: a, flow: f, expct: {}}", `has no field "expct"`},
		{"- {name: a, flow: f}\n- {name: a, flow: f}", `x.test.yaml:2:3: a second case is named "a"`},
		{"- {name: a, flow: f, messages: [{receive: x, advance: 1h}]}", "a step has 2 of them"},
		{"- {name: a, flow: f, messages: [{advance: soon}]}", `"soon" is no span of time`},
		{"- {name: a, flow: f, http: [{request: {url: x}}]}", "an exchange has a response or an error"},
		{"- {name: a, flow: f, http: [{request: {url: x}, error: tiemout}]}", `the error "tiemout" is not known`},
		{"- {name: a, flow: f, now: tomorrow}", `x.test.yaml:1:27: "now": write an instant, with its zone: 2026-01-05T12:00:00Z`},
		{"- {name: a, flow: f, event: {a: 1}, activate: {}}", "a case has both event and activate"},
		{"- {name: a, flow: f, calls: [{node: n}]}", "a call has an output or an error"},
		{"- {name: a, flow: f, calls: [{node: n, output: 1, times: -1}]}", "times: -1"},
	} {
		_, problems := Parse("x.test.yaml", []byte(test.text), "")
		if err := problems.Err(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v\nwant: %s", test.text, err, test.want)
		}
	}
}

// TestReplayDeparts: a changed flow departs where it does something else.
func TestReplayDeparts(t *testing.T) {
	b := open(t, files)
	list, _ := Parse("all.test.yaml", []byte(cases), "")
	for _, test := range []struct{ flow, old, new, node, line string }{
		{"talk", "Hi, {{", "Hello, {{", "greet", `output.text: recorded "Hi, Ana (gold, BRL)", now "Hello, Ana (gold, BRL)"`},
		{"talk", "{from: greet, to: nap}", "{from: greet, to: bye}\n  - {from: ask, port: error, to: nap}", "nap", `node: recorded "nap", now "bye"`},
		{"talk", "timeout: 1h", "timeout: 30m", "", ""}, // no tick came in between
		{"order", "status: 201,", "status: 200,", "reply", "output.status: recorded 201, now 200"},
		{"order", "{ref: \"{{ input.order.ref }}\"", "{ref: other", "register", `input.query.ref: recorded "A1", now "other"`},
		{"each", "<a>{{", "<b>{{", "parse", `input.xml: recorded "<a>x</a>", now "<b>x</a>"`},
	} {
		t.Run(test.flow+" "+test.new, func(t *testing.T) {
			changed := workspace.Files{}
			for name, data := range files {
				changed[name] = data
			}
			name := "flows/" + test.flow + ".yaml"
			if changed[name] = []byte(strings.Replace(string(files[name]), test.old, test.new, 1)); string(changed[name]) == string(files[name]) {
				t.Fatal("nothing was changed")
			}
			for _, c := range list {
				if c.Flow != test.flow {
					continue
				}
				result, err := open(t, changed).Replay(t.Context(), recordOf(t, b, c))
				if err != nil {
					t.Fatal(err)
				}
				switch d := result.Departure; {
				case d == nil && test.node != "":
					t.Errorf("%s: no departure", c.Name)
				case d != nil && (d.Node != test.node || !strings.Contains(strings.Join(d.Lines, "\n"), test.line)):
					t.Errorf("%s: departs at %s: %q", c.Name, d.Node, d.Lines)
				}
				return
			}
		})
	}
}

// TestReplayKnowsTheContact: a record hides the contact's key, since it may be
// called so what opens something; a replay has it all the same.
func TestReplayKnowsTheContact(t *testing.T) {
	b := open(t, workspace.Files{"flows/shop.yaml": []byte(`
schema: 1
id: shop
triggers: [{id: hello, type: message}]
nodes:
  - {id: say, type: send_message, with: {text: "you are {{ user.key }}"}}
  - {id: ask, type: wait_reply, with: {timeout: 1h}}
  - {id: again, type: send_message, with: {text: "still {{ user.key }}"}}
edges: [{from: hello, to: say}, {from: say, to: ask}, {from: ask, to: again}]
`)})
	kept := recordOf(t, b, Case{Flow: "shop", Messages: []Step{{Receive: source.ValueOf("hi")}, {Receive: source.ValueOf("and?")}}})
	result, err := b.Replay(t.Context(), kept)
	if err != nil || result.Departure != nil || len(kept.Steps) != 3 {
		t.Errorf("replayed %+v, %v: %+v", result, err, result.Departure)
	}
}

// TestReplayOfWhatWasCut: long values are compared by their beginnings, those
// of pure calls are made again.
func TestReplayOfWhatWasCut(t *testing.T) {
	b := open(t, files)
	long := strings.Repeat("long > ", 2000)
	kept := recordOf(t, b, Case{Flow: "twice", Event: map[string]any{"body": long}})
	if _, cut := record.CutOf(kept.Steps[0].Output); !cut {
		t.Fatalf("the output of %s was not cut", kept.Steps[0].Node)
	}
	result, err := b.Replay(t.Context(), kept)
	if err != nil || result.Departure != nil || result.Calls != 1 || len(result.Cut) != 2 {
		t.Errorf("replayed %+v, %v", result, err)
	}
}

// TestCallIsAnsweredOnce: the answers of a trial are for its node alone.
func TestCallIsAnsweredOnce(t *testing.T) {
	b := open(t, files)
	c := Case{Flow: "each", Event: map[string]any{"body": []any{"x", "y"}}, Calls: []Call{{Node: "parse", Error: &CallError{Code: abi.CodeUnknown}}}}
	r, err := b.Run(t.Context(), c)
	if err != nil || len(r.Failures) != 1 || !strings.Contains(r.Failures[0], "a call of node parse that was not expected") {
		t.Errorf("failures %q, %v", r.Failures, err)
	}
}

// TestNoRun: a message that no trigger takes.
func TestNoRun(t *testing.T) {
	b := open(t, workspace.Files{"flows/shop.yaml": []byte(`
schema: 1
id: shop
triggers: [{id: hello, type: message, keywords: [shop]}]
nodes: [{id: done, type: end}]
edges: [{from: hello, to: done}]
`)})
	r, err := b.Run(t.Context(), Case{Flow: "shop", Messages: []Step{{Receive: source.ValueOf("hi")}}})
	want := "no run began: the flow shop has these triggers, and none took what came\n  {\"id\":\"hello\",\"type\":\"message\",\"keywords\":[\"shop\"]}"
	if err != nil || len(r.Failures) != 1 || r.Failures[0] != want {
		t.Errorf("failures %q, %v", r.Failures, err)
	}
}
