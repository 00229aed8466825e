//! Trama plugins in Zig, in one file, for Zig 0.17.
//!
//!     const std = @import("std");
//!     const trama = @import("trama.zig");
//!
//!     pub const panic = trama.panic; // a panic ends the call with its message
//!     pub const std_options: std.Options = .{ .logFn = trama.logFn };
//!
//!     export fn greet() i32 {
//!         return trama.handle(Person, greeting);
//!     }
//!
//!     const Person = struct { name: []const u8 = "" };
//!
//!     fn greeting(person: Person) !struct { greeting: []const u8 } {
//!         if (person.name.len == 0)
//!             return trama.fail(.{ .code = "invalid", .message = "name: want a text that is not empty" });
//!         return .{ .greeting = try trama.print("Hello, {s}!", .{person.name}) };
//!     }
//!
//! `trama plugin build` compiles it, by
//!
//!     zig build-exe plugin.zig -target wasm32-freestanding -O ReleaseSafe -fno-entry -rdynamic
//!
//! What a plugin doesn't call is not in its module, nor is the import that it
//! would need: a plugin that calls nothing of "The host" below runs in every
//! host that speaks the Extism ABI.
//!
//! `zig test plugin.zig` runs an author's own tests of the functions behind the
//! exports, outside WebAssembly. There is no host there: what asks it fails,
//! and says so; `trama plugin test` plays one.
//!
//! Memory comes from `allocator`, an arena: nothing has to be freed, and the
//! next call starts with it empty. A Trama host starts every call from an image
//! of the plugin's memory, so globals keep nothing from call to call, but for
//! what the manifest's "warm" calls and the export prepare leave: these end by
//! `keep()`.
//!
//! Copyright: the Trama project, under its licence. You may ship this file with
//! your plugin.

const std = @import("std");
const builtin = @import("builtin");
const Allocator = std.mem.Allocator;

const is_wasm = builtin.cpu.arch.isWasm();

comptime {
    if (is_wasm) {
        @export(&tramaInput, .{ .name = "trama_input" });
        @export(&tramaOutput, .{ .name = "trama_output" });
    }
}

// ---- The call: input, output, errors ----

/// `handle` answers a call of an operation: it reads the input as JSON into
/// In, calls `f`, and writes what that gives as JSON. The result is what the
/// export returns. A field that In doesn't have is an error, so that a misspelt
/// setting is not passed over in silence; a field that the input doesn't have
/// needs a default. In may be `std.json.Value`, and `f` may give `Json`.
pub fn handle(comptime In: type, comptime f: anytype) i32 {
    return answer(In, f, false);
}

/// `handleOpen` is `handle` for the inputs that hosts compose (receive, send,
/// run): fields that a newer host adds are passed over.
pub fn handleOpen(comptime In: type, comptime f: anytype) i32 {
    return answer(In, f, true);
}

fn answer(comptime In: type, comptime f: anytype, comptime open: bool) i32 {
    const text = input();
    const in = parse(In, text, .{ .ignore_unknown_fields = open, .code = "invalid" }) catch |err| return failWith(err);
    const out = f(in) catch |err| return failWith(err);
    return output(stringify(out) catch |err| return failWith(err));
}

/// `describe` answers a call of the export describe with the manifest, such as
/// `@embedFile("manifest.json")`. It is not needed where `trama plugin build`
/// puts manifest.json into the module.
pub fn describe(manifest: []const u8) i32 {
    return output(manifest);
}

/// `input` gives the call's input. It stays as it is for the call.
pub fn input() []const u8 {
    if (!is_wasm) @panic("an export has no input outside WebAssembly: test the function behind it");
    if (bulk) return bulk_input;
    const data = alloc(u8, @intCast(extism.input_length()));
    readInto(data, 0, extism.input_load_u64, extism.input_load_u8);
    return data;
}

/// `output` sets the call's output, and gives 0 to return. The bytes must stay:
/// those of `allocator` and of constants do, those of a function's `var` don't.
/// It is the call's last act, as is an error: what is allocated after it may
/// take the place of what was there before.
pub fn output(bytes: []const u8) i32 {
    if (!is_wasm) return 0;
    if (bulk) {
        // An address for no bytes as well: 0 stands for no output.
        bulk_output = @as(u64, @intFromPtr(if (bytes.len == 0) bulk_input.ptr else bytes.ptr)) << 32 | bytes.len;
    } else {
        extism.output_set(store(bytes), bytes.len);
        ended = true;
    }
    return 0;
}

/// How an operation fails.
pub const Failure = struct {
    /// A stable word for programs, in snake_case.
    code: []const u8,
    /// A sentence for people: cause, place and remedy.
    message: []const u8,
    /// The same call may succeed later.
    retryable: bool = false,
    /// After this time; 0: not known.
    retry_after_millis: i64 = 0,
    detail: ?Json = null,

    pub fn jsonStringify(f: Failure, w: anytype) !void {
        try w.beginObject();
        try w.objectField("code");
        try w.write(f.code);
        try w.objectField("message");
        try w.write(brief(f.message));
        if (f.retryable) {
            try w.objectField("retryable");
            try w.write(true);
        }
        if (f.retry_after_millis != 0) {
            try w.objectField("retry_after_millis");
            try w.write(f.retry_after_millis);
        }
        if (f.detail) |detail| {
            try w.objectField("detail");
            try w.write(detail);
        }
        try w.endObject();
    }
};

