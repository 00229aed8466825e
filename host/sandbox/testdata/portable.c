// One export per behaviour of the Extism ABI; runs in every Extism host, so
// the tests compare what two of them make of it.
#include "extism.h"

static u8 buffer[1 << 20];

EXPORT(copy) { return output(buffer, get_input(buffer, sizeof buffer)); }

EXPORT(upper) {
  u64 n = get_input(buffer, sizeof buffer);
  for (u64 i = 0; i < n; i++)
    if (buffer[i] >= 'a' && buffer[i] <= 'z') buffer[i] -= 32;
  return output(buffer, n);
}

EXPORT(nothing) { return 0; }

EXPORT(fail_text) { x_error_set(put_text("it did not work")); return 1; }

EXPORT(fail_json) {
  x_error_set(put_text("{\"code\":\"no_stock\",\"message\":\"nothing left\",\"retryable\":true,\"detail\":{\"sku\":7}}"));
  return 1;
}

EXPORT(fail_input) { // the input becomes the error
  x_error_set(put(buffer, get_input(buffer, sizeof buffer)));
  return 2;
}

EXPORT(fail_silent) { return 7; }

EXPORT(zero_with_error) { x_error_set(put_text("said so")); return output_text("output"); }

EXPORT(error_cleared) { x_error_set(put_text("no")); x_error_set(0); return output_text("fine"); }

EXPORT(error_inside_block) { x_error_set(put_text("half an error") + 5); return 3; }

EXPORT(error_outside) { x_error_set(1ull << 40); return output_text("fine"); }

EXPORT(error_freed) {
  u64 e = put_text("gone");
  x_error_set(e);
  x_free(e);
  return output_text("fine");
}

EXPORT(output_outside) {
  output_text("first");
  x_output_set(1ull << 40, 10);
  return 0;
}

EXPORT(output_empty) {
  u64 at = put_text("first");
  x_output_set(at, 5);
  x_output_set(at, 0);
  return 0;
}

EXPORT(output_zero) {
  output_text("first");
  x_output_set(0, 0);
  return 0;
}

EXPORT(output_part) { x_output_set(put_text("a whole sentence") + 2, 5); return 0; }

EXPORT(output_freed) {
  u64 at = put_text("still here");
  x_output_set(at, 10);
  x_free(at);
  put_text("something else");
  return 0;
}

EXPORT(output_twice) { output_text("first"); return output_text("second"); }

EXPORT(output_where) {
  u64 at = put_text("abc");
  x_output_set(at, 3);
  add_number(x_output_offset() == at);
  add_number(x_output_length());
  return output_line();
}

EXPORT(lengths) {
  u64 a = x_alloc(10), b = x_alloc(300);
  add_number(x_length(a));
  add_number(x_length(b));
  add_number(x_length_unsafe(b));
  add_number(x_length(a + 1));
  add_number(x_length(0));
  add_number(x_length(1ull << 40));
  add_number(x_alloc(0));
  x_free(a);
  add_number(x_length(a));
  x_free(a);
  x_free(12345);
  x_free(0);
  add_number(x_length(b));
  add_number(a != b && a != 0);
  return output_line();
}

EXPORT(words) {
  u64 at = x_alloc(16);
  x_store_u64(at, 0x1122334455667788ull);
  x_store_u8(at + 8, 0x1ff); // only the low byte counts
  add_number(x_load_u64(at));
  add_number(x_load_u8(at));
  add_number(x_load_u8(at + 7));
  add_number(x_load_u8(at + 8));
  add_number(x_load_u8(1ull << 40));
  x_store_u8(1ull << 40, 1);
  x_store_u64(at | 1ull << 32, 42); // offsets are cut to 32 bits
  add_number(x_load_u64(at));
  return output_line();
}

EXPORT(load_past) { return (int)x_load_u64(0xffffff00u); }

EXPORT(store_past) { x_store_u64(0xffffff00u, 1); return 0; }

EXPORT(inputs) {
  u64 n = x_input_length();
  add_number(n);
  add_number(n && x_input_offset() != 0);
  add_number(x_input_load_u8(0));
  add_number(x_input_load_u8(n));
  add_number(x_input_load_u8(1ull << 40));
  if (n >= 8) add_number(x_input_load_u64(0));
  if (n >= 16) add_number(x_input_load_u64(8));
  return output_line();
}

EXPORT(input_free) {
  x_free(x_input_offset());
  add_number(x_input_length());
  return output_line();
}

EXPORT(input_swap) {
  u64 at = put_text("another input");
  x_input_set(at, 13);
  add_number(x_input_length());
  add_number(x_input_load_u8(0));
  x_input_set(1ull << 40, 5);
  add_number(x_input_length());
  return output_line();
}

EXPORT(reset_all) {
  x_error_set(put_text("an error"));
  output_text("an output");
  x_reset();
  add_number(x_input_length());
  add_number(x_input_offset());
  add_number(x_output_length());
  add_number(x_error_get());
  return output_line();
}

EXPORT(errors) {
  add_number(x_error_get());
  u64 e = put_text("x");
  x_error_set(e);
  add_number(x_error_get() == e);
  x_error_set(0);
  add_number(x_error_get());
  return output_line();
}

