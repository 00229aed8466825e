//! The channel adapter {{.Name}}. manifest.json says what it is; trama plugin
//! build puts that into the module. trama.zig begins with its manual.

const std = @import("std");
const trama = @import("trama.zig");

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

const Webhook = struct {
    messages: []const struct {
        id: []const u8,
        from: []const u8,
        name: []const u8 = "",
        text: []const u8 = "",
    } = &.{},
};

const Address = struct { scheme: []const u8, path: []const u8 };
const Text = struct { type: []const u8 = "text", text: []const u8 };
const Unit = struct { id: []const u8, from: Address, name: []const u8, message: Text };

/// Gives a unit for each message. The host has checked the signature and stored
/// the request before; it takes a unit with a known id once.
fn units(request: Request) !struct { units: []const Unit } {
    const webhook = trama.parse(Webhook, request.body.bytes, .{}) catch
        return trama.fail(.{ .code = "invalid", .message = try trama.print("webhook body: {s}", .{trama.failure().message}) });
    const list = try trama.allocator.alloc(Unit, webhook.messages.len);
    for (list, webhook.messages) |*unit, m| unit.* = .{
        .id = m.id,
        .from = .{ .scheme = scheme, .path = m.from },
        .name = m.name,
        .message = .{ .text = m.text },
    };
    return .{ .units = list };
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
    const message = try trama.parse(struct { id: []const u8 }, answer.body, .{});
    return .{ .message_id = message.id };
}

// `zig test plugin.zig` runs these, outside WebAssembly; what asks the host is
// for cases/*.yaml and trama plugin test.

test "each message is a unit" {
    const got = try units(.{ .body = .{ .bytes = "{\"messages\":[{\"id\":\"m1\",\"from\":\"55\",\"name\":\"Ana\",\"text\":\"Oi\"}]}" } });
    try std.testing.expectEqual(1, got.units.len);
    try std.testing.expectEqualStrings("m1", got.units[0].id);
    try std.testing.expectEqualStrings("Oi", got.units[0].message.text);
}

test "text alone is sent" {
    const image: Send = .{ .to = .{ .scheme = scheme, .path = "55" }, .message = .{ .type = "image" }, .effect_id = "e1" };
    try std.testing.expectError(error.Failed, sent(image));
    try std.testing.expectEqualStrings("unsupported", trama.failure().code);
}