/// Of a message, the first 4 KiB are sent: one that quotes what was given may be
/// longer than a host takes.
fn brief(message: []const u8) []const u8 {
    var most: usize = 4096;
    if (message.len <= most) return message;
    while (most > 0 and message[most] & 0xc0 == 0x80) most -= 1; // a character stays whole
    return print("{s}...", .{message[0..most]}) catch message[0..most];
}

/// What the functions of this file fail with. The first names are the codes of
/// a host's refusals; `Failed` is any other. `failure()` has the whole of it.
pub const Error = error{
    Denied,
    Invalid,
    Limit,
    Timeout,
    Unreachable,
    Unknown,
    NoSecret,
    Failed,
    OutOfMemory,
};

/// `fail` gives the error to return from an operation:
/// `return trama.fail(.{ .code = "invalid", .message = "..." });`
pub fn fail(f: Failure) Error {
    const err: Error = inline for (codes) |known| {
        if (std.mem.eql(u8, f.code, known[0])) break known[1];
    } else error.Failed;
    last = .{ .err = err, .failure = f };
    return err;
}

const codes = .{
    .{ "denied", Error.Denied },           .{ "invalid", Error.Invalid },
    .{ "limit", Error.Limit },             .{ "timeout", Error.Timeout },
    .{ "unreachable", Error.Unreachable }, .{ "unknown", Error.Unknown },
    .{ "no_secret", Error.NoSecret },
};

/// `failure` tells of the error that a function of this file has just given.
pub fn failure() Failure {
    return if (last) |l| l.failure else .{ .code = "error", .message = "" };
}

var last: ?struct { err: Error, failure: Failure } = null;

/// `failWith` sets an error as the call's, and gives 1 to return: one of `fail`
/// or of the host with all its fields, any other with the code "error" and its
/// name.
pub fn failWith(err: anyerror) i32 {
    var f: Failure = .{ .code = "error", .message = @errorName(err) };
    if (err == error.OutOfMemory) f = .{ .code = "limit", .message = out_of_memory };
    if (last) |l| if (l.err == err) {
        f = l.failure;
    };
    return failText(stringify(f) catch out_of_memory);
}

/// `failText` sets a plain text as the call's error, and gives 1 to return;
/// hosts give it the code "error".
pub fn failText(text: []const u8) i32 {
    if (!is_wasm) return 1;
    extism.error_set(store(text));
    ended = !bulk;
    return 1;
}

const out_of_memory = "out of memory; the manifest can ask for more in limits.memory_bytes";

/// A plugin's root declares `pub const panic = trama.panic;`. Then a panic, of
/// `@panic` or of a safety check, ends the call as crashed with an error of the
/// code "panic" that has its message.
pub const panic = std.debug.FullPanic(panicked);

fn panicked(message: []const u8, _: ?usize) noreturn {
    @branchHint(.cold);
    if (!is_wasm) std.process.abort();
    // No memory of the arena: that may be what is lacking.
    const start = "{\"code\":\"panic\",\"message\":\"";
    var text: [1024]u8 = undefined;
    var size: usize = start.len;
    @memcpy(text[0..start.len], start);
    for (message) |c| {
        if (size > text.len - 5) break;
        if (c == '"' or c == '\\') {
            text[size] = '\\';
            size += 1;
        }
        text[size] = if (c < ' ') ' ' else c;
        size += 1;
    }
    @memcpy(text[size..][0..2], "\"}");
    extism.error_set(store(text[0 .. size + 2]));
    @trap();
}

/// `crash` panics with the place in the source: `trama.crash(@src(), "oh no")`.
pub fn crash(comptime at: std.builtin.SourceLocation, message: []const u8) noreturn {
    @branchHint(.cold);
    var text: [512]u8 = undefined;
    @panic(std.fmt.bufPrint(&text, "{s}:{d}: {s}", .{ at.file, at.line, message }) catch message);
}

// ---- Texts and JSON ----

/// `print` makes a text as `std.fmt.allocPrint` does.
pub fn print(comptime format: []const u8, args: anytype) error{OutOfMemory}![]u8 {
    return std.fmt.allocPrint(allocator, format, args);
}

/// `parse` reads JSON into T as std.json does (which takes a whole number in the
/// form 1e3, and one in a string), but for a text that is a list of numbers, which
/// is an error, and for half of a surrogate pair, which becomes U+FFFD. Of several
/// fields of one name the last counts. If it can't, that is `fail` with the code:
/// "error" for what a service or the host gave, as it stands; "invalid" for what
/// the caller did.
pub fn parse(comptime T: type, text: []const u8, options: struct { ignore_unknown_fields: bool = true, code: []const u8 = "error" }) Error!T {
    var scanner = std.json.Scanner.initCompleteInput(allocator, try wholePairs(text));
    var at: std.json.Diagnostics = .{};
    scanner.enableDiagnostics(&at);
    return readAll(T, &scanner, .{
        .duplicate_field_behavior = .use_last,
        .ignore_unknown_fields = options.ignore_unknown_fields,
        .max_value_len = text.len,
        .allocate = .alloc_if_needed,
    }) catch |err| switch (err) {
        error.OutOfMemory => error.OutOfMemory,
        else => fail(.{
            .code = options.code,
            .message = try print("JSON: {s} at line {d}, column {d}", .{ reason(err), at.getLine(), at.getColumn() }),
        }),
    };
}