EXPORT(fresh_is_zero) { // a new block holds nothing of earlier calls
  u64 at = x_alloc(6000), sum = 0;
  for (u64 i = 0; i < 6000; i++) sum += x_load_u8(at + i);
  add_number(sum);
  for (u64 i = 0; i < 6000; i++) x_store_u8(at + i, 0xee);
  return output_line();
}

EXPORT(many_blocks) {
  u64 first = x_alloc(8), last = 0, good = 0;
  for (int i = 0; i < 2000; i++) {
    last = x_alloc(24);
    x_store_u64(last, i);
    if (i % 3 == 0) x_free(last);
    else good += x_length(last) == 24;
  }
  add_number(x_length(first));
  add_number(good);
  return output_line();
}

EXPORT(config) { // the input is a key
  u64 value = x_config_get(put(buffer, get_input(buffer, sizeof buffer)));
  if (!value) return output_text("none");
  return output(buffer, get(value, buffer, sizeof buffer));
}

EXPORT(variables) {
  add_number(x_var_get(put_text("k")));
  x_var_set(put_text("k"), put_text("one"));
  x_var_set(put_text("k"), put_text("three"));
  x_var_set(put_text("l"), put_text("l"));
  add_number(x_length(x_var_get(put_text("k"))));
  x_var_set(put_text("k"), 0);
  add_number(x_var_get(put_text("k")));
  add_number(x_length(x_var_get(put_text("l"))));
  x_var_set(put_text("l"), 0);
  return output_line();
}

EXPORT(variables_full) {
  u64 n = 0;
  for (;; n++) {
    buffer[0] = 'a' + n;
    x_var_set(put(buffer, 1), x_alloc(200000));
    if (n == 20) break;
  }
  return 0;
}

EXPORT(logs) {
  x_log_trace(put_text("trace"));
  x_log_debug(put_text("debug"));
  x_log_info(put_text("info"));
  x_log_warn(put_text("warn"));
  u64 e = put_text("error \x1b[31m\xff");
  x_log_error(e);
  add_number(x_length(e));
  return output_line();
}

EXPORT(log_level) { add_number(x_get_log_level()); return output_line(); }

EXPORT(log_flood) {
  for (int i = 0; i < 10000; i++) x_log_info(put_text("a line that says little"));
  return output_text("done");
}

EXPORT(log_huge) {
  for (u64 i = 0; i < sizeof buffer; i++) buffer[i] = 'x';
  x_log_info(put(buffer, sizeof buffer));
  return 0;
}

// http sends the request that is its input; a line "body:" splits off a body.
EXPORT(http) {
  u64 n = get_input(buffer, sizeof buffer), cut = n;
  for (u64 i = 0; i + 6 < n; i++)
    if (buffer[i] == '\n' && buffer[i + 1] == 'b' && buffer[i + 6] == '\n') cut = i;
  u64 body = cut < n ? put(buffer + cut + 7, n - cut - 7) : 0;
  u64 answer = x_http_request(put(buffer, cut), body);
  add_number(x_http_status_code());
  line_length += get(x_http_headers(), line + line_length, 4096);
  add(" ");
  line_length += get(answer, line + line_length, sizeof line - line_length);
  return output_line();
}

EXPORT(http_many) { // until the host has had enough
  for (;;) x_http_request(put_text("{\"url\":\"https://a.test/\"}"), 0);
}

EXPORT(http_before) { add_number(x_http_status_code()); return output_line(); }

EXPORT(trap) { __builtin_trap(); }

EXPORT(trap_with_error) { x_error_set(put_text("about to crash")); __builtin_trap(); }

EXPORT(divide) { volatile u64 zero = 0; return (int)(1234567 / zero); }

EXPORT(outside_memory) { return *(volatile int *)0xfffffff0; }

EXPORT(spin) { for (volatile int i = 0;; i++); }

static volatile int sink;
__attribute__((noinline)) static int deeper(int n) { sink = n; return deeper(n + 1) + sink; }
EXPORT(recurse) { return deeper(0); }

EXPORT(grow) { // takes memory page by page until it is refused, then crashes
  while (__builtin_wasm_memory_grow(0, 1) != (unsigned long)-1);
  __builtin_trap();
}

EXPORT(grow_politely) {
  while (__builtin_wasm_memory_grow(0, 16) != (unsigned long)-1);
  return output_text("that was all");
}

EXPORT(hoard) { for (;;) x_alloc(1 << 20); }

EXPORT(hoard_small) { for (;;) x_alloc(1); }

EXPORT(recycle) { // far more than fits at once
  for (int i = 0; i < 100000; i++) {
    u64 a = x_alloc(1000), b = x_alloc(1000);
    x_free(a);
    x_free(b);
  }
  return output_text("done");
}

EXPORT(output_big) { // the input is a decimal number of bytes
  u64 n = get_input(buffer, 20), size = 0;
  for (u64 i = 0; i < n; i++) size = size * 10 + buffer[i] - '0';
  x_output_set(x_alloc(size), size);
  return 0;
}

static int counter;
EXPORT(count) { add_number(++counter); return output_line(); }
EXPORT(count_and_trap) { counter++; __builtin_trap(); }
EXPORT(count_and_spin) { counter++; for (;;) counter |= 1; }
