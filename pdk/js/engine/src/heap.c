// heap.c replaces wasi-libc's sbrk, which grows the memory at every step and
// keeps to itself when the host refuses. A host that starts each call from an
// image has to discard an instance whose memory has grown: so the heap grows
// into memory that was asked for before the image was taken.
#include "heap.h"

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

#define PAGE 65536

extern unsigned char __heap_base;

static uintptr_t heap_end; // where the next sbrk begins; 0 before the first
static bool refused;

bool heap_reserve(size_t room)
{
    uintptr_t end = heap_end + room, owned = (uintptr_t)__builtin_wasm_memory_size(0) * PAGE;
    return end >= heap_end &&
           (end <= owned || __builtin_wasm_memory_grow(0, (end - owned + PAGE - 1) / PAGE) != SIZE_MAX);
}

void *sbrk(intptr_t increment)
{
    if (heap_end == 0)
        heap_end = ((uintptr_t)&__heap_base + PAGE - 1) / PAGE * PAGE;
    uintptr_t start = heap_end;
    if (increment == 0) // malloc asks where the heap ends
        return (void *)start;
    if (increment < 0 || !heap_reserve((size_t)increment)) { // it cannot shrink
        refused = true;
        errno = ENOMEM;
        return (void *)-1;
    }
    heap_end += (uintptr_t)increment;
    return (void *)start;
}

bool heap_refused(void)
{
    return refused;
}