/// `wholePairs` gives JSON with the escape of U+FFFD, which is as long, in place of
/// those of half a surrogate pair: std.json takes none.
fn wholePairs(text: []const u8) error{OutOfMemory}![]const u8 {
    var out: ?[]u8 = null;
    var at: usize = 0;
    while (std.mem.findScalarPos(u8, text, at, '\\')) |escape| {
        const unit = unitAt(text, escape) orelse {
            at = escape + 2;
            continue;
        };
        at = escape + 6;
        if (unit & 0xf800 != 0xd800) continue;
        if (unit < 0xdc00) if (unitAt(text, at)) |next| if (next & 0xfc00 == 0xdc00) {
            at += 6;
            continue;
        };
        if (out == null) out = try allocator.dupe(u8, text);
        @memcpy(out.?[escape + 2 ..][0..4], "fffd");
    }
    return out orelse text;
}

/// `unitAt` gives the number of an escape \uXXXX; null: there is none.
fn unitAt(text: []const u8, at: usize) ?u16 {
    if (at + 6 > text.len or text[at] != '\\' or text[at + 1] != 'u') return null;
    for (text[at + 2 ..][0..4]) |c| if (!std.ascii.isHex(c)) return null;
    return std.fmt.parseInt(u16, text[at + 2 ..][0..4], 16) catch null;
}

fn readAll(comptime T: type, source: *std.json.Scanner, options: std.json.ParseOptions) !T {
    const value = try read(T, source, options);
    if (try source.next() != .end_of_document) unreachable; // it fails by itself
    return value;
}

/// `read` is `std.json.innerParse`, which makes a text of a list of numbers as
/// well, for all types that can hold texts.
fn read(comptime T: type, source: *std.json.Scanner, options: std.json.ParseOptions) std.json.ParseError(std.json.Scanner)!T {
    switch (@typeInfo(T)) {
        .optional => |o| {
            if (try source.peekNextTokenType() != .null) return try read(o.child, source, options);
            _ = try source.next();
            return null;
        },
        .pointer => |p| switch (p.size) {
            .one => {
                const one = try allocator.create(p.child);
                one.* = try read(p.child, source, options);
                return one;
            },
            .slice => {
                if (p.child == u8) {
                    if (try source.peekNextTokenType() == .array_begin) return error.UnexpectedToken;
                } else if (p.sentinel() == null) {
                    if (try source.next() != .array_begin) return error.UnexpectedToken;
                    var list: std.ArrayList(p.child) = .empty;
                    while (try source.peekNextTokenType() != .array_end)
                        try list.append(allocator, try read(p.child, source, options));
                    _ = try source.next();
                    return list.items;
                }
            },
            else => {},
        },
        .array => |a| if (a.child == u8) {
            if (try source.peekNextTokenType() == .array_begin) return error.UnexpectedToken;
        } else {
            if (try source.next() != .array_begin) return error.UnexpectedToken;
            var list: T = undefined;
            for (&list) |*one| one.* = try read(a.child, source, options);
            return if (try source.next() == .array_end) list else error.UnexpectedToken;
        },
        .@"struct" => |s| if (s.is_tuple) {
            if (try source.next() != .array_begin) return error.UnexpectedToken;
            var list: T = undefined;
            inline for (s.field_types, 0..) |Field, i| list[i] = try read(Field, source, options);
            return if (try source.next() == .array_end) list else error.UnexpectedToken;
        } else if (comptime valueOfMap(T)) |Value| {
            if (try source.next() != .object_begin) return error.UnexpectedToken;
            var map: T = .{};
            while (try readName(source)) |name| try map.map.put(allocator, name, try read(Value, source, options));
            return map;
        } else if (!std.meta.hasFn(T, "jsonParse")) return readFields(T, source, options),
        .@"union" => |u| if (u.tag_type != null and !std.meta.hasFn(T, "jsonParse")) {
            if (try source.next() != .object_begin) return error.UnexpectedToken;
            const name = try readName(source) orelse return error.UnexpectedToken;
            const value: T = inline for (u.field_names, u.field_types) |field, Field| {
                if (std.mem.eql(u8, field, name)) {
                    const one = try read(if (Field == void) struct {} else Field, source, options);
                    break @unionInit(T, field, if (Field == void) {} else one);
                }
            } else return error.UnknownField;
            return if (try source.next() == .object_end) value else error.UnexpectedToken;
        },
        else => {},
    }
    return std.json.innerParse(T, allocator, source, options);
}

fn readFields(comptime T: type, source: *std.json.Scanner, options: std.json.ParseOptions) !T {
    const info = @typeInfo(T).@"struct";
    if (try source.next() != .object_begin) return error.UnexpectedToken;
    var value: T = undefined;
    var seen: [info.field_names.len]bool = @splat(false);
    while (try readName(source)) |name| {
        inline for (info.field_names, info.field_types, 0..) |field, Field, i| {
            if (std.mem.eql(u8, field, name)) {
                @field(value, field) = try read(Field, source, options);
                seen[i] = true;
                break;
            }
        } else if (options.ignore_unknown_fields) try source.skipValue() else return error.UnknownField;
    }
    inline for (info.field_names, info.field_types, info.field_attrs, 0..) |field, Field, attributes, i| {
        if (!seen[i]) @field(value, field) = attributes.defaultValue(Field) orelse return error.MissingField;
    }
    return value;
}

