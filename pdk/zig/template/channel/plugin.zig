//! The channel adapter {{.Name}}. manifest.json says what it is; trama plugin
//! build puts that into the module. trama.zig begins with its manual.

const std = @import("std");
const trama = @import("trama.zig");
const Value = std.json.Value;

pub const panic = trama.panic;
pub const std_options: std.Options = .{ .logFn = trama.logFn };

/// The address space of the service's contacts.
const scheme = "{{.Scheme}}";

export fn receive() i32 {
    return trama.handleOpen(Request, units);
}

export fn send() i32 {
    return trama.handleOpen(Send, sent);
}

/// A webhook request, of which the body is all that counts here.
const Request = struct { body: trama.Bytes };

const Address = struct { scheme: []const u8, path: []const u8 };
const Text = struct { type: []const u8 = "text", text: []const u8 };
const Unit = struct { id: []const u8, from: Address, name: []const u8, message: Text };

/// Gives a unit for each message, and says of one that it can't read what it
/// lacks; a webhook about something else has none. The host has checked the
/// signature and stored the request before; it takes a unit with a known id once.
fn units(request: Request) !trama.Json {
    const webhook = trama.parse(Value, request.body.bytes, .{}) catch
        return trama.fail(.{ .code = "invalid", .message = try trama.print("webhook body: {s}", .{trama.failure().message}) });
    var list: std.ArrayList(Unit) = .empty;
    var unread: std.ArrayList([]const u8) = .empty;
    const messages = field(webhook, "messages");
    for (if (messages == .array) messages.array.items else &.{}, 0..) |m, i| {
        const unit: Unit = .{
            .id = text(m, "id"),
            .from = .{ .scheme = scheme, .path = text(m, "from") },
            .name = text(m, "name"),
            .message = .{ .text = text(m, "text") },
        };
        if (unit.id.len == 0 or unit.from.path.len == 0 or unit.message.text.len == 0) {
            try unread.append(trama.allocator, try trama.print("messages[{d}]: want id, from and text", .{i}));
        } else try list.append(trama.allocator, unit);
    }
    if (unread.items.len == 0) return .{ .text = try trama.stringify(.{ .units = list.items }) };
    return .{ .text = try trama.stringify(.{ .units = list.items, .unread = unread.items }) };
}

fn field(in: Value, name: []const u8) Value {
    return if (in == .object) in.object.get(name) orelse .null else .null;
}

fn text(in: Value, name: []const u8) []const u8 {
    const value = field(in, name);
    return if (value == .string) value.string else "";
}

const Send = struct {
    to: Address,
    message: struct { type: []const u8, text: []const u8 = "" },
    effect_id: []const u8,
};

/// Sends one text. The effect's id is the same when the host has to repeat the
/// call, so the service sends no second one.
fn sent(in: Send) !struct { message_id: []const u8 } {
    if (!std.mem.eql(u8, in.message.type, "text")) return trama.fail(.{
        .code = "unsupported",
        .message = try trama.print("{s}: this channel sends text alone", .{in.message.type}),
    });
    const answer = try trama.httpSend(.{
        .method = "POST",
        .url = "/messages", // of the channel's connection, which adds the credentials
        .headers = &.{
            .{ .name = "Idempotency-Key", .value = in.effect_id },
        },
        .json = try trama.stringify(.{ .to = in.to.path, .text = in.message.text }),
    });
    if (answer.status != 200 and answer.status != 201) return answer.statusError();
    const id = text(trama.parse(Value, answer.body, .{}) catch .null, "id");
    if (id.len == 0) return trama.fail(.{
        .code = "bad_answer",
        .message = try trama.print("the service answered {d} without the id of the message", .{answer.status}),
    });
    return .{ .message_id = id };
}

// `zig test plugin.zig` runs these, outside WebAssembly; what asks the host is
// for cases/*.yaml and trama plugin test.

test "each message is a unit" {
    const got = try units(.{ .body = .{ .bytes = "{\"messages\":[{\"id\":\"m1\",\"from\":\"55\",\"name\":\"Ana\",\"text\":\"Oi\"}]}" } });
    const want = "{\"units\":[{\"id\":\"m1\",\"from\":{\"scheme\":\"{{.Scheme}}\",\"path\":\"55\"},\"name\":\"Ana\",\"message\":{\"type\":\"text\",\"text\":\"Oi\"}}]}";
    try std.testing.expectEqualStrings(want, got.text);
}

test "what is no message gives none" {
    const got = try units(.{ .body = .{ .bytes = "{\"messages\":[5]}" } });
    try std.testing.expectEqualStrings("{\"units\":[],\"unread\":[\"messages[0]: want id, from and text\"]}", got.text);
}

test "text alone is sent" {
    const image: Send = .{ .to = .{ .scheme = scheme, .path = "55" }, .message = .{ .type = "image" }, .effect_id = "e1" };
    try std.testing.expectError(error.Failed, sent(image));
    try std.testing.expectEqualStrings("unsupported", trama.failure().code);
}
