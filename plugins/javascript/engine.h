// engine.h: what engine.c adds to QuickJS-NG's own interface.
#ifndef ENGINE_H
#define ENGINE_H

#include "quickjs.h"

// engine_seed restarts Math.random from seed.
void engine_seed(JSContext *ctx, uint64_t seed);

#endif
