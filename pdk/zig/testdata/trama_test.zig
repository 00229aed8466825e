//! What trama.zig makes of JSON, outside WebAssembly: `zig test`.

const std = @import("std");
const trama = @import("trama.zig");
const expect = std.testing.expect;
const equal = std.testing.expectEqualStrings;

fn written(want: []const u8, value: anytype) !void {
    try equal(want, try trama.stringify(value));
}

test "texts are written as JSON has them" {
    try written("\"a\\\"b\\\\c/\\n\\r\\t\\b\\f\\u0000\\u001f\x7f é😀\u{2028}<&>\"", @as([]const u8, "a\"b\\c/\n\r\t\x08\x0c\x00\x1f\x7f é😀\u{2028}<&>"));
    for ([_][2][]const u8{
        .{ "", "\"\"" },
        .{ "é", "\"é\"" },
        .{ "a\xff", "\"a\u{fffd}\"" },
        .{ "\xc3", "\"\u{fffd}\"" },
        .{ "\xf0\x9f\x98", "\"\u{fffd}\"" },
    }) |case| try written(case[1], case[0]);
}

test "a text is never a list of numbers" {
    const Kind = union(enum) { text: []const u8, none: void };
    const In = struct {
        all: []const u8 = "",
        maybe: ?[]const u8 = null,
        few: []const []const u8 = &.{},
        fixed: [2]u8 = "ab".*,
        one: ?*const []const u8 = null,
        pair: struct { []const u8, u8 } = .{ "", 0 },
        kind: Kind = .{ .none = {} },
        map: std.json.ArrayHashMap([]const u8) = .{},
    };
    for ([_][]const u8{
        "{\"all\":[65]}",      "{\"all\":[]}",               "{\"maybe\":[65]}",       "{\"few\":[\"a\",[65]]}", "{\"fixed\":[65,66]}", "{\"one\":[65]}",
        "{\"pair\":[[65],1]}", "{\"kind\":{\"text\":[65]}}", "{\"map\":{\"a\":[65]}}",
    }) |text| {
        try std.testing.expectError(error.Failed, trama.parse(In, text, .{}));
        try expect(std.mem.startsWith(u8, trama.failure().message, "JSON: a value of another kind than wanted at line 1, column "));
    }
    const text = "{\"all\":\"a\",\"maybe\":\"b\",\"few\":[\"c\",\"d\"],\"fixed\":\"ef\",\"one\":\"g\",\"pair\":[\"h\",1],\"kind\":{\"text\":\"i\"},\"map\":{\"j\":\"k\"}}";
    try written(text, try trama.parse(In, text, .{}));
    try written(
        "{\"all\":\"\",\"maybe\":null,\"few\":[],\"fixed\":\"ab\",\"one\":null,\"pair\":[\"\",0],\"kind\":{\"none\":{}},\"map\":{}}",
        try trama.parse(In, "{\"kind\":{\"none\":{}}}", .{}),
    );
    for ([_][]const u8{
        "{\"kind\":{}}",          "{\"kind\":{\"none\":{},\"text\":\"\"}}", "{\"kind\":{\"other\":1}}", "{\"pair\":[\"a\"]}",
        "{\"pair\":[\"a\",1,2]}", "{\"few\":\"a\"}",                        "{\"map\":[]}",             "{\"fixed\":\"abc\"}",
    }) |wrong| try std.testing.expectError(error.Failed, trama.parse(In, wrong, .{}));

    const bad: []const u8 = "\xff";
    var value = try trama.parse(In, "{}", .{});
    value.all = bad;
    value.maybe = bad;
    value.few = &.{bad};
    value.fixed = "a\xff".*;
    value.one = &bad;
    value.pair[0] = bad;
    value.kind = .{ .text = bad };
    try value.map.map.put(trama.allocator, bad, bad);
    try written("{\"all\":\"\u{fffd}\",\"maybe\":\"\u{fffd}\",\"few\":[\"\u{fffd}\"],\"fixed\":\"a\u{fffd}\",\"one\":\"\u{fffd}\"," ++
        "\"pair\":[\"\u{fffd}\",0],\"kind\":{\"text\":\"\u{fffd}\"},\"map\":{\"\u{fffd}\":\"\u{fffd}\"}}", value);
    try written("[{\"a\":\"\u{fffd}\"},\"\u{fffd}\"]", .{ .{ .a = bad }, std.json.Value{ .string = bad } });
}

