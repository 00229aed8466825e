// fresh.h: memory that goes back to one remembered state after every call.
#ifndef FRESH_H
#define FRESH_H

#include <stdbool.h>

// fresh_keep remembers the C variables and the heap as they are now.
// It gives false if there is no memory for the copy.
bool fresh_keep(void);

// fresh_restore puts both back to what fresh_keep remembered. Pointers to
// anything allocated since are invalid afterwards.
void fresh_restore(void);

// fresh_refused says whether the host has refused memory since fresh_keep.
bool fresh_refused(void);

#endif
