// plugin.c is a Trama language plugin: describe gives the manifest, prepare
// makes a script ready, run runs one. It knows the Extism ABI (extism.h) and QuickJS-NG's
// C interface; everything that can be said in JavaScript is in prelude.js.
//
// An instance makes one JavaScript context when it starts. The host keeps its
// memory at that point, or after prepare, and starts every call from there: so
// nothing here frees what a call has made, and a call writes as few pages as
// it can, since those are what the host puts back.
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

// Both take a block with a JSON request, which the host frees, and give a block
// with a JSON reply, which the guest frees.
TRAMA("http_send") uint64_t trama_http_send(uint64_t request);
TRAMA("log") uint64_t trama_log(uint64_t request);

static const char manifest[] = {
#embed "manifest.json"
};
static const uint8_t prelude_code[] = {
#embed "prelude.bin"
};
static const uint8_t lodash_code[] = {
#embed "lodash.bin"
};
static const uint8_t dayjs_code[] = {
#embed "dayjs.bin"
};

// A script's JavaScript stack within the module's 1 MiB (see build.sh). The
// rest is for what runs without a check: C functions at the deepest point.
#define STACK_BYTES (768 * 1024)

// Scripts rarely make cycles, and their memory is dropped whole after the call:
// collect only once a script has used this much.
#define COLLECT_ABOVE (8 * 1024 * 1024)

// How far the heap of a call grows before it asks the host for memory, which
// costs the host the instance.
#define ROOM (1024 * 1024)

#define OUT_OF_MEMORY \
    "{\"code\":\"script_memory\",\"message\":\"the script ran out of memory; keep less at a time, or give the plugin more in its line of grants.yaml, such as limits: {memory: 128MiB}\"}"

// ---------------------------------------------------------------- the context

static JSContext *context;
static JSValue result_function, report_function; // of prelude.js

#include "rejection.h"

// host.call(name, request) -> reply
static JSValue host_call(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv)
{
    const char *name = JS_ToCString(ctx, argv[0]);
    size_t length;
    const char *request = JS_ToCStringLen(ctx, &length, argv[1]);
    if (!name || !request)
        return JS_EXCEPTION;
    uint64_t block = block_of(request, length);
    JS_FreeCString(ctx, request);
    if (block == 0)
        return JS_ThrowRangeError(ctx, "the host has no room for a request of %zu bytes", length);
    uint64_t reply = strcmp(name, "log") == 0 ? trama_log(block) : trama_http_send(block);
    JS_FreeCString(ctx, name);
    char *text = block_text(reply, &length);
    if (!text)
        return JS_ThrowOutOfMemory(ctx);
    block_free(reply);
    JSValue value = JS_NewStringLen(ctx, text, length);
    free(text);
    return value;
}

// host.random(n) -> ArrayBuffer of n bytes, n <= 65536
static JSValue host_random(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv)
{
    uint8_t bytes[256];
    uint32_t n = 0;
    if (JS_ToUint32(ctx, &n, argv[0]) < 0)
        return JS_EXCEPTION;
    uint8_t *all = malloc(n);
    if (!all && n > 0)
        return JS_ThrowOutOfMemory(ctx);
    for (uint32_t i = 0; i < n; i += sizeof bytes) {
        uint32_t part = n - i < sizeof bytes ? n - i : sizeof bytes; // getentropy's limit
        if (getentropy(bytes, part) != 0) {
            free(all);
            return JS_ThrowInternalError(ctx, "the host gives no random bytes");
        }
        memcpy(all + i, bytes, part);
    }
    JSValue value = JS_NewArrayBufferCopy(ctx, all, n);
    free(all);
    return value;
}

// load runs code that compile.c has made and gives the function that it is.
static JSValue load(JSContext *ctx, const uint8_t *code, size_t length)
{
    JSValue function = JS_ReadObject(ctx, code, length, JS_READ_OBJ_BYTECODE);
    if (JS_IsException(function))
        return function;
    return JS_EvalFunction(ctx, function);
}

// host.library(name) -> what the library exports
static JSValue host_library(JSContext *ctx, JSValueConst this, int argc, JSValueConst *argv)
{
    const char *name = JS_ToCString(ctx, argv[0]);
    if (!name)
        return JS_EXCEPTION;
    JSValue library = strcmp(name, "lodash") == 0 ? load(ctx, lodash_code, sizeof lodash_code)
                                                  : load(ctx, dayjs_code, sizeof dayjs_code);
    JS_FreeCString(ctx, name);
    if (JS_IsException(library))
        return library;
    JSValue exports = JS_Call(ctx, library, JS_UNDEFINED, 0, NULL);
    JS_FreeValue(ctx, library);
    return exports;
}

// What a script sees of its call, each a global.
static const char *const scopes[] = {"input", "flow", "user", "env"};