test "half of a surrogate pair is U+FFFD" {
    for ([_][2][]const u8{
        .{ "a\\ud83d", "a\u{fffd}" },
        .{ "\\uDE00\\ud83d", "\u{fffd}\u{fffd}" },
        .{ "\\ud83d\\ud83d\\ude00", "\u{fffd}😀" },
        .{ "\\ud83d\\u0041\\ud7ff\\ue000", "\u{fffd}A\u{d7ff}\u{e000}" },
        .{ "\\\\ud83d\\\\\\ud83d", "\\ud83d\\\u{fffd}" },
    }) |case| {
        const text = try trama.print("{{\"{s}\":\"{s}\"}}", .{ case[0], case[0] });
        const got = try trama.parse(std.json.Value, text, .{});
        try equal(case[1], got.object.get(case[1]).?.string);
    }
    for ([_][]const u8{ "\"\\ud83\"", "\"\\ud83g\"", "\"\\ud83d", "\"\\", "\"\\u" }) |wrong|
        try std.testing.expectError(error.Failed, trama.parse([]const u8, wrong, .{}));
}

test "of a message the first 4 KiB are sent" {
    var long: [4097]u8 = @splat('x');
    @memcpy(long[4095..], "é");
    const message = (try trama.parse(struct { message: []const u8 }, try trama.stringify(trama.Failure{ .code = "odd", .message = &long }), .{})).message;
    try equal(try trama.print("{s}...", .{long[0..4095]}), message);
    try written(try trama.print("{{\"code\":\"odd\",\"message\":\"{s}\"}}", .{long[0..4095]}), trama.Failure{ .code = "odd", .message = long[0..4095] });
}

test "outside WebAssembly there is no host, which is said" {
    try std.testing.expectError(error.Failed, trama.httpSend(.{ .url = "/" }));
    try equal("no_host", trama.failure().code);
    try equal("http_send: there is no host outside WebAssembly; trama plugin test plays one", trama.failure().message);
    try std.testing.expectError(error.Failed, trama.kvSet("a", "b"));
    try expect(trama.config("a") == null);
    try expect(trama.now() > 1_600_000_000_000);
    trama.log(.info, "a line {d}", .{1});
}

test "numbers keep all their digits" {
    try written("[9223372036854775807,-9223372036854775808]", [_]i64{ std.math.maxInt(i64), std.math.minInt(i64) });
    for ([_][]const u8{ "9223372036854775808", "1.5", "1e-3", "true", "\"a\"", "null", "[1]" }) |text|
        try std.testing.expectError(error.Failed, trama.parse(struct { n: i64 }, try trama.print("{{\"n\":{s}}}", .{text}), .{}));
    try expect((try trama.parse(struct { n: i64 }, "{\"n\":-9007199254740993}", .{})).n == -9007199254740993);
    try expect((try trama.parse(std.json.Value, "9223372036854775807", .{})).integer == std.math.maxInt(i64));
    try equal("9223372036854775808", (try trama.parse(std.json.Value, "9223372036854775808", .{})).number_string);
}

