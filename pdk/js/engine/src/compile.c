// compile.c runs at build time, on the building machine: it turns a file of
// JavaScript into the bytecode that plugin.c embeds, so that no call parses it.
//
//	compile NAME SOURCE BYTECODE
#include <stdio.h>
#include <stdlib.h>

#include "quickjs.h"

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: compile NAME SOURCE BYTECODE\n");
        return 2;
    }
    FILE *in = fopen(argv[2], "rb");
    if (!in || fseek(in, 0, SEEK_END) != 0) {
        perror(argv[2]);
        return 1;
    }
    size_t length = (size_t)ftell(in);
    rewind(in);
    char *source = calloc(1, length + 1);
    if (!source || fread(source, 1, length, in) != length) {
        perror(argv[2]);
        return 1;
    }
    JSRuntime *runtime = JS_NewRuntime();
    JSContext *ctx = JS_NewContext(runtime);
    JSValue program = JS_Eval(ctx, source, length, argv[1], JS_EVAL_TYPE_GLOBAL | JS_EVAL_FLAG_COMPILE_ONLY);
    if (JS_IsException(program)) {
        JSValue error = JS_GetException(ctx);
        JSValue stack = JS_GetPropertyStr(ctx, error, "stack");
        fprintf(stderr, "%s: %s\n%s", argv[2], JS_ToCString(ctx, error), JS_ToCString(ctx, stack));
        return 1;
    }
    size_t size;
    uint8_t *code = JS_WriteObject(ctx, &size, program, JS_WRITE_OBJ_BYTECODE | JS_WRITE_OBJ_STRIP_SOURCE | JS_WRITE_OBJ_STRIP_DEBUG);
    FILE *out = code ? fopen(argv[3], "wb") : NULL;
    if (!out || fwrite(code, 1, size, out) != size || fclose(out) != 0) {
        perror(argv[3]);
        return 1;
    }
    return 0;
}
