package script_test

import (
	"strings"
	"testing"

	"github.com/trama-run/trama/host/plugintest"
)

// views are operations that give bytes whose buffer has changed since the view
// of them was made.
const views = `import { raw } from "trama";
function view(size, offset) {
  const buffer = new ArrayBuffer(size, { maxByteLength: 200000 });
  return [buffer, new Uint8Array(buffer, offset)];
}
export function shrunk({ k }) {
  const [buffer, view_] = view(100000, 2);
  view_.fill(7);
  buffer.resize(10);
  globalThis.kept = Array.from({ length: 300 }, (_, i) => ["SECRET-" + i + "-" + k]);
  return view_;
}
export function grown() { const [buffer, view_] = view(2, 1); buffer.resize(4); return view_.fill(1); }
export function claimed() { return Object.defineProperty(new Uint8Array(3), "length", { value: 1e6 }); }
export function resizing() {
  const [buffer, view_] = view(100000, 0);
  return Object.defineProperty(view_, "length", { get() { buffer.resize(3); return 100000; } });
}
export function detached() { const view_ = new Uint8Array(100000); view_.buffer.transfer(); return view_; }
export function outside() {
  const buffer = new ArrayBuffer(100, { maxByteLength: 200 });
  const view_ = new Uint8Array(buffer, 50, 50);
  buffer.resize(10);
  return view_;
}
export function whole() { const [buffer] = view(100000, 0); buffer.resize(2); return buffer; }
export function none() { return new Uint8Array(0); }
export function decoded() { const [buffer, view_] = view(100000, 1); buffer.resize(4); return new TextDecoder().decode(view_.fill(97)); }
`

// TestViews: an operation gives no more than its buffer has.
func TestViews(t *testing.T) {
	operations := []string{"shrunk", "grown", "claimed", "resizing", "detached", "outside", "whole", "none", "decoded"}
	path := build(t, project(t, map[string]string{"plugin.js": views})+"/plugin.js", manifestOf(t, operations...))
	p, peer := open(t, path), goSDK(t, path)
	for _, test := range []struct{ operation, output, failure string }{
		{"shrunk", strings.Repeat("\a", 8), ""},
		{"grown", "\x01\x01\x01", ""},
		{"claimed", "\x00\x00\x00", ""},
		{"resizing", "\x00\x00\x00", ""},
		{"detached", "", `{"code":"bad_output","message":"output: `},
		{"outside", "", `{"code":"bad_output","message":"output: `},
		{"whole", "\x00\x00", ""},
		{"none", "", ""},
		{"decoded", `"aaa"`, ""},
	} {
		t.Run(test.operation, func(t *testing.T) {
			output, failure := call(t, p, test.operation, `{"k":1}`)
			if output != test.output || !strings.HasPrefix(failure, test.failure) || (failure == "") != (test.failure == "") {
				t.Errorf("here: %.100q (%d bytes), %s\nwant  %q, %s", output, len(output), failure, test.output, test.failure)
			}
			_, given, err := peer.Call(test.operation, []byte(`{"k":1}`))
			if string(given) != test.output || (err == nil) != (test.failure == "") {
				t.Errorf("go-sdk: %.100q (%d bytes), %v\nwant    %q, %s", given, len(given), err, test.output, test.failure)
			}
		})
	}
}

// halves are operations whose texts hold halves of surrogate pairs.
const halves = `import { log, raw } from "trama";
const all = "\udc00a\ud83d\ude00b\ud83dé\ude00\ud83d";
export const text = raw(() => all);
export const encoded = raw(() => new TextEncoder().encode(all));
export const json = () => all;
export const half = raw(() => "\ud800");
export function thrown() { throw all; }
export function logged() { log.info(all); }
`

// TestHalves: what goes out is UTF-8.
func TestHalves(t *testing.T) {
	operations := []string{"text", "encoded", "json", "half", "thrown", "logged"}
	path := build(t, project(t, map[string]string{"plugin.js": halves})+"/plugin.js", manifestOf(t, operations...))
	p, peer := open(t, path), goSDK(t, path)
	const all = "\ufffda😀b\ufffdé\ufffd\ufffd"
	for _, test := range []struct{ operation, output, failure string }{
		{"text", all, ""},
		{"encoded", all, ""},
		{"json", `"` + all + `"`, ""},
		{"half", "\ufffd", ""},
		{"thrown", "", all},
	} {
		t.Run(test.operation, func(t *testing.T) {
			output, failure := call(t, p, test.operation, "null")
			if output != test.output || !strings.Contains(failure, test.failure) || (failure == "") != (test.failure == "") {
				t.Errorf("here: %q, %s\nwant  %q, %s", output, failure, test.output, test.failure)
			}
			_, given, err := peer.Call(test.operation, []byte("null"))
			if string(given) != test.output || (err == nil) != (test.failure == "") || peer.GetError() != test.failure {
				t.Errorf("go-sdk: %q, %v\nwant    %q, %s", given, err, test.output, test.failure)
			}
		})
	}
	out, err := p.Call(t.Context(), plugintest.Call{Export: "logged", Input: []byte("null")})
	want := "info: " + strings.ReplaceAll(all, "\ufffd", `\ufffd`) // the log's form for it
	if err != nil || len(out.Log) != 1 || out.Log[0] != want {
		t.Errorf("the log has %q (%v), want %q", out.Log, err, want)
	}
}
