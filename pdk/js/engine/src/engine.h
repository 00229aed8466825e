// engine.h: what engine.c adds to QuickJS-NG's own interface.
#ifndef ENGINE_H
#define ENGINE_H

#include "quickjs.h"

// engine_begin starts a call: Math.random from seed, performance.now from zero.
void engine_begin(JSContext *ctx, uint64_t seed);

// engine_compile compiles a script whose first line counts as line, for
// JS_EvalFunction. source must end with a zero byte at source[length].
JSValue engine_compile(JSContext *ctx, const char *source, size_t length, const char *name, int line);

#endif