// settle leaves memory as an image should be taken of it.
static void settle(JSContext *ctx)
{
    JSRuntime *runtime = JS_GetRuntime(ctx);
    JS_RunGC(runtime);
    JS_SetGCThreshold(runtime, COLLECT_ABOVE);
    heap_reserve(ROOM); // refused, calls ask for it themselves
}

// start makes the context that every call begins with. It runs when the
// instance is made; what can fail here fails for want of memory.
__attribute__((constructor)) static void start(void)
{
    JSRuntime *runtime = JS_NewRuntime();
    if (!runtime)
        abort();
    JS_SetMaxStackSize(runtime, STACK_BYTES);
    JS_SetHostPromiseRejectionTracker(runtime, track_rejection, NULL);
    JSContext *ctx = JS_NewContext(runtime);
    if (!ctx)
        abort();
    JSValue host = JS_NewObject(ctx);
    JS_SetPropertyStr(ctx, host, "call", JS_NewCFunction(ctx, host_call, "call", 2));
    JS_SetPropertyStr(ctx, host, "random", JS_NewCFunction(ctx, host_random, "random", 1));
    JS_SetPropertyStr(ctx, host, "library", JS_NewCFunction(ctx, host_library, "library", 1));
    JSValue prelude = load(ctx, prelude_code, sizeof prelude_code);
    JSValue functions = JS_Call(ctx, prelude, JS_UNDEFINED, 1, &host);
    if (JS_IsException(functions))
        abort();
    result_function = JS_GetPropertyStr(ctx, functions, "result");
    report_function = JS_GetPropertyStr(ctx, functions, "report");
    JSValue global = JS_GetGlobalObject(ctx);
    for (size_t i = 0; i < sizeof scopes / sizeof *scopes; i++)
        JS_SetPropertyStr(ctx, global, scopes[i], JS_NULL); // so that a call only writes values
    JS_FreeValue(ctx, global);
    context = ctx;
    settle(ctx);
}

// ---------------------------------------------------------------- scripts

// A script is a function, and the number of lines of its code.
struct script {
    JSValue function; // JS_UNDEFINED if there is none
    int lines;
};

static struct script prepared = {JS_UNDEFINED, 0};

// fail reports the pending exception as an abi.Error with this code. lines is
// the number of lines of the script.
static int fail(JSContext *ctx, const char *code, int lines)
{
    JSValue arguments[] = {
        JS_NewString(ctx, code),
        JS_GetException(ctx),
        JS_NewInt32(ctx, lines),
        JS_NewBool(ctx, heap_refused()),
    };
    JSValue report = JS_Call(ctx, report_function, JS_UNDEFINED, 4, arguments);
    const char *json = JS_IsException(report) ? NULL : JS_ToCString(ctx, report);
    if (json)
        return fail_with(json);
    if (heap_refused())
        return fail_with(OUT_OF_MEMORY);
    return fail_with("{\"code\":\"script_error\",\"message\":\"the script threw something that cannot be described\"}");
}

// compile makes a script of code, which ends in a zero byte. Its function is
// an exception if the code does not parse.
static struct script compile(JSContext *ctx, const char *code, size_t length)
{
    // The code begins on the second line, which is counted as the first.
    static const char before[] = "(async function () {\n", after[] = "\n})";
    struct script script = {JS_EXCEPTION, 1};
    for (size_t i = 0; i < length; i++)
        script.lines += code[i] == '\n';
    char *source = malloc(sizeof before + length + sizeof after);
    if (!source) {
        JS_ThrowOutOfMemory(ctx);
        return script;
    }
    memcpy(source, before, sizeof before - 1);
    memcpy(source + sizeof before - 1, code, length);
    memcpy(source + sizeof before - 1 + length, after, sizeof after);
    JSValue program = engine_compile(ctx, source, sizeof before - 1 + length + sizeof after - 1, "script.js", 0);
    free(source);
    if (!JS_IsException(program))
        script.function = JS_EvalFunction(ctx, program);
    return script;
}

// begin starts a call and parses its input. It gives an exception, which the
// host has been told, if that fails.
static JSValue begin(JSContext *ctx)
{
    JS_UpdateStackTop(JS_GetRuntime(ctx));
    uint64_t seed;
    if (getentropy(&seed, sizeof seed) != 0) {
        fail_with("{\"code\":\"unavailable\",\"message\":\"the host gives no random bytes\"}");
        return JS_EXCEPTION;
    }
    engine_begin(ctx, seed);
    size_t length;
    char *text = input_text(&length);
    if (!text) {
        fail_with(OUT_OF_MEMORY);
        return JS_EXCEPTION;
    }
    JSValue input = JS_ParseJSON(ctx, text, length, "input");
    free(text);
    if (JS_IsException(input))
        fail(ctx, "invalid", 0);
    return input;
}

