//! The suite: one connector that does the same in every language that has a
//! PDK. What it does is said in ../../suite/manifest.json and tested by
//! ../../suite/cases.yaml.

const std = @import("std");
const trama = @import("trama.zig");
const Value = std.json.Value;

pub const panic = trama.panic;
pub const std_options: std.Options = .{ .logFn = trama.logFn };

export fn echo() i32 {
    return trama.output(trama.input());
}

export fn total() i32 {
    return trama.handle(Value, sum);
}

fn sum(in: Value) !struct { total: i64, items: usize } {
    const items = switch (field(in, "items")) {
        .array => |list| list.items,
        else => return trama.fail(.{ .code = "invalid", .message = "items: want a list" }),
    };
    var all: f64 = 0;
    for (items, 0..) |item, i| {
        const product = try factor(item, i, "price") * try factor(item, i, "quantity");
        all += product;
        if (!isWhole(product) or !isWhole(all))
            return trama.fail(.{ .code = "invalid", .message = try trama.print("items[{d}]: the total is beyond 9007199254740991", .{i}) });
    }
    return .{ .total = @trunc(all), .items = items.len };
}

fn factor(item: Value, i: usize, name: []const u8) !f64 {
    return whole(field(item, name)) orelse
        trama.fail(.{ .code = "invalid", .message = try trama.print("items[{d}].{s}: want a whole number", .{ i, name }) });
}

/// What a float holds exactly, and so JSON in every language.
const most = 9007199254740991;

fn isWhole(n: f64) bool {
    return @abs(n) <= most and @floor(n) == n;
}

fn whole(value: Value) ?f64 {
    const n: f64 = switch (value) {
        .integer => |n| @floatFromInt(n),
        .float => |n| n,
        else => return null, // a number_string has more than 64 bits
    };
    return if (isWhole(n)) n else null;
}

fn field(in: Value, name: []const u8) Value {
    return switch (in) {
        .object => |object| object.get(name) orelse .null,
        else => .null,
    };
}

export fn fetch() i32 {
    return trama.handle(struct { name: []const u8, type: ?[]const u8 = null, secured: ?bool = null }, make);
}

fn make(in: anytype) !struct { status: u16, id: []const u8 } {
    const headers = [_]trama.Header{
        .{ .name = "idempotency-key", .value = try trama.effectId() },
        .{ .name = "content-type", .value = in.type orelse "" },
    };
    const answer = try trama.httpSend(.{
        .method = "POST",
        .url = "/contacts",
        .headers = headers[0..if (in.type == null) 1 else 2],
        .json = try trama.stringify(.{ .name = in.name }),
        .ws_security = if (in.secured orelse false) .{ .at = 1, .no_header = true, .envelope = "http://www.w3.org/2003/05/soap-envelope" } else null,
    });
    if (answer.status == 404)
        return trama.fail(.{ .code = "not_found", .message = try trama.print("no contact {s}", .{in.name}) });
    if (answer.status != 200 and answer.status != 201) return trama.fail(.{
        .code = "http_status",
        .message = try trama.print("status {d}", .{answer.status}),
        .retryable = answer.mayRetry(),
        .retry_after_millis = answer.retryAfterMillis(),
    });
    const contact = try trama.parse(struct { id: []const u8 }, answer.body, .{});
    return .{ .status = answer.status, .id = contact.id };
}

const Count = struct { key: ?[]const u8 = null, forget: ?bool = null, list: ?[]const u8 = null };

export fn count() i32 {
    return trama.handle(Count, counted);
}

