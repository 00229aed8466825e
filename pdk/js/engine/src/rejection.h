// rejection.h keeps the promises that were rejected while nobody listened. What
// is here is of the one file that includes it: the plugin's.
#ifndef REJECTION_H
#define REJECTION_H

#include <stdlib.h>

#include "engine.h"

static struct rejection {
    JSValue promise, reason;
} *rejections;
static int rejection_count;

// track_rejection is what the engine tells of it.
static void track_rejection(JSContext *ctx, JSValueConst promise, JSValueConst reason, bool is_handled, void *opaque)
{
    if (is_handled) {
        for (int i = 0; i < rejection_count; i++)
            if (JS_IsStrictEqual(ctx, rejections[i].promise, promise))
                rejections[i] = rejections[--rejection_count];
        return;
    }
    struct rejection *more = realloc(rejections, (rejection_count + 1) * sizeof *more);
    if (!more)
        return; // out of memory fails the call in its next allocation
    rejections = more;
    rejections[rejection_count++] = (struct rejection){JS_DupValue(ctx, promise), JS_DupValue(ctx, reason)};
}

#endif
