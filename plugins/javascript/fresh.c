// fresh.c gives every call the same start. Making a JavaScript context takes
// about a thousand allocations; copying the memory of a finished one back takes
// a fraction of that, frees everything a script has left behind, and leaves no
// object through which one call could reach the next.
//
// Memory, from address 0 up (the linker's --stack-first order):
//
//	stack | constants | variables | heap at fresh_keep | copy | heap since
//	                  ^ first_variable                 ^ kept
//
// The copy is of [first_variable, kept). The stack belongs to whoever is
// running; constants do not change.
#include "fresh.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define PAGE 65536

extern unsigned char __heap_base;

// The linker lays initialised variables out in the order of its arguments, and
// build.sh names fresh.o first: this is the lowest variable, above constants.
static char first_variable = 1;

static uintptr_t heap_end; // where the next sbrk begins; 0 before the first
static char *copy;         // the remembered bytes
static size_t copy_length;
static bool refused;

// sbrk replaces wasi-libc's, which only ever grows the memory: after
// fresh_restore the heap is small again and has to grow into pages that the
// module already owns.
void *sbrk(intptr_t increment)
{
    if (heap_end == 0)
        heap_end = ((uintptr_t)&__heap_base + PAGE - 1) / PAGE * PAGE;
    uintptr_t start = heap_end;
    if (increment <= 0) // malloc asks where the heap ends and never shrinks it
        return increment == 0 ? (void *)start : (void *)-1;
    uintptr_t end = start + (uintptr_t)increment;
    uintptr_t owned = (uintptr_t)__builtin_wasm_memory_size(0) * PAGE;
    if (end < start) {
        refused = true;
        errno = ENOMEM;
        return (void *)-1;
    }
    if (end > owned && __builtin_wasm_memory_grow(0, (end - owned + PAGE - 1) / PAGE) == SIZE_MAX) {
        refused = true;
        errno = ENOMEM;
        return (void *)-1;
    }
    // Pages that an earlier call has used are handed out as empty as new ones.
    if (start < owned)
        memset((void *)start, 0, (end < owned ? end : owned) - start);
    heap_end = end;
    return (void *)start;
}

bool fresh_keep(void)
{
    uintptr_t kept = (uintptr_t)sbrk(0);
    copy_length = kept - (uintptr_t)&first_variable;
    copy = sbrk((intptr_t)copy_length);
    if (copy == (void *)-1)
        return false;
    // The variables above are part of what is copied, so they are set by now.
    memcpy(copy, &first_variable, copy_length);
    return true;
}

void fresh_restore(void)
{
    memcpy(&first_variable, copy, copy_length);
}

bool fresh_refused(void)
{
    return refused;
}