/// `readName` reads the name of an object's next field; null: it ends.
fn readName(source: *std.json.Scanner) !?[]const u8 {
    return switch (try source.nextAlloc(allocator, .alloc_if_needed)) {
        inline .string, .allocated_string => |name| name,
        .object_end => null,
        else => error.UnexpectedToken,
    };
}

/// What a `std.json.ArrayHashMap` holds; null: T is none.
fn valueOfMap(comptime T: type) ?type {
    if (!@hasField(T, "map") or !@hasDecl(@FieldType(T, "map"), "KV")) return null;
    const Value = @FieldType(@FieldType(T, "map").KV, "value");
    return if (T == std.json.ArrayHashMap(Value)) Value else null;
}

fn reason(err: anyerror) []const u8 {
    return switch (err) {
        error.SyntaxError => "no JSON",
        error.UnexpectedEndOfInput => "it ends early",
        error.UnknownField => "unknown field",
        error.MissingField => "a field is missing",
        error.UnexpectedToken => "a value of another kind than wanted",
        error.InvalidNumber, error.Overflow => "no number of the wanted kind",
        else => @errorName(err),
    };
}

/// `stringify` writes a value as compact JSON as `std.json.Stringify` does, but
/// for a text that is no UTF-8: that is no list of numbers, but has U+FFFD for
/// what is none.
pub fn stringify(value: anytype) error{OutOfMemory}![]u8 {
    var text: std.Io.Writer.Allocating = .init(allocator);
    var plain: std.json.Stringify = .{ .writer = &text.writer };
    const w: Writer = .{ .plain = &plain };
    w.write(value) catch return error.OutOfMemory;
    return text.toOwnedSlice();
}

/// What `stringify` gives the function jsonStringify of a type, as it has it: by
/// `w: anytype`. It does what `std.json.Stringify` does.
pub const Writer = struct {
    plain: *std.json.Stringify,

    const Error = std.json.Stringify.Error;

    pub fn beginObject(w: Writer) Writer.Error!void {
        return w.plain.beginObject();
    }
    pub fn endObject(w: Writer) Writer.Error!void {
        return w.plain.endObject();
    }
    pub fn beginArray(w: Writer) Writer.Error!void {
        return w.plain.beginArray();
    }
    pub fn endArray(w: Writer) Writer.Error!void {
        return w.plain.endArray();
    }
    pub fn objectField(w: Writer, name: []const u8) Writer.Error!void {
        return w.plain.objectField(try good(name));
    }
    pub fn print(w: Writer, comptime format: []const u8, args: anytype) Writer.Error!void {
        return w.plain.print(format, args);
    }

    pub fn write(w: Writer, value: anytype) Writer.Error!void {
        const T = @TypeOf(value);
        switch (@typeInfo(T)) {
            .optional => return if (value) |v| w.write(v) else w.plain.write(null),
            .array => return w.write(&value),
            .pointer => |p| switch (p.size) {
                .one => return if (@typeInfo(p.child) == .array) w.write(@as([]const std.meta.Elem(p.child), value)) else w.write(value.*),
                .slice => return if (p.child == u8) w.plain.write(try good(value)) else w.list(value),
                .many => return w.write(std.mem.span(value)),
                else => {},
            },
            .@"struct" => |s| if (!std.meta.hasFn(T, "jsonStringify")) {
                if (s.is_tuple) return w.list(value);
                try w.beginObject();
                inline for (s.field_names, s.field_types) |name, Field| {
                    if (Field == void) continue;
                    try w.objectField(name);
                    try w.write(@field(value, name));
                }
                return w.endObject();
            } else return value.jsonStringify(w),
            .@"union" => if (!std.meta.hasFn(T, "jsonStringify")) {
                try w.beginObject();
                switch (value) {
                    inline else => |v, tag| {
                        try w.objectField(@tagName(tag));
                        try w.write(if (@TypeOf(v) == void) @as(struct {}, .{}) else v);
                    },
                }
                return w.endObject();
            } else return value.jsonStringify(w),
            else => {},
        }
        return w.plain.write(value);
    }

    fn list(w: Writer, values: anytype) Writer.Error!void {
        try w.beginArray();
        if (@typeInfo(@TypeOf(values)) == .pointer) {
            for (values) |v| try w.write(v);
        } else inline for (values) |v| try w.write(v);
        try w.endArray();
    }

    fn good(text: []const u8) Writer.Error![]const u8 {
        if (std.unicode.utf8ValidateSlice(text)) return text;
        return std.fmt.allocPrint(allocator, "{f}", .{std.unicode.fmtUtf8(text)}) catch error.WriteFailed;
    }
};

/// Json is a value that is JSON already, and goes out as it is.
pub const Json = struct {
    text: []const u8,

    pub fn jsonStringify(j: Json, w: anytype) !void {
        try w.print("{s}", .{j.text});
    }
};

