//! The plugin {{.Name}}. manifest.json says what it is; trama plugin build puts
//! that into the module. trama.zig begins with its manual.

const std = @import("std");
const trama = @import("trama.zig");

pub const panic = trama.panic;
pub const std_options: std.Options = .{ .logFn = trama.logFn };

// Each operation of the manifest is an export: a line around ordinary Zig.

export fn greet() i32 {
    return trama.handle(Person, greeting);
}

export fn create() i32 {
    return trama.handle(Person, contact);
}

/// The input of both operations.
const Person = struct {
    name: []const u8 = "",

    fn check(p: Person) !void {
        if (p.name.len == 0)
            return trama.fail(.{ .code = "invalid", .message = "name: want a text that is not empty" });
    }
};

fn greeting(person: Person) !struct { greeting: []const u8 } {
    try person.check();
    return .{ .greeting = try trama.print("Hello, {s}!", .{person.name}) };
}

const Contact = struct { id: []const u8 = "" };

/// Makes a contact. The effect's id is the same when the host has to repeat the
/// call, so the service makes no second one.
fn contact(person: Person) !Contact {
    try person.check();
    const answer = try trama.httpSend(.{
        .method = "POST",
        .url = "/contacts", // of the node's connection, which adds the credentials
        .headers = &.{
            .{ .name = "Idempotency-Key", .value = try trama.effectId() },
        },
        .json = try trama.stringify(person),
    });
    if (answer.status != 200 and answer.status != 201) return answer.statusError();
    const made = try trama.parse(Contact, answer.body, .{});
    if (made.id.len == 0) return trama.fail(.{ .code = "error", .message = "answer of the service: it has no id" });
    return made;
}

// `zig test plugin.zig` runs these, outside WebAssembly; what asks the host is
// for cases/*.yaml and trama plugin test.

test "a person is greeted" {
    try std.testing.expectEqualStrings("Hello, Ana!", (try greeting(.{ .name = "Ana" })).greeting);
}

test "a person needs a name" {
    try std.testing.expectError(error.Invalid, greeting(.{}));
    try std.testing.expectEqualStrings("name: want a text that is not empty", trama.failure().message);
}