test "what is JSON and what is none" {
    for ([_][]const u8{
        "{}",                  " [ ] ", "{\"a\":1,\"a\":2}", "\"\\ud83d\\ude00\"", "-0", "1e400",
        "\"é\u{2028}\\u0000\\/\"",
        "[[],{},\"\",0,[{}]]", "null",
    }) |text| _ = try trama.parse(std.json.Value, text, .{});
    for ([_][]const u8{
        "",         " ",         "[1,]",     "{\"a\":1,}",   "{a:1}",            "[1 2]",   "[1}",            "]",         "\"a",                        "\"\\x41\"",
        "\"\x00\"", "\"\t\"",    "\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "01",      "1.",             ".5",        "1e",                         "+1",
        "NaN",      "truefalse", "nul",      "true false",   "{} {}",            "// c\n1", "\xef\xbb\xbf{}", "{\"a\":1]", &@as([20000]u8, @splat('[')),
    }) |text| try std.testing.expectError(error.Failed, trama.parse(std.json.Value, text, .{}));
}

test "the last of several fields counts, and unknown ones only if asked" {
    const One = struct { a: u8 = 0 };
    try expect((try trama.parse(One, "{\"a\":1,\"a\":2}", .{})).a == 2);
    try expect((try trama.parse(One, "{\"b\":{\"c\":[1]}}", .{})).a == 0);
    try std.testing.expectError(error.Failed, trama.parse(One, "{\"b\":1}", .{ .ignore_unknown_fields = false }));
    try equal("error", trama.failure().code);
    try equal("JSON: unknown field at line 1, column 5", trama.failure().message);
    try std.testing.expectError(error.Invalid, trama.parse(One, "{", .{ .code = "invalid" }));
    try equal("invalid", trama.failure().code);
    try std.testing.expectError(error.Failed, trama.parse(struct { a: u8 }, "{\n}", .{}));
    try expect(std.mem.startsWith(u8, trama.failure().message, "JSON: a field is missing at line 2, column "));
}

test "bytes travel as base64" {
    const In = struct { b: trama.Bytes = .{} };
    for ([_][]const u8{ "", "A", "AB", "ABC", "\x00\xff\xfe", "é😀" }) |bytes| {
        const text = try trama.stringify(In{ .b = .{ .bytes = bytes } });
        try equal(bytes, (try trama.parse(In, text, .{})).b.bytes);
    }
    try equal("", (try trama.parse(In, "{\"b\":null}", .{})).b.bytes);
    for ([_][]const u8{ "Q", "QQ", "QQ=", "Q===", "QR==", "-_-_", "QU JD", "QUJD\\n", "QQ==QQ==", "é" }) |text|
        try std.testing.expectError(error.Failed, trama.parse(In, try trama.print("{{\"b\":\"{s}\"}}", .{text}), .{}));
}

test "an error has what is set" {
    try written("{\"code\":\"c\",\"message\":\"m\"}", trama.Failure{ .code = "c", .message = "m" });
    try written("{\"code\":\"c\",\"message\":\"\\\"\u{fffd}\",\"retryable\":true,\"retry_after_millis\":5,\"detail\":{\"a\":[1]}}", trama.Failure{
        .code = "c",
        .message = "\"\xff",
        .retryable = true,
        .retry_after_millis = 5,
        .detail = .{ .text = "{\"a\":[1]}" },
    });
    try expect(trama.fail(.{ .code = "denied", .message = "no" }) == error.Denied);
    try expect(trama.fail(.{ .code = "teapot", .message = "short" }) == error.Failed);
    try equal("short", trama.failure().message);
}