/// Bytes travels as standard base64, as host functions have it.
pub const Bytes = struct {
    bytes: []const u8 = "",

    pub fn jsonStringify(b: Bytes, w: anytype) !void {
        const text = allocator.alloc(u8, std.base64.standard.Encoder.calcSize(b.bytes.len)) catch return error.WriteFailed;
        try w.write(std.base64.standard.Encoder.encode(text, b.bytes));
    }

    pub fn jsonParse(gpa: Allocator, source: anytype, options: std.json.ParseOptions) !Bytes {
        const text = try std.json.innerParse(?[]const u8, gpa, source, options) orelse return .{};
        return decode(gpa, text) catch |err| switch (err) {
            error.OutOfMemory => error.OutOfMemory,
            else => error.UnexpectedToken,
        };
    }

    /// `decode` reads base64; anything else is an error.
    pub fn decode(gpa: Allocator, text: []const u8) !Bytes {
        const decoder = std.base64.standard.Decoder;
        const data = try gpa.alloc(u8, try decoder.calcSizeForSlice(text));
        try decoder.decode(data, text);
        return .{ .bytes = data };
    }
};

// ---- Settings and log ----

/// `config` gives a setting that the host has for this plugin.
pub fn config(name: []const u8) ?[]const u8 {
    if (!is_wasm) return null;
    const key = store(name);
    const block = if (key == 0) 0 else extism.config_get(key);
    extism.free(key);
    return if (block == 0) null else take(block);
}

/// `log` writes a line to the run's trace.
pub fn log(comptime level: std.log.Level, comptime format: []const u8, args: anytype) void {
    if (!is_wasm) return std.debug.print(format ++ "\n", args);
    const block = store(print(format, args) catch out_of_memory);
    switch (level) {
        .debug => extism.log_debug(block),
        .info => extism.log_info(block),
        .warn => extism.log_warn(block),
        .err => extism.log_error(block),
    }
}

/// `logFn` in `std_options` of a plugin's root makes std.log write there.
pub fn logFn(comptime level: std.log.Level, comptime scope: @EnumLiteral(), comptime format: []const u8, args: anytype) void {
    log(level, (if (scope == .default) "" else "(" ++ @tagName(scope) ++ ") ") ++ format, args);
}

// ---- The host. These need a Trama host. ----

/// A request.
pub const HttpRequest = struct {
    method: []const u8 = "GET",
    /// Absolute, or from "/" on: after the connection's base URL.
    url: []const u8,
    /// One value a name.
    headers: []const Header = &.{},
    /// Any bytes.
    body: []const u8 = "",
    /// A JSON body instead of body, with its Content-Type unless a header says
    /// another.
    json: []const u8 = "",
    /// The id of a blob, instead of body.
    body_blob: []const u8 = "",
    /// A body of the type multipart/form-data, whose Content-Type is the host's
    /// to set, instead of body.
    parts: []const HttpPart = &.{},
    /// The answer's body goes into a blob.
    response_blob: bool = false,
    /// For a connection whose auth is ws_security, which refuses requests
    /// without it.
    ws_security: ?WsSecurity = null,
    /// 0: the call's own deadline.
    timeout_millis: i64 = 0,

    pub fn jsonStringify(r: HttpRequest, w: anytype) !void {
        try w.beginObject();
        try w.objectField("method");
        try w.write(r.method);
        try w.objectField("url");
        try w.write(r.url);
        const body = if (r.json.len > 0) r.json else r.body;
        const typed = for (r.headers) |header| {
            if (std.ascii.eqlIgnoreCase(header.name, "content-type")) break true;
        } else r.json.len == 0;
        if (r.headers.len > 0 or !typed) {
            try w.objectField("headers");
            try w.beginObject();
            if (!typed) {
                try w.objectField("Content-Type");
                try w.write("application/json");
            }
            for (r.headers) |header| {
                try w.objectField(header.name);
                try w.write(header.value);
            }
            try w.endObject();
        }
        if (r.parts.len > 0) {
            try w.objectField("parts");
            try w.write(r.parts);
        } else if (r.body_blob.len > 0) {
            try w.objectField("body_blob");
            try w.write(r.body_blob);
        } else if (!std.unicode.utf8ValidateSlice(body)) {
            try w.objectField("body_base64");
            try w.write(Bytes{ .bytes = body });
        } else if (body.len > 0) {
            try w.objectField("body");
            try w.write(body);
        }
        if (r.response_blob) {
            try w.objectField("response");
            try w.write("blob");
        }
        if (r.ws_security) |place| {
            try w.objectField("ws_security");
            try w.write(place);
        }
        if (r.timeout_millis != 0) {
            try w.objectField("timeout_millis");
            try w.write(r.timeout_millis);
        }
        try w.endObject();
    }
};

/// Where the body, a SOAP envelope, may get the credentials of a connection.
pub const WsSecurity = struct {
    /// In bytes: into the envelope's header, or to where one could begin.
    at: usize,
    no_header: bool = false,
    /// The envelope's namespace.
    envelope: []const u8,
};

/// A field or a file of a form.
pub const HttpPart = struct {
    name: []const u8,
    filename: []const u8 = "",
    /// Its Content-Type; empty: none for a field, application/octet-stream for a file.
    type: []const u8 = "",
    /// Any bytes.
    body: []const u8 = "",
    /// The id of a blob, instead of body.
    blob: []const u8 = "",

    pub fn jsonStringify(p: HttpPart, w: anytype) !void {
        try w.beginObject();
        try w.objectField("name");
        try w.write(p.name);
        inline for (.{ "filename", "type", "blob" }) |name| {
            if (@field(p, name).len > 0) {
                try w.objectField(name);
                try w.write(@field(p, name));
            }
        }
        if (!std.unicode.utf8ValidateSlice(p.body)) {
            try w.objectField("base64");
            try w.write(Bytes{ .bytes = p.body });
        } else if (p.body.len > 0) {
            try w.objectField("text");
            try w.write(p.body);
        }
        try w.endObject();
    }
};

