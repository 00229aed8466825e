// What a guest finds beside Extism: WASI, and Trama's own functions.
#include "extism.h"

#define WASI(name) IMPORT("wasi_snapshot_preview1", #name)
WASI(random_get) int random_get(void *, u32);
WASI(clock_time_get) int clock_time_get(u32, u64, u64 *);
WASI(poll_oneoff) int poll_oneoff(const void *, void *, u32, u32 *);
WASI(fd_write) int fd_write(int, const void *, u32, u32 *);
WASI(fd_read) int fd_read(int, const void *, u32, u32 *);
WASI(fd_prestat_get) int fd_prestat_get(int, void *);
WASI(args_sizes_get) int args_sizes_get(u32 *, u32 *);
WASI(environ_sizes_get) int environ_sizes_get(u32 *, u32 *);
WASI(path_open) int path_open(int, u32, const char *, u32, u32, u64, u64, u32, u32 *);
WASI(proc_exit) _Noreturn void proc_exit(u32);

#define TRAMA(name) IMPORT("trama:host/v1", #name)
TRAMA(http_send) u64 t_http_send(u64);
TRAMA(secret_ref) u64 t_secret_ref(u64);
TRAMA(sign) u64 t_sign(u64);
TRAMA(verify) u64 t_verify(u64);
TRAMA(log) u64 t_log(u64);
TRAMA(effect_id) u64 t_effect_id(u64);
TRAMA(deadline) u64 t_deadline(u64);
TRAMA(random) u64 t_random(u64);
TRAMA(kv_get) u64 t_kv_get(u64);
TRAMA(kv_set) u64 t_kv_set(u64);
TRAMA(kv_delete) u64 t_kv_delete(u64);
TRAMA(kv_list) u64 t_kv_list(u64);

static u8 buffer[1 << 16];

static void print(int fd, const char *s) {
  struct { const char *at; u32 n; } part = {s, (u32)text_length(s)};
  u32 written;
  fd_write(fd, &part, 1, &written);
}

EXPORT(random_bytes) { random_get(buffer, 16); return output(buffer, 16); }

EXPORT(clock) {
  u64 now;
  clock_time_get(0, 1, &now);
  add_number(now);
  clock_time_get(1, 1, &now);
  add_number(now);
  return output_line();
}

static int sleep_for(u64 nanoseconds) {
  struct { u64 user; u8 tag, pad[7]; u32 id, pad2; u64 timeout, precision; u32 flags; } wait = {0};
  u8 event[32];
  u32 n;
  wait.id = 1;
  wait.timeout = nanoseconds;
  return poll_oneoff(&wait, event, 1, &n);
}

EXPORT(nap) { return sleep_for(20 * 1000 * 1000); }
EXPORT(sleep_long) { return sleep_for(3600ull * 1000 * 1000 * 1000); }

EXPORT(surroundings) { // all that there is not
  u32 a, b, fd, n;
  u8 pre[8];
  struct { void *at; u32 n; } part = {buffer, 10};
  args_sizes_get(&a, &b);
  add_number(a);
  environ_sizes_get(&a, &b);
  add_number(a);
  add_number(fd_prestat_get(3, pre) != 0);
  add_number(path_open(3, 0, "etc/passwd", 10, 0, 2, 2, 0, &fd) != 0);
  fd_read(0, &part, 1, &n);
  add_number(n);
  return output_line();
}

EXPORT(print_lines) {
  print(1, "to stdout\npartial");
  print(2, "to stderr\n");
  print(1, " line");
  return 0;
}

EXPORT(print_flood) {
  for (int i = 0; i < 20000; i++) print(1, "flood flood flood flood flood flood\n");
  return output_text("done");
}

EXPORT(print_endless_line) {
  for (int i = 0; i < 20000; i++) print(2, "no end in sight ");
  return output_text("done");
}

EXPORT(go_panic) {
  print(2, "panic: runtime error: index out of range [5] with length 3\n\ngoroutine 1 [running]:\nmain.main()\n");
  __builtin_trap();
}

EXPORT(rust_panic) { print(2, "thread 'main' panicked at src/lib.rs:3: no such order\n"); __builtin_trap(); }

EXPORT(exit_zero) { output_text("before the end"); proc_exit(0); }
EXPORT(exit_three) { print(2, "giving up\n"); proc_exit(3); }
EXPORT(exit_like_timeout) { proc_exit(0xefffffff); }

// call passes the rest of its input to the function that the first byte names.
EXPORT(call) {
  u64 n = get_input(buffer, sizeof buffer);
  u64 request = n > 1 ? put(buffer + 1, n - 1) : 0, reply = 0;
  switch (buffer[0]) {
  case 'h': reply = t_http_send(request); break;
  case 's': reply = t_secret_ref(request); break;
  case 'g': reply = t_sign(request); break;
  case 'v': reply = t_verify(request); break;
  case 'l': reply = t_log(request); break;
  case 'e': reply = t_effect_id(request); break;
  case 'd': reply = t_deadline(request); break;
  case 'r': reply = t_random(request); break;
  case 'G': reply = t_kv_get(request); break;
  case 'S': reply = t_kv_set(request); break;
  case 'D': reply = t_kv_delete(request); break;
  case 'L': reply = t_kv_list(request); break;
  }
  if (request && x_length(request)) return 9; // the host must have freed it
  return output(buffer, get(reply, buffer, sizeof buffer));
}

EXPORT(send_many) {
  u64 reply = 0;
  for (int i = 0; i < 40; i++) reply = t_http_send(put_text("{\"url\":\"/\"}"));
  return output(buffer, get(reply, buffer, sizeof buffer));
}
