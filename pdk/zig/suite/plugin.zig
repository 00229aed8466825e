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
    var all: i64 = 0;
    for (items, 0..) |item, i| {
        const product = std.math.mul(i64, try whole(item, i, "price"), try whole(item, i, "quantity")) catch return tooLarge(i);
        all = std.math.add(i64, all, product) catch return tooLarge(i);
    }
    return .{ .total = all, .items = items.len };
}

fn whole(item: Value, i: usize, name: []const u8) !i64 {
    return switch (field(item, name)) {
        .integer => |n| n,
        else => trama.fail(.{ .code = "invalid", .message = try trama.print("items[{d}].{s}: want a whole number", .{ i, name }) }),
    };
}

fn tooLarge(i: usize) trama.Error {
    return trama.fail(.{ .code = "invalid", .message = try trama.print("items[{d}]: the total has more than 64 bits", .{i}) });
}

fn field(in: Value, name: []const u8) Value {
    return switch (in) {
        .object => |object| object.get(name) orelse .null,
        else => .null,
    };
}

export fn fetch() i32 {
    return trama.handle(struct { name: []const u8 = "" }, make);
}

fn make(in: anytype) !struct { status: u16, id: []const u8 } {
    const answer = try trama.httpSend(.{
        .method = "POST",
        .url = "/contacts",
        .headers = &.{
            .{ .name = "idempotency-key", .value = try trama.effectId() },
        },
        .json = try trama.stringify(.{ .name = in.name }),
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

const Count = struct { key: []const u8 = "", forget: bool = false, list: ?[]const u8 = null };

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
    var n: i64 = 0;
    if (in.forget) {
        try trama.kvDelete(in.key);
    } else {
        if (try trama.kvGet(in.key)) |text| n = std.fmt.parseInt(i64, text, 10) catch
            return trama.fail(.{ .code = "invalid", .message = try trama.print("{s}: what is kept there is no number", .{in.key}) });
        n += 1;
        try trama.kvSet(in.key, try trama.print("{d}", .{n}));
    }
    return .{ .text = try trama.stringify(.{ .n = n }) };
}

const Sign = struct { text: []const u8 = "", signature: ?[]const u8 = null };

export fn sign() i32 {
    return trama.handle(Sign, signed);
}

fn signed(in: Sign) !trama.Json {
    const hex = in.signature orelse {
        const signature = try trama.sign("suite", .HS256, in.text);
        return .{ .text = try trama.print("{{\"signature\":\"{x}\"}}", .{signature}) };
    };
    const signature = std.fmt.hexToBytes(try trama.allocator.alloc(u8, hex.len / 2), hex) catch
        return trama.fail(.{ .code = "invalid", .message = "signature: want hexadecimal digits" });
    return .{ .text = try trama.stringify(.{ .valid = try trama.verify("suite", .HS256, in.text, signature) }) };
}

export fn settings() i32 {
    return trama.handle(struct { key: []const u8 = "" }, setting);
}

fn setting(in: anytype) !struct { value: ?[]const u8 } {
    std.log.info("config {s}", .{in.key});
    std.log.warn("config {s}", .{in.key});
    return .{ .value = trama.config(in.key) };
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
