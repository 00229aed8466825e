//! A plugin that needs no Trama host: what every Extism host runs.

const std = @import("std");
const trama = @import("trama.zig");

pub const panic = trama.panic;
pub const std_options: std.Options = .{ .logFn = trama.logFn };

export fn describe() i32 {
    return trama.describe("{\"name\":\"guest\"}");
}

export fn echo() i32 {
    return trama.output(trama.input());
}

export fn setting() i32 {
    const value = trama.config(trama.input()) orelse
        return trama.failWith(trama.fail(.{ .code = "none", .message = "no such setting" }));
    std.log.info("setting {s}", .{value});
    trama.log(.warn, "", .{});
    return trama.output(value);
}

export fn strict() i32 {
    return trama.handle(struct { n: u8 = 0 }, next);
}

export fn open() i32 {
    return trama.handleOpen(struct { n: u8 = 0 }, next);
}

fn next(in: anytype) !struct { n: u8 } {
    return .{ .n = in.n + 1 }; // 255 overflows: a panic
}

export fn named() i32 {
    return trama.handle(std.json.Value, none);
}

fn none(_: std.json.Value) !u8 {
    return error.NoLuck;
}

/// How much memory the module has, after a call that needs 200 KB and more.
export fn pages() i32 {
    for (0..100) |i| _ = trama.allocator.alloc(u8, 2000 + i) catch unreachable;
    return trama.output(trama.print("{d}", .{@wasmMemorySize(0)}) catch unreachable);
}

var kept: ?*u32 = null;

/// A number that is kept in the arena: n calls give n.
export fn keep() i32 {
    const n = kept orelse first: {
        const n = trama.allocator.create(u32) catch unreachable;
        n.* = 0;
        trama.keep();
        kept = n;
        break :first n;
    };
    for ([_]usize{ 64, 300_000 }) |size| @memset(trama.allocator.alloc(u8, size) catch unreachable, 0xff);
    n.* += 1;
    return trama.output(trama.print("{d}", .{n.*}) catch unreachable);
}

export fn oh_no() i32 {
    trama.crash(@src(), "oh \"no\"");
}

export fn outside() i32 {
    const text = trama.input();
    return text[text.len + 3];
}

export fn hoard() i32 {
    while (true) _ = trama.allocator.alloc(u8, 1 << 20) catch |err| return trama.failWith(err);
}
