// plugin.c is the engine of plugins written in JavaScript. At build time it
// loads one program; the memory that this leaves becomes the plugin's data, and
// call(i), behind one export for each operation, runs the program's function i.
// It knows the Extism ABI (extism.h) and QuickJS-NG's C interface; everything
// that can be said in JavaScript is in prelude.js and in trama.js of the PDK.
//
// A Trama host starts every call from the image of memory, so a call writes as
// few pages as it can. Other hosts keep the memory between calls, so what a
// call has made is freed where that is cheap.
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine.h"
#include "extism.h"
#include "heap.h"

#define TRAMA(name) __attribute__((import_module("trama:host/v1"), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))

EXTISM("config_get") uint64_t config_get(uint64_t key);
EXTISM("log_debug") void log_debug(uint64_t text);
EXTISM("log_info") void log_info(uint64_t text);
EXTISM("log_warn") void log_warn(uint64_t text);
EXTISM("log_error") void log_error(uint64_t text);

// Blocks in one go; see pdk/abi.
TRAMA("block_read") void block_read(uint64_t block, void *address);
TRAMA("block_write") uint64_t block_write(const void *address, size_t length);

// The functions that take a block with a JSON request, which the host frees,
// and give one with a JSON reply, which the guest frees. The builder takes the
// import of those out that the program can't reach.
#define FUNCTIONS(each)                                                                                      \
    each(http_send) each(secret_ref) each(sign) each(verify) each(effect_id) each(deadline) each(kv_get) \
        each(kv_set) each(kv_delete) each(kv_list)
#define DECLARE(name) TRAMA(#name) uint64_t trama_##name(uint64_t request);
#define ENTRY(name) {"trama:host/v1/" #name, trama_##name},
FUNCTIONS(DECLARE)
static const struct {
    const char *name;
    uint64_t (*call)(uint64_t request);
} functions[] = {FUNCTIONS(ENTRY)};

static const uint8_t prelude_code[] = {
#embed "prelude.bin"
};

// The program's JavaScript stack within the module's 1 MiB (see quickjs.sh). The
// rest is for what runs without a check: C functions at the deepest point.
#define STACK_BYTES (768 * 1024)

// Memory is dropped whole after the call: collect cycles only once a call has
// used this much.
#define COLLECT_ABOVE (8 * 1024 * 1024)

// How far the heap of a call grows before it asks the host for memory.
#define ROOM (1024 * 1024)

#define OUT_OF_MEMORY \
    "{\"code\":\"limit\",\"message\":\"the plugin ran out of memory; ask for more in the manifest, such as \\\"limits\\\": {\\\"memory_bytes\\\": 134217728}\"}"

static JSContext *context;
static bool loading;

// Of prelude.js.
static JSValue bind_function, result_function, report_function;

// What the operations are: a function each, and whether it takes bytes.
static struct operation {
    JSValue function;
    bool raw;
} *operations;

// text_of gives a value's text in UTF-8, to go out: U+FFFD for half of a
// surrogate pair, which QuickJS-NG writes as three bytes that are no UTF-8. It
// writes what is not ASCII into a copy, so these bytes are the caller's.
static const char *text_of(JSContext *ctx, size_t *length, JSValueConst value)
{
    const char *text = JS_ToCStringLen(ctx, length, value);
    if (!text)
        return NULL;
    uint8_t *at = (uint8_t *)text, *end = at + *length;
    for (; (at = memchr(at, 0xed, end - at)); at += 3)
        if (at[1] >= 0xa0)
            memcpy(at, "\xef\xbf\xbd", 3);
    return text;
}

// ---------------------------------------------------------------- the host

// outside refuses to leave the plugin while it is loaded.
static bool outside(JSContext *ctx, const char *what)
{
    if (loading)
        JS_ThrowTypeError(ctx, "%s is used while the program loads, which happens once, when the plugin is built; use it inside of an operation", what);
    return !loading;
}