pub const Header = struct { name: []const u8, value: []const u8 };

/// An answer, whatever its status.
pub const HttpResponse = struct {
    status: u16,
    /// Names are in lower case; several values of one name are joined by ", ".
    headers: std.json.ArrayHashMap([]const u8),
    body: []const u8,
    blob: ?Blob,

    /// `header` gives a header by its name in lower case.
    pub fn header(r: HttpResponse, name: []const u8) ?[]const u8 {
        return r.headers.map.get(name);
    }

    /// `mayRetry`: 429, 502, 503, 504 say that the request may succeed later.
    pub fn mayRetry(r: HttpResponse) bool {
        return r.status == 429 or (r.status >= 502 and r.status <= 504);
    }

    /// `retryAfterMillis` gives how long Retry-After asks to wait, if it gives
    /// seconds (RFC 9110, 10.2.3); 0 if it doesn't, or gives a date.
    pub fn retryAfterMillis(r: HttpResponse) i64 {
        const text = r.header("retry-after") orelse return 0;
        for (text) |c| if (!std.ascii.isDigit(c)) return 0;
        return @as(i64, std.fmt.parseInt(u31, text, 10) catch 0) * 1000;
    }

    /// `statusError` is the error that most plugins make of a status that they
    /// didn't want: code "http_status", retryable where the status says so,
    /// after the time that the answer names.
    pub fn statusError(r: HttpResponse) Error {
        return fail(.{
            .code = "http_status",
            .message = print("the service answered {d}", .{r.status}) catch |err| return err,
            .retryable = r.mayRetry(),
            .retry_after_millis = if (r.mayRetry()) r.retryAfterMillis() else 0,
        });
    }
};

/// Bytes that the host keeps; the reference may travel through a flow.
pub const Blob = struct { id: []const u8, size: i64, sha256: []const u8, mime: []const u8 = "" };

/// `httpSend` sends one request through the host's egress.
pub fn httpSend(request: HttpRequest) Error!HttpResponse {
    const reply = try ask(struct {
        status: u16,
        headers: std.json.ArrayHashMap([]const u8) = .{},
        body: []const u8 = "",
        body_base64: Bytes = .{},
        blob: ?Blob = null,
    }, "http_send", request);
    return .{
        .status = reply.status,
        .headers = reply.headers,
        .body = if (reply.body.len > 0) reply.body else reply.body_base64.bytes,
        .blob = reply.blob,
    };
}

/// `secretRef` gives a handle that stands for a secret in the requests of this
/// call, at the places that the manifest declares.
pub fn secretRef(name: []const u8) Error![]const u8 {
    return (try ask(struct { handle: []const u8 }, "secret_ref", .{ .name = name })).handle;
}

/// How a signature is made (RFC 7518, RFC 8037). The key decides which it serves.
pub const Algorithm = enum {
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    ES512,
    EdDSA,
};

/// `sign` signs data with a key that stays in the host.
pub fn sign(key: []const u8, algorithm: Algorithm, data: []const u8) Error![]const u8 {
    const Signature = struct { signature: Bytes };
    return (try ask(Signature, "sign", .{ .key = key, .algorithm = algorithm, .data = Bytes{ .bytes = data } })).signature.bytes;
}

/// `verify` checks a signature with a key that stays in the host.
pub fn verify(key: []const u8, algorithm: Algorithm, data: []const u8, signature: []const u8) Error!bool {
    return (try ask(struct { valid: bool }, "verify", .{
        .key = key,
        .algorithm = algorithm,
        .data = Bytes{ .bytes = data },
        .signature = Bytes{ .bytes = signature },
    })).valid;
}

/// `kvGet` reads a value of the plugin's own memory of the contact whose
/// message is worked on; null if there is none.
pub fn kvGet(key: []const u8) Error!?[]const u8 {
    const reply = try ask(struct { found: bool, value: Bytes = .{} }, "kv_get", .{ .key = key });
    return if (reply.found) reply.value.bytes else null;
}

/// `kvSet` writes a value. It is kept with the call's result, and forgotten if
/// the call fails.
pub fn kvSet(key: []const u8, value: []const u8) Error!void {
    _ = try ask(struct {}, "kv_set", .{ .key = key, .value = Bytes{ .bytes = value } });
}

/// `kvDelete` removes a value, if it is there.
pub fn kvDelete(key: []const u8) Error!void {
    _ = try ask(struct {}, "kv_delete", .{ .key = key });
}

pub const Keys = struct { keys: []const []const u8, more: bool = false };

/// `kvList` gives the keys with a prefix, in order, that come after a key (""
/// for the first), at most limit (0: 1000). `more` says that there are others.
pub fn kvList(prefix: []const u8, after: []const u8, limit: u32) Error!Keys {
    return ask(Keys, "kv_list", .{ .prefix = prefix, .after = after, .limit = limit });
}

/// `effectId` gives the id of the effect that this call performs: the same when
/// the host repeats the call, so it is an idempotency key.
pub fn effectId() Error![]const u8 {
    return (try ask(struct { id: []const u8 }, "effect_id", null)).id;
}

/// `deadline` gives when the host stops the call, in ms since 1970.
pub fn deadline() Error!i64 {
    return (try ask(struct { unix_millis: i64 }, "deadline", null)).unix_millis;
}

