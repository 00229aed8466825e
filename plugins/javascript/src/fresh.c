// fresh.c gives every call the same start. Making a JavaScript context takes
// thousands of allocations; copying the memory of a finished one back takes a
// fraction of that, frees everything a script has left behind, and leaves no
// object through which one call could reach the next.
//
// Memory, from address 0 up (the linker puts the stack first):
//
//	stack | constants | variables | heap | kept, copy | heap of libraries | copy | room | heap of a call
//	                  ^ first_variable   ^ low_end    ^ high_start                 ^ floor
//
// FRESH_PLAIN is the bytes [first_variable, low_end), FRESH_LIBRARIES those and
// the heap of the libraries. The stack belongs to whoever is running, and
// constants do not change.
#include "fresh.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define PAGE 65536

extern unsigned char __heap_base;

// The linker lays initialised variables out in the order of its arguments, and
// build.sh names fresh.o first: this is the lowest variable, above constants.
static char first_variable = 1;

static uintptr_t heap_end; // where the next sbrk begins; 0 before the first
static bool refused;

// What is remembered. It lies beside the memory that is copied; the pointer to
// it is set before the first copy and never changes.
static struct kept {
    uintptr_t low_end;
    uintptr_t high_start, high_end;
    char *plain, *libraries; // copies
    uintptr_t base;          // end of the copies
    uintptr_t floor;         // where the heap of a call begins
} *kept;

// sbrk replaces wasi-libc's, which only ever grows the memory: after a restore
// the heap is small again and has to grow into pages that the module owns.
// They hold what the last call has left there: malloc does not promise zeros,
// and calloc writes them.
void *sbrk(intptr_t increment)
{
    if (heap_end == 0)
        heap_end = ((uintptr_t)&__heap_base + PAGE - 1) / PAGE * PAGE;
    uintptr_t start = heap_end;
    if (increment <= 0) // malloc asks where the heap ends; it cannot shrink
        return increment == 0 ? (void *)start : (void *)-1;
    uintptr_t end = start + (uintptr_t)increment;
    uintptr_t owned = (uintptr_t)__builtin_wasm_memory_size(0) * PAGE;
    if (end < start || (end > owned && __builtin_wasm_memory_grow(0, (end - owned + PAGE - 1) / PAGE) == SIZE_MAX)) {
        refused = true;
        errno = ENOMEM;
        return (void *)-1;
    }
    heap_end = end;
    return (void *)start;
}

// room_for gives memory at the end of the heap, or NULL.
static void *room_for(size_t length)
{
    void *memory = sbrk((intptr_t)((length + 15) / 16 * 16));
    return memory == (void *)-1 ? NULL : memory;
}

bool fresh_keep(enum fresh_state state)
{
    if (state == FRESH_PLAIN) {
        uintptr_t low_end = heap_end;
        kept = room_for(sizeof *kept);
        if (!kept || !(kept->plain = room_for(low_end - (uintptr_t)&first_variable)))
            return false;
        kept->low_end = low_end;
        kept->high_start = kept->base = kept->floor = heap_end;
        memcpy(kept->plain, &first_variable, low_end - (uintptr_t)&first_variable);
        return true;
    }
    size_t low = kept->low_end - (uintptr_t)&first_variable;
    kept->high_end = heap_end;
    if (!(kept->libraries = room_for(low + kept->high_end - kept->high_start)))
        return false;
    kept->base = kept->floor = heap_end;
    memcpy(kept->libraries, &first_variable, low);
    memcpy(kept->libraries + low, (void *)kept->high_start, kept->high_end - kept->high_start);
    return true;
}

void fresh_restore(enum fresh_state state)
{
    size_t low = kept->low_end - (uintptr_t)&first_variable;
    if (state == FRESH_LIBRARIES) {
        memcpy(&first_variable, kept->libraries, low);
        memcpy((void *)kept->high_start, kept->libraries + low, kept->high_end - kept->high_start);
    } else {
        memcpy(&first_variable, kept->plain, low);
        kept->floor = kept->base;
    }
    heap_end = kept->floor;
}

void *fresh_room(size_t length)
{
    void *room = room_for(length);
    if (room)
        kept->floor = heap_end;
    return room;
}

bool fresh_refused(void)
{
    return refused;
}
