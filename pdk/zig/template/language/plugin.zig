//! The language {{.Name}}: texts with {words}. manifest.json says what it is;
//! trama plugin build puts that into the module. trama.zig begins with its
//! manual.

const std = @import("std");
const trama = @import("trama.zig");

pub const panic = trama.panic;
pub const std_options: std.Options = .{ .logFn = trama.logFn };

export fn run() i32 {
    return trama.handleOpen(Run, replaced);
}

const Run = struct { code: []const u8, input: std.json.Value };

/// Gives the code with each {word} replaced by the input's field of that name:
/// a text as it is, any other value as JSON.
fn replaced(script: Run) ![]const u8 {
    const fields = switch (script.input) {
        .object => |object| object,
        else => return trama.fail(.{ .code = "invalid", .message = "input: want an object" }),
    };
    var text: std.ArrayList(u8) = .empty;
    var rest = script.code;
    while (rest.len > 0) {
        const word = wordAt(rest);
        if (word.len == 0) {
            try text.append(trama.allocator, rest[0]);
            rest = rest[1..];
            continue;
        }
        const value = fields.get(word) orelse
            return trama.fail(.{ .code = "invalid", .message = try trama.print("unknown word: {s}", .{word}) });
        try text.appendSlice(trama.allocator, switch (value) {
            .string => |string| string,
            else => try trama.stringify(value),
        });
        rest = rest[word.len + 2 ..];
    }
    return text.items;
}

/// The word of a {word} that a text begins with, or nothing.
fn wordAt(text: []const u8) []const u8 {
    if (text[0] != '{') return "";
    for (text[1..], 0..) |c, n| {
        if (c == '}') return text[1 .. n + 1];
        if (c != '_' and !std.ascii.isAlphanumeric(c)) return "";
    }
    return "";
}

// `zig test plugin.zig` runs these, outside WebAssembly.

test "words are replaced" {
    const script = try trama.parse(Run, "{\"code\":\"{a}, {b}: { c}\",\"input\":{\"a\":\"x\",\"b\":[1]}}", .{});
    try std.testing.expectEqualStrings("x, [1]: { c}", try replaced(script));
}

test "an unknown word is told" {
    const script = try trama.parse(Run, "{\"code\":\"{a}\",\"input\":{}}", .{});
    try std.testing.expectError(error.Invalid, replaced(script));
    try std.testing.expectEqualStrings("unknown word: a", trama.failure().message);
}
