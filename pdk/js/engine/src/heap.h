// heap.h: the memory below malloc.
#ifndef HEAP_H
#define HEAP_H

#include <stdbool.h>
#include <stddef.h>

// heap_reserve makes the module own room bytes beyond the heap, so that it can
// grow by them without asking the host. The bytes are not written. It gives
// false if the host refuses.
bool heap_reserve(size_t room);

// heap_refused says whether malloc has failed because the host refused memory.
bool heap_refused(void);

#endif