// host.call(name, request) -> reply. request is undefined for none.
static JSValue host_call(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv)
{
    const char *name = JS_ToCString(ctx, argv[0]);
    if (!name || !outside(ctx, name))
        return JS_EXCEPTION;
    size_t i = 0, length = 0;
    while (i < sizeof functions / sizeof *functions && strcmp(functions[i].name, name) != 0)
        i++;
    JS_FreeCString(ctx, name);
    if (i == sizeof functions / sizeof *functions)
        return JS_ThrowTypeError(ctx, "the host has no such function");
    uint64_t block = 0;
    if (!JS_IsUndefined(argv[1])) {
        const char *request = text_of(ctx, &length, argv[1]);
        if (!request)
            return JS_EXCEPTION;
        block = block_write(request, length);
        JS_FreeCString(ctx, request);
        if (block == 0)
            return JS_ThrowRangeError(ctx, "the host has no room for a request of %zu bytes", length);
    }
    uint64_t reply = functions[i].call(block);
    length = (size_t)block_length(reply);
    char *text = malloc(length + 1);
    if (!text)
        return JS_ThrowOutOfMemory(ctx);
    block_read(reply, text);
    block_free(reply);
    JSValue value = JS_NewStringLen(ctx, text, length);
    free(text);
    return value;
}

// host.log(level, text): level is debug, info, warn or error
static JSValue host_log(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv)
{
    if (!outside(ctx, "the log"))
        return JS_EXCEPTION;
    size_t length;
    const char *level = JS_ToCString(ctx, argv[0]);
    const char *text = text_of(ctx, &length, argv[1]);
    if (!level || !text)
        return JS_EXCEPTION;
    uint64_t block = block_of(text, length); // which the host frees; 0 for an empty line
    switch (level[0]) {
    case 'd': log_debug(block); break;
    case 'w': log_warn(block); break;
    case 'e': log_error(block); break;
    default: log_info(block);
    }
    JS_FreeCString(ctx, level);
    JS_FreeCString(ctx, text);
    return JS_UNDEFINED;
}

// host.config(key) -> text or undefined
static JSValue host_config(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv)
{
    if (!outside(ctx, "config()"))
        return JS_EXCEPTION;
    size_t length;
    const char *key = text_of(ctx, &length, argv[0]);
    if (!key)
        return JS_EXCEPTION;
    uint64_t block = block_of(key, length);
    JS_FreeCString(ctx, key);
    uint64_t found = config_get(block);
    block_free(block);
    if (found == 0)
        return JS_UNDEFINED;
    char *text = block_text(found, &length);
    if (!text)
        return JS_ThrowOutOfMemory(ctx);
    block_free(found);
    JSValue value = JS_NewStringLen(ctx, text, length);
    free(text);
    return value;
}

// host.random(n) -> ArrayBuffer of n bytes
static JSValue host_random(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv)
{
    uint32_t n = 0;
    if (!outside(ctx, "randomness") || JS_ToUint32(ctx, &n, argv[0]) < 0)
        return JS_EXCEPTION;
    uint8_t *bytes = malloc(n);
    if (!bytes && n > 0)
        return JS_ThrowOutOfMemory(ctx);
    for (uint32_t i = 0; i < n; i += 256) // getentropy's limit
        if (getentropy(bytes + i, n - i < 256 ? n - i : 256) != 0) {
            free(bytes);
            return JS_ThrowInternalError(ctx, "the host gives no random bytes");
        }
    JSValue value = JS_NewArrayBufferCopy(ctx, bytes, n);
    free(bytes);
    return value;
}

// host.encode(text) -> Uint8Array of its UTF-8
static JSValue host_encode(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv)
{
    size_t length;
    const char *text = text_of(ctx, &length, argv[0]);
    if (!text)
        return JS_EXCEPTION;
    JSValue value = JS_NewUint8ArrayCopy(ctx, (const uint8_t *)text, length);
    JS_FreeCString(ctx, text);
    return value;
}

// bytes_of gives where the bytes of a Uint8Array or an ArrayBuffer are, and how
// many; NULL with an exception pending if it has lost them. The view's own length
// may be a program's, or that of before its buffer was resized (QuickJS-NG's
// JS_GetUint8Array gives that), so the buffer's size bounds it. To ask for it can
// run code of the program, so it comes first.
static const uint8_t *bytes_of(JSContext *ctx, JSValueConst value, size_t *length)
{
    if (JS_IsArrayBuffer(value))
        return JS_GetArrayBuffer(ctx, length, value);
    int64_t wanted = 0;
    size_t offset = 0, size = 0;
    *length = 0;
    if (JS_GetLength(ctx, value, &wanted) < 0)
        return NULL;
    JSValue buffer = JS_GetTypedArrayBuffer(ctx, value, &offset, NULL, NULL);
    if (JS_IsException(buffer))
        return NULL;
    const uint8_t *bytes = JS_GetArrayBuffer(ctx, &size, buffer);
    JS_FreeValue(ctx, buffer); // the view holds it
    if (!bytes || offset > size)
        return NULL;
    *length = (uint64_t)wanted < size - offset ? (size_t)wanted : size - offset;
    return bytes + offset;
}

