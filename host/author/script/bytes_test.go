package script_test

import (
	"strings"
	"testing"
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
