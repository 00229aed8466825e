// The header beside wasi-libc: malloc has its memory and the arena its own.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trama.h"

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

TRAMA_EXPORT(sorted) {
  trama_json list;
  if (!trama_input_json(&list)) return 1;
  size_t n = 0, room = 1;
  double *numbers = malloc(sizeof *numbers);
  trama_json_iterator i = trama_json_each(list);
  while (trama_json_next(&i)) {
    if (n == room) numbers = realloc(numbers, (room *= 2) * sizeof *numbers);
    memset(trama_alloc(300000), 0xff, 300000); // both grow
    if (!trama_json_double(i.value, &numbers[n++])) return trama_fail("invalid", "[%zu]: want a number", i.index);
  }
  qsort(numbers, n, sizeof *numbers, by_size);
  trama_writer w = {};
  trama_write_array(&w);
  for (size_t k = 0; k < n; k++) {
    char digits[32];
    snprintf(digits, sizeof digits, "%.3f", numbers[k]);
    trama_write_json(&w, trama_str(digits));
  }
  trama_write_array_end(&w);
  free(numbers);
  return trama_output(w.text);
}