fn counted(in: Count) !trama.Json {
    if (in.list) |prefix| {
        var keys: std.ArrayList([]const u8) = .empty;
        var more = true;
        while (more) {
            const next = try trama.kvList(prefix, if (keys.items.len > 0) keys.items[keys.items.len - 1] else "", 0);
            try keys.appendSlice(trama.allocator, next.keys);
            more = next.more;
        }
        return .{ .text = try trama.stringify(.{ .keys = keys.items }) };
    }
    const key = in.key orelse return trama.fail(.{ .code = "invalid", .message = "key: want a text" });
    var n: i64 = 0;
    if (in.forget orelse false) {
        try trama.kvDelete(key);
    } else {
        const kept = try trama.kvGet(key) orelse "0";
        n = 1 + (numberIn(kept) orelse
            return trama.fail(.{ .code = "invalid", .message = try trama.print("{s}: what is kept there is no number to add to", .{key}) }));
        try trama.kvSet(key, try trama.print("{d}", .{n}));
    }
    return .{ .text = try trama.stringify(.{ .n = n }) };
}

fn numberIn(kept: []const u8) ?i64 {
    const n = whole(trama.parse(Value, kept, .{}) catch return null) orelse return null;
    return if (n < most) @trunc(n) else null;
}

const Sign = struct { text: []const u8, algorithm: ?[]const u8 = null, signature: ?[]const u8 = null };

export fn sign() i32 {
    return trama.handle(Sign, signed);
}

fn signed(in: Sign) !trama.Json {
    const algorithm = std.meta.stringToEnum(trama.Algorithm, in.algorithm orelse "HS256") orelse .EdDSA;
    if (algorithm != .HS256 and algorithm != .HS512)
        return trama.fail(.{ .code = "invalid", .message = "algorithm: want HS256 or HS512" });
    const hex = in.signature orelse {
        const signature = try trama.sign("suite", algorithm, in.text);
        return .{ .text = try trama.print("{{\"signature\":\"{x}\"}}", .{signature}) };
    };
    const signature = std.fmt.hexToBytes(try trama.allocator.alloc(u8, hex.len / 2), hex) catch
        return trama.fail(.{ .code = "invalid", .message = "signature: want hexadecimal digits" });
    return .{ .text = try trama.stringify(.{ .valid = try trama.verify("suite", algorithm, in.text, signature) }) };
}

export fn settings() i32 {
    return trama.handle(struct { key: []const u8 }, setting);
}

fn setting(in: anytype) !struct { value: ?[]const u8 } {
    std.log.info("config {s}", .{in.key});
    std.log.warn("config {s}", .{in.key});
    const value = trama.config(in.key);
    trama.log(.debug, "{s}", .{value orelse ""});
    return .{ .value = value };
}

export fn secret() i32 {
    return trama.handle(struct {}, letIn);
}

fn letIn(_: anytype) !struct { status: u16 } {
    const answer = try trama.httpSend(.{
        .url = "/me",
        .headers = &.{.{ .name = "Authorization", .value = try trama.print("Bearer {s}", .{try trama.secretRef("token")}) }},
    });
    return .{ .status = answer.status };
}

export fn clock() i32 {
    return trama.handle(struct {}, drawn);
}

fn drawn(_: anytype) !struct { random: usize, deadline: bool } {
    var first: [16]u8 = undefined;
    var second: [16]u8 = undefined;
    try trama.random(&first);
    try trama.random(&second);
    return .{
        .random = if (std.mem.eql(u8, &first, &second)) 0 else first.len,
        .deadline = try trama.deadline() > trama.now(),
    };
}

export fn fail() i32 {
    const in = trama.parse(struct { how: []const u8 = "" }, trama.input(), .{ .code = "invalid" }) catch |err| return trama.failWith(err);
    if (std.mem.eql(u8, in.how, "plain")) return trama.failText("plain failure");
    if (std.mem.eql(u8, in.how, "coded")) return trama.failWith(trama.fail(.{
        .code = "teapot",
        .message = "I'm a teapot",
        .retryable = true,
        .retry_after_millis = 1500,
        .detail = .{ .text = "{\"short\":\"stout\"}" },
    }));
    if (std.mem.eql(u8, in.how, "panic")) @panic("oh no");
    if (std.mem.eql(u8, in.how, "trap")) @trap();
    if (std.mem.eql(u8, in.how, "silent")) return 1;
    return trama.failWith(trama.fail(.{ .code = "invalid", .message = "how: want plain, coded, panic, trap or silent" }));
}
