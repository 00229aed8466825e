// The engine: QuickJS-NG with the two things changed that Trama needs, without
// patching its source.
//
// QuickJS-NG switches its stack check off for WASI. A plugin has a real stack
// (1 MiB of linear memory, below everything else), so the check is wanted: it
// turns endless recursion into an exception that a script can catch, where it
// would otherwise be a trap. Outside the check the source asks for __wasi__
// only to do without atomics, which __STDC_NO_ATOMICS__ says too.
#include "cutils.h"
#undef __wasi__
#define __STDC_NO_ATOMICS__ 1
#include "quickjs.c"

#include "engine.h"

// QuickJS-NG seeds Math.random and starts performance.now when it makes the
// context. Calls start from an image of that context, so each one does both
// anew. Zero is the one state that the generator never leaves.
void engine_begin(JSContext *ctx, uint64_t seed)
{
    ctx->random_state = seed ? seed : 1;
    ctx->time_origin = js__now_ms();
}

// JS_Eval2 takes line 0 for "not said", so the engine's own function is called.
JSValue engine_compile(JSContext *ctx, const char *source, size_t length, const char *name, int line)
{
    return JS_EvalInternal(ctx, ctx->global_obj, source, length, name, line,
                           JS_EVAL_TYPE_GLOBAL | JS_EVAL_FLAG_COMPILE_ONLY, -1);
}