// host.decode(Uint8Array) -> text; what is not UTF-8 becomes U+FFFD
static JSValue host_decode(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv)
{
    size_t length;
    const uint8_t *bytes = bytes_of(ctx, argv[0], &length);
    return bytes ? JS_NewStringLen(ctx, (const char *)bytes, length) : JS_EXCEPTION;
}

static int fail(JSContext *ctx, JSValueConst cause);

// host.abort(text) ends the call as a crash does. The place is that of an error
// thrown here, since the trap's own is the engine's.
static JSValue host_abort(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv)
{
    if (!outside(ctx, "abort()"))
        return JS_EXCEPTION;
    size_t length;
    const char *text = text_of(ctx, &length, argv[0]);
    if (text)
        JS_ThrowPlainError(ctx, "%s", *text ? text : "abort()");
    fail(ctx, JS_UNDEFINED);
    __builtin_trap();
}

static const JSCFunctionListEntry host_functions[] = {
    JS_CFUNC_DEF("call", 2, host_call),     JS_CFUNC_DEF("log", 2, host_log),       JS_CFUNC_DEF("config", 1, host_config),
    JS_CFUNC_DEF("random", 1, host_random), JS_CFUNC_DEF("encode", 1, host_encode), JS_CFUNC_DEF("decode", 1, host_decode),
    JS_CFUNC_DEF("abort", 1, host_abort),
};

// ---------------------------------------------------------------- promises

#include "rejection.h"

// settled takes a value, runs all that is left to run, and gives the value, or
// that of the promise that it is, or an exception.
static JSValue settled(JSContext *ctx, JSValue value)
{
    if (JS_IsException(value))
        return value;
    JSContext *job_context;
    int ran;
    while ((ran = JS_ExecutePendingJob(JS_GetRuntime(ctx), &job_context)) > 0)
        ;
    if (ran < 0)
        return JS_EXCEPTION;
    if (JS_IsPromise(value)) {
        JSValue result = JS_PromiseResult(ctx, value);
        switch (JS_PromiseState(ctx, value)) {
        case JS_PROMISE_PENDING:
            return JS_ThrowTypeError(ctx, "it awaits a promise that nothing will settle; there are no timers, and http() answers at once");
        case JS_PROMISE_REJECTED:
            return JS_Throw(ctx, result);
        default:
            JS_FreeValue(ctx, value);
            value = result;
        }
    }
    if (rejection_count > 0)
        return JS_Throw(ctx, JS_DupValue(ctx, rejections[0].reason));
    return value;
}

// ---------------------------------------------------------------- loading

// What is freed while a program loads is made zero, since zeros take no place
// in the module.
static void *heap_calloc(void *opaque, size_t count, size_t size)
{
    return calloc(count, size);
}

static void *heap_malloc(void *opaque, size_t size)
{
    return malloc(size);
}

static void heap_free(void *opaque, void *block)
{
    if (loading && block)
        explicit_bzero(block, malloc_usable_size(block)); // a compiler drops memset before free
    free(block);
}

static void *heap_realloc(void *opaque, void *block, size_t size)
{
    if (!loading || !block)
        return realloc(block, size);
    size_t old = malloc_usable_size(block);
    if (size > 0 && size <= old)
        return block;
    void *moved = size > 0 ? malloc(size) : NULL;
    if (moved)
        memcpy(moved, block, old);
    if (moved || size == 0)
        heap_free(opaque, block);
    return moved;
}

static const JSMallocFunctions heap_functions = {
    heap_calloc, heap_malloc, heap_free, heap_realloc, (size_t (*)(const void *))malloc_usable_size,
};

// load runs code that compile.c has made and gives the function that it is.
static JSValue load(JSContext *ctx, const uint8_t *code, size_t length)
{
    JSValue function = JS_ReadObject(ctx, code, length, JS_READ_OBJ_BYTECODE);
    return JS_IsException(function) ? function : JS_EvalFunction(ctx, function);
}

static int define_host(JSContext *ctx, JSModuleDef *module)
{
    JSValue host = JS_NewObject(ctx);
    JS_SetPropertyFunctionList(ctx, host, host_functions, sizeof host_functions / sizeof *host_functions);
    return JS_SetModuleExport(ctx, module, "host", host);
}

