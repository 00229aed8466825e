// fresh.h: memory that goes back to a remembered state around every call.
#ifndef FRESH_H
#define FRESH_H

#include <stdbool.h>
#include <stddef.h>

// The two remembered states.
enum fresh_state {
    FRESH_PLAIN,     // the context and its globals
    FRESH_LIBRARIES, // the same, with the libraries loaded
};

// fresh_keep remembers the C variables and the heap as they are now:
// FRESH_PLAIN first, then, once more has been allocated, FRESH_LIBRARIES.
// It gives false if there is no memory for the copy.
bool fresh_keep(enum fresh_state state);

// fresh_restore puts variables and heap back. Pointers to anything allocated
// since are invalid afterwards, but for fresh_room's.
void fresh_restore(enum fresh_state state);

// fresh_room gives memory beside the heap, or NULL. It lasts until
// fresh_restore(FRESH_PLAIN).
void *fresh_room(size_t length);

// fresh_refused says whether the host has refused memory in this call.
bool fresh_refused(void);

#endif