/// `now` gives the time in ms since 1970, by WASI's clock: other hosts have it
/// too, if they offer WASI.
pub fn now() i64 {
    if (builtin.is_test) return std.Io.Timestamp.now(std.testing.io, .real).toMilliseconds();
    var nanos: u64 = 0;
    if (wasi.clock_time_get(0, 1_000_000, &nanos) != 0) @panic("the host has no clock");
    return @intCast(nanos / 1_000_000);
}

const wasi = struct {
    extern "wasi_snapshot_preview1" fn clock_time_get(clock: u32, precision: u64, nanos: *u64) u32;
};

/// `random` fills at most 4096 bytes from a cryptographic source.
pub fn random(into: []u8) Error!void {
    const reply = try ask(struct { bytes: Bytes }, "random", .{ .n = into.len });
    if (reply.bytes.bytes.len != into.len) return fail(.{ .code = "error", .message = "random: the host gave another number of bytes" });
    @memcpy(into, reply.bytes.bytes);
}

/// `ask` calls a host function and takes its reply apart.
fn ask(comptime Answer: type, comptime function: []const u8, request: anytype) Error!Answer {
    const question: []const u8 = if (@TypeOf(request) == @TypeOf(null)) "" else try stringify(request);
    if (!is_wasm) return fail(.{ .code = "no_host", .message = function ++ ": there is no host outside WebAssembly; trama plugin test plays one" });
    const block = @field(host, function)(host.block_write(question.ptr, question.len));
    const text = try allocator.alloc(u8, @intCast(extism.length(block)));
    host.block_read(block, text.ptr);
    extism.free(block);
    const Refusal = struct {
        code: []const u8 = "error",
        message: []const u8 = "",
        retryable: bool = false,
        retry_after_millis: i64 = 0,
        detail: ?std.json.Value = null,
    };
    const reply = try parse(struct { ok: ?Answer = null, @"error": ?Refusal = null }, text, .{});
    if (reply.@"error") |r| return fail(.{
        .code = r.code,
        .message = r.message,
        .retryable = r.retryable,
        .retry_after_millis = r.retry_after_millis,
        .detail = if (r.detail) |detail| .{ .text = try stringify(detail) } else null,
    });
    return reply.ok orelse fail(.{ .code = "error", .message = "the host's reply has neither ok nor error" });
}

const host = struct {
    extern "trama:host/v1" fn block_read(block: u64, to: [*]u8) void;
    extern "trama:host/v1" fn block_write(from: [*]const u8, size: usize) u64;
    extern "trama:host/v1" fn http_send(request: u64) u64;
    extern "trama:host/v1" fn secret_ref(request: u64) u64;
    extern "trama:host/v1" fn sign(request: u64) u64;
    extern "trama:host/v1" fn verify(request: u64) u64;
    extern "trama:host/v1" fn effect_id(request: u64) u64;
    extern "trama:host/v1" fn deadline(request: u64) u64;
    extern "trama:host/v1" fn random(request: u64) u64;
    extern "trama:host/v1" fn kv_get(request: u64) u64;
    extern "trama:host/v1" fn kv_set(request: u64) u64;
    extern "trama:host/v1" fn kv_delete(request: u64) u64;
    extern "trama:host/v1" fn kv_list(request: u64) u64;
};

// ---- The Extism ABI. Offsets are those of the host's blocks. ----

const extism = struct {
    extern "extism:host/env" fn input_length() u64;
    extern "extism:host/env" fn input_load_u8(at: u64) u32;
    extern "extism:host/env" fn input_load_u64(at: u64) u64;
    extern "extism:host/env" fn alloc(size: u64) u64;
    extern "extism:host/env" fn free(block: u64) void;
    extern "extism:host/env" fn length(block: u64) u64;
    extern "extism:host/env" fn load_u8(at: u64) u32;
    extern "extism:host/env" fn load_u64(at: u64) u64;
    extern "extism:host/env" fn store_u8(at: u64, value: u32) void;
    extern "extism:host/env" fn store_u64(at: u64, value: u64) void;
    extern "extism:host/env" fn output_set(block: u64, size: u64) void;
    extern "extism:host/env" fn error_set(block: u64) void;
    extern "extism:host/env" fn config_get(name: u64) u64;
    extern "extism:host/env" fn log_debug(block: u64) void;
    extern "extism:host/env" fn log_info(block: u64) void;
    extern "extism:host/env" fn log_warn(block: u64) void;
    extern "extism:host/env" fn log_error(block: u64) void;
};

/// `store` copies bytes into a new block; no bytes give 0, no block.
fn store(bytes: []const u8) u64 {
    if (bytes.len == 0) return 0;
    const block = extism.alloc(bytes.len);
    if (block == 0) @trap(); // the host has no memory for as much as an error
    var i: usize = 0;
    while (i + 8 <= bytes.len) : (i += 8) extism.store_u64(block + i, std.mem.readInt(u64, bytes[i..][0..8], .little));
    while (i < bytes.len) : (i += 1) extism.store_u8(block + i, bytes[i]);
    return block;
}

/// `take` copies a block and frees it.
fn take(block: u64) []u8 {
    const data = alloc(u8, @intCast(extism.length(block)));
    readInto(data, block, extism.load_u64, extism.load_u8);
    extism.free(block);
    return data;
}

