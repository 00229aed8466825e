// Crashes three calls deep, and has line tables.
#include "../extism.h"

static volatile u32 zero;

// Not inlined, so each is a frame of its own.
#define FRAME __attribute__((noinline))

FRAME static u32 divide(u32 a, u32 b) {
  return a / b;
}

FRAME static u32 middle(u32 a) {
  return divide(a, zero) + 1;
}

static inline __attribute__((always_inline)) u32 within(u32 *at) {
  return *at + 1;
}

FRAME static u32 reads(u32 *at) {
  return within(at) * 3;
}

EXPORT(deep) { return (int)middle(7); }

EXPORT(outside) { return (int)reads((u32 *)(0xfffffff0u + zero)); }

EXPORT(loops) {
  for (volatile u32 i = 1; i; i += 2) zero = 0;
  return 0;
}

EXPORT(says) {
  x_log_info(put_text("first line"));
  x_log_warn(put_text("last line"));
  x_error_set(put_text("{\"code\":\"panic\",\"message\":\"oh no\"}"));
  __builtin_trap();
}
