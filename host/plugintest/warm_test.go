package plugintest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trama-run/trama/host/plugintest"
	"github.com/trama-run/trama/pdk/abi"
)

// TestAfterFailedWarming: calls start from an image that was taken after a call
// which failed, and find nothing of it: neither its input, where theirs has no
// place in memory, nor the texts of its error, whose memory is used again.
func TestAfterFailedWarming(t *testing.T) {
	const source = `const std = @import("std");
const trama = @import("trama.zig");
pub const panic = trama.panic;
export fn greet() i32 {
    const in = trama.input();
    if (std.mem.indexOf(u8, in, "warm") != null) return trama.failWith(trama.fail(.{ .code = "invalid", .message = trama.print("warmed by {s}", .{in}) catch "" }));
    if (std.mem.indexOf(u8, in, "own") != null) return trama.failWith(error.Invalid);
    return trama.output(trama.print("{d}", .{in.len}) catch "0");
}
`
	const manifest = `{"name": "warmed", "version": "1.0.0", "abi": 1, "kind": "connector", "operations": [{"name": "greet", "effect": "pure"}],
		"warm": [{"export": "greet", "input": "warm"}], "limits": {"memory_bytes": 2097152}}`
	_, p := build(t, "zig", abi.KindConnector, "warmed", func(dir string) {
		for name, text := range map[string]string{"plugin.zig": source, "manifest.json": manifest} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	})
	for _, test := range []struct{ input, want string }{
		{`"` + strings.Repeat("x", 100) + `"`, "102"},
		{`"own"`, `error: Invalid`},
		{`"` + strings.Repeat("x", 3_000_000) + `"`, "refused"},
	} {
		out, err := p.Call(t.Context(), plugintest.Call{Export: "greet", Input: []byte(test.input)})
		if err != nil {
			t.Fatal(err)
		}
		got := string(out.Output)
		if out.Error != nil {
			got = out.Error.Error()
		}
		if !strings.Contains(got, test.want) {
			t.Errorf("%.20s of %d bytes: %s, want %s", test.input, len(test.input), got, test.want)
		}
		t.Logf("%d bytes: %.300s", len(test.input), got)
	}
}
