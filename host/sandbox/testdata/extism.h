// The functions of the Extism ABI, and what the guests of these tests share.
// No libc: the guests are a few KB.
#pragma once

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define EXTISM(name) IMPORT("extism:host/env", #name)
#define EXPORT(name) __attribute__((export_name(#name))) int name(void)

EXTISM(alloc) u64 x_alloc(u64);
EXTISM(free) void x_free(u64);
EXTISM(length) u64 x_length(u64);
EXTISM(length_unsafe) u64 x_length_unsafe(u64);
EXTISM(load_u8) u32 x_load_u8(u64);
EXTISM(store_u8) void x_store_u8(u64, u32);
EXTISM(load_u64) u64 x_load_u64(u64);
EXTISM(store_u64) void x_store_u64(u64, u64);
EXTISM(input_length) u64 x_input_length(void);
EXTISM(input_offset) u64 x_input_offset(void);
EXTISM(input_load_u8) u32 x_input_load_u8(u64);
EXTISM(input_load_u64) u64 x_input_load_u64(u64);
EXTISM(input_set) void x_input_set(u64, u64);
EXTISM(output_set) void x_output_set(u64, u64);
EXTISM(output_length) u64 x_output_length(void);
EXTISM(output_offset) u64 x_output_offset(void);
EXTISM(error_set) void x_error_set(u64);
EXTISM(error_get) u64 x_error_get(void);
EXTISM(reset) void x_reset(void);
EXTISM(memory_bytes) u64 x_memory_bytes(void);
EXTISM(config_get) u64 x_config_get(u64);
EXTISM(var_get) u64 x_var_get(u64);
EXTISM(var_set) void x_var_set(u64, u64);
EXTISM(http_request) u64 x_http_request(u64, u64);
EXTISM(http_status_code) u32 x_http_status_code(void);
EXTISM(http_headers) u64 x_http_headers(void);
EXTISM(log_trace) void x_log_trace(u64);
EXTISM(log_debug) void x_log_debug(u64);
EXTISM(log_info) void x_log_info(u64);
EXTISM(log_warn) void x_log_warn(u64);
EXTISM(log_error) void x_log_error(u64);
EXTISM(get_log_level) u32 x_get_log_level(void);

static u64 text_length(const char *s) {
  u64 n = 0;
  while (s[n]) n++;
  return n;
}

// put copies n bytes into a new block.
static u64 put(const void *from, u64 n) {
  u64 at = x_alloc(n);
  for (u64 i = 0; i < n; i++) x_store_u8(at + i, ((const u8 *)from)[i]);
  return at;
}

static u64 put_text(const char *s) { return put(s, text_length(s)); }

// get copies at most room bytes of a block and gives their number.
static u64 get(u64 at, void *to, u64 room) {
  u64 n = x_length(at);
  if (n > room) n = room;
  for (u64 i = 0; i < n; i++) ((u8 *)to)[i] = (u8)x_load_u8(at + i);
  return n;
}

static u64 get_input(void *to, u64 room) {
  u64 n = x_input_length();
  if (n > room) n = room;
  for (u64 i = 0; i < n; i++) ((u8 *)to)[i] = (u8)x_input_load_u8(i);
  return n;
}

static int output(const void *from, u64 n) {
  x_output_set(put(from, n), n);
  return 0;
}

static int output_text(const char *s) { return output(s, text_length(s)); }

// A line of text that is built up piece by piece.
static char line[1 << 16];
static u64 line_length;

static void add(const char *s) {
  while (*s && line_length < sizeof line) line[line_length++] = *s++;
}

static void add_number(u64 v) {
  char digits[20];
  int n = 0;
  do digits[n++] = '0' + v % 10;
  while (v /= 10);
  while (n) line[line_length++] = digits[--n];
  line[line_length++] = ' ';
}

static int output_line(void) {
  int code = output(line, line_length);
  line_length = 0;
  return code;
}