/// `readInto` copies eight bytes at a time, and the rest byte by byte: a load
/// may not pass the end of the host's memory.
fn readInto(data: []u8, at: u64, load8: *const fn (u64) callconv(.c) u64, load1: *const fn (u64) callconv(.c) u32) void {
    var i: usize = 0;
    while (i + 8 <= data.len) : (i += 8) std.mem.writeInt(u64, data[i..][0..8], load8(at + i), .little);
    while (i < data.len) : (i += 1) data[i] = @truncate(load1(at + i));
}

// ---- Input and output in one piece ----

var bulk = false; // tramaInput was called for this call
var ended = false; // it was not, and the call has its output or error
var bulk_input: []u8 = &.{};
var bulk_output: u64 = 0;

/// A Trama host calls it right before an export, and fills the buffer.
fn tramaInput(size: usize) callconv(.c) ?[*]u8 {
    // The image may be of after a call, which may have failed.
    bulk = false;
    bulk_input = &.{};
    bulk_output = 0;
    last = null; // its texts are in the memory that is emptied
    arena.empty();
    const buffer = allocator.alloc(u8, @max(size, 1)) catch return null;
    bulk_input = buffer[0..size];
    bulk = true;
    return buffer.ptr;
}

/// And this one after it.
fn tramaOutput() callconv(.c) u64 {
    bulk = false;
    return bulk_output;
}

// ---- Memory ----

/// The arena of the call. In tests outside WebAssembly it is `page_allocator`.
pub const allocator: Allocator = if (is_wasm) .{ .ptr = &arena, .vtable = &Arena.vtable } else std.heap.page_allocator;

/// `keep` lets what is allocated so far stay for later calls.
pub fn keep() void {
    arena.kept_chunk = arena.chunk;
    arena.kept = arena.at;
}

fn alloc(comptime T: type, n: usize) []T {
    return allocator.alloc(T, n) catch @panic(out_of_memory);
}

const Chunk = struct { next: ?*Chunk, end: usize };

/// Memory that the module starts with; after it memory grows.
const arena_bytes = 256 * 1024;
var first_bytes: [arena_bytes]u8 align(16) = undefined;
var arena: Arena = .{};

/// Chunks stand in a list in the order of their making: `first_bytes`, then
/// what memory.grow gave.
const Arena = struct {
    chunk: ?*Chunk = null,
    at: usize = 0,
    kept_chunk: ?*Chunk = null,
    kept: usize = 0,
    pages: usize = arena_bytes / 65536,

    const vtable: Allocator.VTable = .{ .alloc = allocIn, .resize = resizeIn, .remap = remapIn, .free = freeIn };

    fn begin(a: *Arena) void {
        if (a.chunk != null) return;
        const first: *Chunk = @ptrCast(&first_bytes);
        first.* = .{ .next = null, .end = @intFromPtr(&first_bytes) + first_bytes.len };
        a.use(first);
        a.kept_chunk = first;
        a.kept = a.at;
    }

    fn use(a: *Arena, chunk: *Chunk) void {
        a.chunk = chunk;
        a.at = @intFromPtr(chunk) + @sizeOf(Chunk);
    }

    fn empty(a: *Arena) void {
        a.begin();
        a.chunk = a.kept_chunk;
        a.at = a.kept;
    }

    /// `room` makes the next chunk current, a new one if need be.
    fn room(a: *Arena, size: usize) bool {
        const chunk = a.chunk.?;
        if (chunk.next) |next| {
            a.use(next);
            return true;
        }
        // As much again as there is, so that memory seldom grows, but at most 16 MiB.
        const need = size / 65536 + 2;
        var pages = @max(need, @min(a.pages, 256));
        var start = @wasmMemoryGrow(0, pages);
        if (start < 0 and pages > need) {
            pages = need;
            start = @wasmMemoryGrow(0, pages);
        }
        if (start < 0) return false;
        a.pages += pages;
        const next: *Chunk = @ptrFromInt(@as(usize, @intCast(start)) * 65536);
        next.* = .{ .next = null, .end = @intFromPtr(next) + (pages * 65536 - 16) }; // the last byte of all memory may be there
        chunk.next = next;
        a.use(next);
        return true;
    }

    fn allocIn(_: *anyopaque, size: usize, alignment: std.mem.Alignment, _: usize) ?[*]u8 {
        arena.begin();
        if (ended) {
            arena.empty();
            last = null;
            ended = false;
        }
        if (size > 1 << 31) return null;
        while (true) {
            const start = alignment.forward(arena.at);
            const end = arena.chunk.?.end;
            if (start <= end and size <= end - start) {
                arena.at = start + size;
                return @ptrFromInt(start);
            }
            if (!arena.room(size + alignment.toByteUnits())) return null;
        }
    }

    fn resizeIn(_: *anyopaque, memory: []u8, _: std.mem.Alignment, size: usize, _: usize) bool {
        const start = @intFromPtr(memory.ptr);
        if (start + memory.len != arena.at) return size <= memory.len;
        if (size > arena.chunk.?.end - start) return false;
        arena.at = start + size;
        return true;
    }

    fn remapIn(ctx: *anyopaque, memory: []u8, alignment: std.mem.Alignment, size: usize, at: usize) ?[*]u8 {
        return if (resizeIn(ctx, memory, alignment, size, at)) memory.ptr else null;
    }

    fn freeIn(ctx: *anyopaque, memory: []u8, alignment: std.mem.Alignment, at: usize) void {
        _ = resizeIn(ctx, memory, alignment, 0, at);
    }
};