test "a request has what is set, and a body that is no text as base64" {
    try written("{\"method\":\"GET\",\"url\":\"/me\"}", trama.HttpRequest{ .url = "/me" });
    try written(
        "{\"method\":\"POST\",\"url\":\"/é\",\"headers\":{\"a\":\"1\",\"b\":\"\\\"\"},\"body\":\"é\",\"response\":\"blob\",\"timeout_millis\":9}",
        trama.HttpRequest{
            .method = "POST",
            .url = "/é",
            .headers = &.{ .{ .name = "a", .value = "1" }, .{ .name = "b", .value = "\"" } },
            .body = "é",
            .response_blob = true,
            .timeout_millis = 9,
        },
    );
    try written("{\"method\":\"GET\",\"url\":\"/\",\"body_base64\":\"/w==\"}", trama.HttpRequest{ .url = "/", .body = "\xff" });
    try written("{\"method\":\"PUT\",\"url\":\"/\",\"headers\":{\"Content-Type\":\"application/json\",\"A\":\"1\"},\"body\":\"{}\"}", trama.HttpRequest{
        .method = "PUT",
        .url = "/",
        .headers = &.{.{ .name = "A", .value = "1" }},
        .json = "{}",
    });
    try written("{\"method\":\"PUT\",\"url\":\"/\",\"headers\":{\"content-TYPE\":\"text/x\"},\"body\":\"{}\"}", trama.HttpRequest{
        .method = "PUT",
        .url = "/",
        .headers = &.{.{ .name = "content-TYPE", .value = "text/x" }},
        .json = "{}",
    });
    try written("{\"method\":\"POST\",\"url\":\"/\",\"parts\":[{\"name\":\"a\",\"text\":\"é\"},{\"name\":\"f\",\"filename\":\"1\",\"base64\":\"/w==\"},{\"name\":\"g\",\"type\":\"text/plain\",\"blob\":\"b\"}]}", trama.HttpRequest{
        .method = "POST",
        .url = "/",
        .parts = &.{
            .{ .name = "a", .body = "é" },
            .{ .name = "f", .filename = "1", .body = "\xff" },
            .{ .name = "g", .type = "text/plain", .blob = "b" },
        },
    });
    try written("{\"method\":\"GET\",\"url\":\"/\",\"body_blob\":\"b\"}", trama.HttpRequest{ .url = "/", .body = "x", .body_blob = "b" });
}

test "when to ask again" {
    for ([_]struct { []const u8, i64 }{
        .{ "7", 7000 }, .{ "0", 0 }, .{ "", 0 }, .{ "-1", 0 }, .{ "+1", 0 }, .{ "1_0", 0 }, .{ "soon", 0 }, .{ "Sun, 01 Mar 2099 12:00:30 GMT", 0 }, .{ "99999999999999999999", 0 }, .{ "2147483647", 2147483647000 },
    }) |case| {
        var headers: std.json.ArrayHashMap([]const u8) = .{};
        try headers.map.put(trama.allocator, "retry-after", case[0]);
        const response: trama.HttpResponse = .{ .status = 429, .headers = headers, .body = "", .blob = null };
        try expect(response.retryAfterMillis() == case[1]);
        try std.testing.expectError(error.Failed, @as(trama.Error!void, response.statusError()));
        try equal("http_status", trama.failure().code);
        try equal("the service answered 429", trama.failure().message);
        try expect(trama.failure().retryable and trama.failure().retry_after_millis == case[1]);
    }
    for ([_]struct { u16, bool }{ .{ 200, false }, .{ 429, true }, .{ 500, false }, .{ 501, false }, .{ 502, true }, .{ 504, true }, .{ 505, false } }) |case| {
        const response: trama.HttpResponse = .{ .status = case[0], .headers = .{}, .body = "", .blob = null };
        try expect(response.mayRetry() == case[1]);
    }
}

test "random changes are refused or read, and what is read is written alike" {
    const seed = "{\"items\":[{\"price\":-1.5e3,\"q\":\"\\ud83d\\ude00 \\n\"},null,true,[]],\"é\":{\"\":12345678901234567890}}";
    const pieces = "{}[]\",:\\u0129abdeftrnl-+.E \n\x00\x1f\x80\xc3\xff";
    var source: std.Random.DefaultPrng = .init(7);
    const random = source.random();
    var read: usize = 0;
    for (0..20_000) |_| {
        var text: [seed.len]u8 = seed.*;
        for (0..random.uintLessThan(usize, 3)) |_| text[random.uintLessThan(usize, text.len)] = pieces[random.uintLessThan(usize, pieces.len)];
        const value = trama.parse(std.json.Value, &text, .{}) catch continue;
        const once = try trama.stringify(value);
        try equal(once, try trama.stringify(try trama.parse(std.json.Value, once, .{})));
        read += 1;
    }
    try expect(read > 5000);
}