// new_context makes a context whose programs may import "trama:engine". What
// can fail here fails for want of memory.
static JSContext *new_context(void)
{
    JSRuntime *runtime = JS_NewRuntime2(&heap_functions, NULL);
    JSContext *ctx = runtime ? JS_NewContext(runtime) : NULL;
    if (!ctx)
        abort();
    JS_SetMaxStackSize(runtime, STACK_BYTES);
    engine_begin(ctx, 1);
    JSModuleDef *module = JS_NewCModule(ctx, "trama:engine", define_host);
    JS_AddModuleExport(ctx, module, "host");
    return ctx;
}

static JSValue parse(JSContext *ctx, const char *source, size_t length)
{
    return JS_Eval(ctx, source, length, "bundle.js", JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
}

// compile gives the bytecode of a module, or NULL. It has no text of functions,
// which would be in the image once for each level of nesting; their names and
// lines are kept. A context of its own goes with all that the compiler made.
static uint8_t *compile(const char *source, size_t length, size_t *size)
{
    JSContext *ctx = new_context();
    JSRuntime *runtime = JS_GetRuntime(ctx);
    JSValue module = parse(ctx, source, length);
    uint8_t *code = JS_IsException(module)
                        ? NULL
                        : JS_WriteObject(ctx, size, module, JS_WRITE_OBJ_BYTECODE | JS_WRITE_OBJ_STRIP_SOURCE);
    uint8_t *kept = code ? malloc(*size) : NULL;
    if (kept)
        memcpy(kept, code, *size);
    js_free(ctx, code);
    JS_FreeValue(ctx, module);
    JS_FreeContext(ctx);
    JS_FreeRuntime(runtime);
    return kept;
}

// run_module evaluates a compiled module and gives its exports.
static JSValue run_module(JSContext *ctx, const uint8_t *code, size_t size)
{
    JSValue module = JS_ReadObject(ctx, code, size, JS_READ_OBJ_BYTECODE);
    if (JS_IsException(module) || JS_ResolveModule(ctx, module) < 0)
        return JS_EXCEPTION;
    JSModuleDef *definition = JS_VALUE_GET_PTR(module);
    JSValue done = settled(ctx, JS_EvalFunction(ctx, module));
    return JS_IsException(done) ? done : JS_GetModuleNamespace(ctx, definition);
}

static uint64_t located(const char *text, size_t length)
{
    return (uint64_t)(uintptr_t)text << 32 | length;
}

EXPORT("program_buffer") void *program_buffer(size_t length)
{
    return malloc(length + 1);
}

// program_load loads what the buffer holds: the bundle, an ES module of that
// length, a zero byte, and as JSON operations (names of its exports, in the
// order of call) and places (see prelude.js). It gives 0, or where the JSON of
// an error is: address << 32 | length.
EXPORT("program_load") uint64_t program_load(char *text, size_t source_length, size_t length)
{
    loading = true;
    size_t size = 0;
    uint8_t *code = compile(text, source_length, &size);

    JSContext *ctx = new_context();
    JSRuntime *runtime = JS_GetRuntime(ctx);
    JS_SetHostPromiseRejectionTracker(runtime, track_rejection, NULL);
    JSValue host = JS_NewObject(ctx);
    JS_SetPropertyFunctionList(ctx, host, host_functions, sizeof host_functions / sizeof *host_functions);
    JSValue prelude = load(ctx, prelude_code, sizeof prelude_code);
    JSValue made = JS_Call(ctx, prelude, JS_UNDEFINED, 1, &host);
    if (JS_IsException(made))
        abort();
    bind_function = JS_GetPropertyStr(ctx, made, "bind");
    result_function = JS_GetPropertyStr(ctx, made, "result");
    report_function = JS_GetPropertyStr(ctx, made, "report");
    JS_FreeValue(ctx, prelude);
    JS_FreeValue(ctx, made);
    JS_FreeValue(ctx, host);

    text[length] = 0;
    JSValue arguments[] = {JS_UNDEFINED, JS_ParseJSON(ctx, text + source_length + 1, length - source_length - 1, "program")};
    if (JS_IsException(arguments[1]))
        abort();
    // What can't be compiled is compiled here again, for its error.
    arguments[0] = code ? run_module(ctx, code, size) : parse(ctx, text, source_length);
    heap_free(NULL, text);
    heap_free(NULL, code);
    JSValue bound = JS_IsException(arguments[0]) ? arguments[0] : JS_Call(ctx, bind_function, JS_UNDEFINED, 2, arguments);
    if (JS_IsException(bound)) {
        JSValue about[] = {JS_GetException(ctx), JS_NewBool(ctx, heap_refused()), arguments[1]};
        JSValue report = JS_Call(ctx, report_function, JS_UNDEFINED, 3, about);
        const char *json = text_of(ctx, &length, report);
        return json ? located(json, length) : located(OUT_OF_MEMORY, sizeof OUT_OF_MEMORY - 1);
    }
    int64_t n = 0;
    if (JS_GetLength(ctx, bound, &n) < 0 || !(operations = calloc(n + 1, sizeof *operations)))
        abort();
    for (int64_t i = 0; i < n; i++) {
        JSValue one = JS_GetPropertyInt64(ctx, bound, i), raw = JS_GetPropertyStr(ctx, one, "raw");
        operations[i] = (struct operation){JS_GetPropertyStr(ctx, one, "call"), JS_ToBool(ctx, raw) > 0};
        JS_FreeValue(ctx, one);
    }
    JS_FreeValue(ctx, bound);
    JS_FreeValue(ctx, arguments[0]);
    JS_FreeValue(ctx, arguments[1]);
    context = ctx;
    JS_RunGC(runtime);
    loading = false;
    JS_SetGCThreshold(runtime, COLLECT_ABOVE);
    heap_reserve(ROOM); // refused, calls ask for it themselves
    return 0;
}

// ---------------------------------------------------------------- calls

// Of one call by a host that transfers in bulk. Other hosts never touch it.
static struct {
    char *input; // NULL: input and output go by Extism's functions
    size_t length;
    uint64_t output; // as trama_output gives it
} bulk;

EXPORT("trama_input") void *trama_input(size_t length)
{
    bulk.input = malloc(length + 1);
    bulk.length = length;
    bulk.output = 0;
    return bulk.input;
}

EXPORT("trama_output") uint64_t trama_output(void)
{
    return bulk.input ? bulk.output : 0;
}

// finish sets the output. The bytes must stay until the host has read them.
static int finish(const void *bytes, size_t length)
{
    if (bulk.input)
        bulk.output = located(length ? bytes : bulk.input, length);
    else
        output_set(block_of(bytes, length), length);
    return 0;
}

// fail reports the pending exception.
static int fail(JSContext *ctx, JSValueConst cause)
{
    JSValue arguments[] = {JS_GetException(ctx), JS_NewBool(ctx, heap_refused()), JS_DupValue(ctx, cause)};
    JSValue report = JS_Call(ctx, report_function, JS_UNDEFINED, 3, arguments);
    if (JS_IsUndefined(report))
        return 1; // nothing was thrown: undefined
    size_t length;
    const char *text = JS_IsException(report) ? NULL : text_of(ctx, &length, report);
    if (text)
        return fail_with(text);
    if (heap_refused())
        return fail_with(OUT_OF_MEMORY);
    return fail_with("{\"code\":\"error\",\"message\":\"the plugin threw something that cannot be described\"}");
}

// resize is what QuickJS-NG does with the bytes of an input; to 0 frees them.
static void *resize(JSRuntime *runtime, void *opaque, void *bytes, size_t size)
{
    if (size > 0)
        return realloc(bytes, size);
    free(bytes);
    return NULL;
}

// unit_at gives the number of an escape \uXXXX, or -1.
static int unit_at(const char *text, const char *end)
{
    int unit = 0;
    if (end - text < 6 || text[0] != '\\' || text[1] != 'u')
        return -1;
    for (int i = 2; i < 6; i++) {
        int c = text[i], small = c | 0x20;
        if (c >= '0' && c <= '9')
            unit = unit << 4 | (c - '0');
        else if (small >= 'a' && small <= 'f')
            unit = unit << 4 | (small - 'a' + 10);
        else
            return -1;
    }
    return unit;
}

// whole_pairs writes U+FFFD in place of the escapes of half a surrogate pair, in
// JSON, which QuickJS-NG would take in and put out. It gives what length is left.
static size_t whole_pairs(char *text, size_t length)
{
    char *end = text + length, *at = text;
    char *from = text, *to = text; // what stands from there goes there
    while ((at = memchr(at, '\\', end - at))) {
        int unit = unit_at(at, end);
        if (unit < 0) {
            at += end - at > 1 ? 2 : 1;
            continue;
        }
        bool half = (unit & 0xf800) == 0xd800;
        if (half && unit < 0xdc00 && (unit_at(at + 6, end) & ~0x3ff) == 0xdc00) {
            at += 12;
            continue;
        }
        if (half) {
            memmove(to, from, at - from);
            to += at - from;
            memcpy(to, "\xef\xbf\xbd", 3);
            to += 3;
            from = at + 6;
        }
        at += 6;
    }
    if (to != from)
        memmove(to, from, end - from);
    return to - text + (end - from);
}

// valid_utf8 gives how many of the bytes are UTF-8, up to the first that is not.
static size_t valid_utf8(const char *text, size_t length)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + length;
    while (at < end) {
        uint64_t word;
        for (; end - at >= 8 && (memcpy(&word, at, 8), (word & 0x8080808080808080) == 0); at += 8)
            ;
        if (at == end)
            break;
        // How many bytes follow, and the bounds of the first of them (Unicode, table 3-7).
        uint8_t c = *at, least = 0x80, most = 0xbf;
        int more = c < 0x80 ? 0 : c < 0xc2 ? -1 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : c < 0xf5 ? 3 : -1;
        switch (c) {
        case 0xe0: least = 0xa0; break;
        case 0xed: most = 0x9f; break;
        case 0xf0: least = 0x90; break;
        case 0xf4: most = 0x8f; break;
        }
        if (more < 0 || end - at <= more || (more > 0 && (at[1] < least || at[1] > most)))
            break;
        for (int i = 2; i <= more; i++)
            if ((at[i] & 0xc0) != 0x80)
                return (size_t)(at - (const uint8_t *)text);
        at += 1 + more;
    }
    return (size_t)(at - (const uint8_t *)text);
}