// code_of gives the code of a call's input, or undefined.
static JSValue code_of(JSContext *ctx, JSValue input)
{
    return JS_IsObject(input) ? JS_GetPropertyStr(ctx, input, "code") : JS_UNDEFINED;
}

// Globals whose first use loads a library (see prelude.js).
static const char *const libraries[] = {"_", "lodash", "dayjs"};

static bool in_name(char c)
{
    return c == '_' || c == '$' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// mentions says whether code has name as a whole word.
static bool mentions(const char *code, size_t length, const char *name)
{
    size_t size = strlen(name);
    const char *end = code + length;
    for (const char *at = code; (at = memmem(at, end - at, name, size)); at++)
        if ((at == code || !in_name(at[-1])) && (at + size == end || !in_name(at[size])))
            return true;
    return false;
}

// ---------------------------------------------------------------- exports

EXPORT("prepare") int32_t prepare(void)
{
    JSContext *ctx = context;
    JSValue input = begin(ctx);
    if (JS_IsException(input))
        return 1;
    JSValue text = code_of(ctx, input);
    if (!JS_IsString(text))
        return fail_with("{\"code\":\"invalid\",\"message\":\"prepare: the input has no code; give {code}\"}");
    size_t length;
    const char *code = JS_ToCStringLen(ctx, &length, text);
    if (!code)
        return fail(ctx, "script_error", 0);

    // A script that hides the name of a library still gets it, only later, in
    // each of its calls.
    JSValue global = JS_GetGlobalObject(ctx);
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
        if (mentions(code, length, libraries[i]) && JS_IsException(JS_GetPropertyStr(ctx, global, libraries[i])))
            return fail(ctx, "script_error", 0);
    prepared = compile(ctx, code, length);
    if (JS_IsException(prepared.function))
        return fail(ctx, "script_syntax", prepared.lines);
    JS_FreeCString(ctx, code);
    JS_FreeValue(ctx, text);
    JS_FreeValue(ctx, input);
    settle(ctx);
    return 0;
}

EXPORT("run") int32_t run(void)
{
    JSContext *ctx = context;
    JSValue input = begin(ctx);
    if (JS_IsException(input))
        return 1;
    struct script script = prepared;
    JSValue text = code_of(ctx, input);
    if (!JS_IsUndefined(text)) {
        size_t length;
        const char *code = JS_IsString(text) ? JS_ToCStringLen(ctx, &length, text) : NULL;
        if (!code)
            return fail_with("{\"code\":\"invalid\",\"message\":\"run: code must be text\"}");
        script = compile(ctx, code, length);
        if (JS_IsException(script.function))
            return fail(ctx, "script_syntax", script.lines);
    }
    if (!JS_IsObject(input) || JS_IsUndefined(script.function))
        return fail_with("{\"code\":\"invalid\",\"message\":\"run: the input has no code, and no script was prepared; "
                         "give {code, input, flow, user, env}\"}");

    JSValue global = JS_GetGlobalObject(ctx);
    for (size_t i = 0; i < sizeof scopes / sizeof *scopes; i++) {
        JSValue scope = JS_GetPropertyStr(ctx, input, scopes[i]);
        JS_SetPropertyStr(ctx, global, scopes[i], JS_IsUndefined(scope) ? JS_NULL : scope);
    }
    JSValue promise = JS_Call(ctx, script.function, JS_UNDEFINED, 0, NULL);
    if (JS_IsException(promise))
        return fail(ctx, "script_error", script.lines);

    JSContext *job_context;
    int ran;
    while ((ran = JS_ExecutePendingJob(JS_GetRuntime(ctx), &job_context)) > 0)
        ;
    if (ran < 0)
        return fail(ctx, "script_error", script.lines);
    JSValue value = JS_PromiseResult(ctx, promise);
    if (JS_PromiseState(ctx, promise) == JS_PROMISE_REJECTED) {
        JS_Throw(ctx, value);
        return fail(ctx, "script_error", script.lines);
    }
    if (rejection_count > 0) {
        JS_Throw(ctx, rejections[0].reason);
        return fail(ctx, "script_error", script.lines);
    }
    if (JS_PromiseState(ctx, promise) == JS_PROMISE_PENDING)
        return fail_with("{\"code\":\"script_pending\",\"message\":\"the script awaits a promise that nothing will settle; "
                         "there are no timers, and http() answers at once\"}");

    JSValue json = JS_Call(ctx, result_function, JS_UNDEFINED, 1, &value);
    size_t length;
    const char *output = JS_IsException(json) ? NULL : JS_ToCStringLen(ctx, &length, json);
    if (!output)
        return fail(ctx, "script_result", script.lines);
    return succeed(output, length);
}

EXPORT("describe") int32_t describe(void)
{
    return succeed(manifest, sizeof manifest);
}
