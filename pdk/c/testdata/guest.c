// A plugin that needs no Trama host: what every Extism host runs.
#include "trama.h"

TRAMA_DESCRIBE("{\"name\":\"guest\"}")

TRAMA_EXPORT(echo) { return trama_output(trama_input()); }

// Bytes of a function's own memory, which the next function overwrites; and none
// at all.
static __attribute__((noinline)) int32_t output_local(void) {
  volatile char bytes[64];
  for (int i = 0; i < 5; i++) bytes[i] = "local"[i];
  trama_text t = {(const char *)bytes, 5};
  return trama_output(t);
}
static __attribute__((noinline)) int overwrite(void) {
  volatile char bytes[256];
  for (int i = 0; i < 256; i++) bytes[i] = '#';
  return bytes[9];
}
TRAMA_EXPORT(local) {
  int32_t code = output_local();
  return overwrite() == '#' ? code : 2;
}
TRAMA_EXPORT(nothing) { return trama_output(trama_str("")); }

TRAMA_EXPORT(setting) {
  trama_text value;
  if (!trama_config(trama_input(), &value)) return trama_fail("none", "no setting %.*s", TRAMA_TEXT(trama_input()));
  trama_log_info("setting %s", "read");
  trama_log_warn("%s", "");
  return trama_output(value);
}

// How much memory the module has, after a call that needs 200 KB and more.
TRAMA_EXPORT(pages) {
  for (int i = 0; i < 100; i++) trama_copy_(trama_alloc(2000 + (size_t)i), "x", 1);
  return trama_output(trama_format("%zu", (size_t)__builtin_wasm_memory_size(0)));
}

// A number that is kept in the arena: n calls give n.
static int *kept;
TRAMA_EXPORT(keep) {
  if (!kept) {
    kept = (int *)trama_alloc(sizeof *kept);
    *kept = 0;
    trama_keep();
  }
  for (size_t size = 64; size <= 300000; size += 299936) __builtin_memset(trama_alloc(size), 0xff, size);
  return trama_output(trama_format("%d", ++*kept));
}

TRAMA_EXPORT(plain) { return trama_fail_text("it did not work"); }
TRAMA_EXPORT(coded) {
  trama_error e = {.code = trama_str("busy"), .message = trama_str("a \"busy\" line\n"), .retryable = true, .retry_after_millis = 5, .detail = trama_str("[1]")};
  return trama_fail_with(&e);
}
TRAMA_EXPORT(oh_no) { trama_panic("oh \"no\""); }
TRAMA_EXPORT(hoard) {
  for (;;) trama_alloc(1 << 20);
}
// Checked multiplication of 64 bits needs more than the machine has.
TRAMA_EXPORT(products) {
  trama_json list;
  if (!trama_input_json(&list)) return 1;
  trama_writer w = {};
  trama_write_array(&w);
  int64_t a = 0, b = 0, c;
  trama_json_iterator i = trama_json_each(list);
  while (trama_json_next(&i)) {
    a = b;
    if (!trama_json_int(i.value, &b)) return trama_fail("invalid", "[%zu]: want a whole number", i.index);
    if (i.index % 2 == 0) continue;
    if (__builtin_mul_overflow(a, b, &c)) trama_write_null(&w);
    else trama_write_int(&w, c);
  }
  trama_write_array_end(&w);
  return trama_output(w.text);
}