// input_of gives the call's input: a Uint8Array of these bytes, or a value of
// JSON.
static JSValue input_of(JSContext *ctx, bool raw)
{
    size_t length = bulk.length;
    char *text = bulk.input ? bulk.input : input_text(&length);
    if (!text)
        return JS_ThrowOutOfMemory(ctx);
    if (raw)
        return JS_NewUint8Array(ctx, (uint8_t *)text, length, resize, NULL, false);
    size_t valid = valid_utf8(text, length), whole = whole_pairs(text, length);
    text[whole] = 0;
    JSValue input = valid < length ? JS_ThrowSyntaxError(ctx, "byte %zu is not UTF-8", valid) : JS_ParseJSON(ctx, text, whole, "input");
    if (!bulk.input)
        free(text);
    return input;
}

// finish_with sets what an operation has returned as the output.
static int finish_with(JSContext *ctx, JSValue value, bool raw)
{
    size_t length = 0;
    if (JS_GetTypedArrayType(value) == JS_TYPED_ARRAY_UINT8 || JS_IsArrayBuffer(value)) {
        const uint8_t *bytes = bytes_of(ctx, value, &length);
        if (!bytes)
            return fail(ctx, JS_NewString(ctx, "output"));
        int code = finish(bytes, length);
        if (!bulk.input)
            JS_FreeValue(ctx, value);
        return code;
    }
    JSValue arguments[] = {value, JS_NewBool(ctx, raw)};
    JSValue text = JS_Call(ctx, result_function, JS_UNDEFINED, 2, arguments);
    const char *output = JS_IsException(text) ? NULL : text_of(ctx, &length, text);
    if (!output)
        return fail(ctx, JS_NewString(ctx, "output"));
    if (!raw)
        length = whole_pairs((char *)output, length);
    int code = finish(output, length);
    if (!bulk.input) {
        JS_FreeCString(ctx, output);
        JS_FreeValue(ctx, text);
        JS_FreeValue(ctx, value);
    }
    return code;
}

// call runs operation i. The builder makes the exports that call it.
EXPORT("call") int32_t call(uint32_t i)
{
    JSContext *ctx = context;
    JS_UpdateStackTop(JS_GetRuntime(ctx));
    rejection_count = 0;
    uint64_t seed;
    if (getentropy(&seed, sizeof seed) != 0)
        return fail_with("{\"code\":\"unavailable\",\"message\":\"the host gives no random bytes\"}");
    engine_begin(ctx, seed);
    struct operation *operation = &operations[i];
    JSValue input = input_of(ctx, operation->raw);
    if (JS_IsException(input))
        return fail(ctx, JS_NewString(ctx, "input"));
    JSValue value = settled(ctx, JS_Call(ctx, operation->function, JS_UNDEFINED, 1, &input));
    JS_FreeValue(ctx, input);
    if (JS_IsException(value))
        return fail(ctx, JS_UNDEFINED);
    return finish_with(ctx, value, operation->raw);
}
