/* trama.h: Trama plugins in C (C11) and C++ (C++17), in one header.
 *
 *   #include "trama.h"
 *
 *   TRAMA_EXPORT(greet) {
 *     trama_json input;
 *     if (!trama_input_json(&input)) return 1;
 *     trama_text name = trama_json_text(trama_json_get(input, "name"));
 *     if (name.size == 0) return trama_fail("invalid", "name: want a text that is not empty");
 *
 *     trama_writer greeting = {}, w = {};
 *     trama_append(&greeting, trama_str("Hello, "));
 *     trama_append(&greeting, name);
 *     trama_append(&greeting, trama_str("!"));
 *     trama_write_object(&w);
 *     trama_write_key(&w, "greeting");
 *     trama_write_text(&w, greeting.text);
 *     trama_write_object_end(&w);
 *     return trama_output(w.text);
 *   }
 *
 * `trama plugin build` compiles it, by
 *
 *   clang --target=wasm32 -O2 -ffreestanding -nostdlib -mbulk-memory -Wl,--no-entry -o plugin.wasm plugin.c
 *
 * There is no libc, and none is needed; where wasi-libc is linked (without
 * -ffreestanding), its functions are used. What a plugin doesn't call is not
 * in its module, nor is the import that it would need: a plugin that calls
 * nothing of chapter 6 runs in every host that speaks the Extism ABI.
 *
 * Part one is the manual, part two the code. Names that end in an underscore
 * are the header's own.
 *
 *   1  Texts and memory
 *   2  The call: exports, input, output, errors, settings, log
 *   3  Reading JSON
 *   4  Writing texts and JSON
 *   5  Base64 and hexadecimal
 *   6  The host: requests, secrets, signatures, the contact's memory
 */
#ifndef TRAMA_H
#define TRAMA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define TRAMA_C_ extern "C"
#else
#define TRAMA_C_ extern
#endif
#define TRAMA_FN_ static __attribute__((unused))

/* ==== 1  Texts and memory ================================================
 *
 * Memory is an arena: trama_alloc takes from it, nothing is given back one by
 * one, and the next call starts with it empty. There is no lack of memory to
 * check for: it ends the call, with an error that says so.
 *
 * A Trama host starts every call from an image of the plugin's memory, so
 * globals keep nothing from call to call, but for what the manifest's "warm"
 * calls and the export prepare leave: these end by trama_keep(). The objects
 * that C++ constructs before main are constructed anew in each call.
 */

/* Bytes and their number; UTF-8 where it is a text. No 0 ends it. */
typedef struct trama_text {
  const char *data;
  size_t size;
} trama_text;

/* TRAMA_TEXT(t) passes t where a format has %.*s. */
#define TRAMA_TEXT(t) (int)(t).size, (t).data

/* Bytes of the arena that the module starts with; after them memory grows. */
#ifndef TRAMA_ARENA
#define TRAMA_ARENA (256 * 1024)
#endif

/* trama_alloc gives size bytes of whatever content, aligned for any type. */
TRAMA_FN_ void *trama_alloc(size_t size);

/* trama_keep lets what is allocated so far stay for later calls. */
TRAMA_FN_ void trama_keep(void);

/* trama_str gives the text of a C string, without copying it. */
TRAMA_FN_ trama_text trama_str(const char *c_string);

/* trama_equal and trama_is compare bytes. */
TRAMA_FN_ bool trama_equal(trama_text a, trama_text b);
TRAMA_FN_ bool trama_is(trama_text a, const char *c_string);

/* trama_text_int reads a decimal number of 64 bits, with "-" or without sign;
 * false if the text is none. */
TRAMA_FN_ bool trama_text_int(trama_text text, int64_t *into);

/* ==== 2  The call ========================================================
 *
 * TRAMA_EXPORT(name) { ... } defines a function for the host: an operation, or
 * receive, send, run, prepare. It returns 0, or 1 after an error is set, as
 * trama_output and trama_fail do.
 */
#define TRAMA_EXPORT(name)                                                            \
  static int32_t trama_entry_##name(void);                                            \
  TRAMA_C_ TRAMA_EXPORTED_(name) int32_t trama_export_##name(void) {                  \
    trama_begin_();                                                                   \
    return trama_entry_##name();                                                      \
  }                                                                                   \
  static int32_t trama_entry_##name(void)

/* TRAMA_DESCRIBE("{...}") exports a manifest, a string literal of JSON. It is
 * not needed where `trama plugin build` puts manifest.json into the module. */
#define TRAMA_DESCRIBE(json) \
  TRAMA_EXPORT(describe) { return trama_output(trama_str(json)); }

/* trama_input gives the input's bytes. They stay as they are for the call. */
TRAMA_FN_ trama_text trama_input(void);

/* A JSON value; chapter 3. */
typedef struct trama_json {
  const char *data;
  size_t size;
} trama_json;

/* trama_input_json reads the input as JSON. If it is none, it gives false and
 * has set the error "invalid": return 1. */
TRAMA_FN_ bool trama_input_json(trama_json *value);

/* trama_output sets the output, and gives 0 to return. Bytes that are not the
 * arena's are copied. */
TRAMA_FN_ int32_t trama_output(trama_text bytes);

/* How an operation fails. */
typedef struct trama_error {
  trama_text code;            /* a stable word for programs, in snake_case */
  trama_text message;         /* a sentence for people: cause, place, remedy */
  bool retryable;             /* the same call may succeed later */
  int64_t retry_after_millis; /* after this time; 0: not known */
  trama_text detail;          /* more, as JSON; empty: none */
} trama_error;

/* trama_fail sets an error with a code and a message (see trama_format), and
 * gives 1 to return. */
TRAMA_FN_ __attribute__((format(printf, 2, 3))) int32_t trama_fail(const char *code, const char *format, ...);

/* trama_fail_with does so with all fields, or with what the host refused. Of a
 * message, the first 4 KiB are sent: one that quotes what was given may be
 * longer than a host takes. */
TRAMA_FN_ int32_t trama_fail_with(const trama_error *error);

/* trama_fail_text sets a plain text; hosts give it the code "error". */
TRAMA_FN_ int32_t trama_fail_text(const char *text);

/* trama_panic(message) ends the call at once, as crashed: flows see the error
 * "trap" with the message (a C string), this file and this line. */
#define trama_panic(message) trama_panic_((message), TRAMA_FILE_, __LINE__)

/* trama_config gives a setting that the host has for this plugin; false if it
 * has none of this name. */
TRAMA_FN_ bool trama_config(trama_text name, trama_text *value);

/* These write a line to the run's trace; see trama_format. */
TRAMA_FN_ __attribute__((format(printf, 1, 2))) void trama_log_debug(const char *format, ...);
TRAMA_FN_ __attribute__((format(printf, 1, 2))) void trama_log_info(const char *format, ...);
TRAMA_FN_ __attribute__((format(printf, 1, 2))) void trama_log_warn(const char *format, ...);
TRAMA_FN_ __attribute__((format(printf, 1, 2))) void trama_log_error(const char *format, ...);

/* ==== 3  Reading JSON ====================================================
 *
 * A trama_json is a part of a checked text (RFC 8259): one value, in the bytes
 * it was written in, so that nothing is lost and nothing is copied. Looking up
 * passes over the text; to go through a list or an object, iterate. A value
 * that isn't there has the size 0, and every function takes it: look-ups in it
 * find nothing, and conversions say false.
 */
typedef enum trama_json_kind {
  TRAMA_NOTHING, /* there is no value */
  TRAMA_NULL,
  TRAMA_BOOL,
  TRAMA_NUMBER,
  TRAMA_STRING,
  TRAMA_ARRAY,
  TRAMA_OBJECT
} trama_json_kind;

/* trama_json_parse checks a whole text: one value, UTF-8, nested at most 256
 * deep. If it is not, it says false, and why with the place in bytes. */
TRAMA_FN_ bool trama_json_parse(trama_text text, trama_json *value, trama_text *why);

TRAMA_FN_ trama_json_kind trama_json_kind_of(trama_json value);

/* trama_json_get gives an object's field; of several of one name the last. */
TRAMA_FN_ trama_json trama_json_get(trama_json object, const char *name);
TRAMA_FN_ trama_json trama_json_field(trama_json object, trama_text name);

/* trama_json_only says whether an object has fields of these names alone, which
 * a NULL ends. If it has another, so that a misspelt setting is not passed over
 * in silence, it gives false and has set the error "invalid": return 1. */
TRAMA_FN_ bool trama_json_only(trama_json object, const char *const *names);

/* trama_json_path follows names and, in arrays, indexes: "items.0.price". */
TRAMA_FN_ trama_json trama_json_path(trama_json value, const char *path);

/* These convert; they say false, and leave the target, if the value is of
 * another kind, no whole number (written without "." or "e") or out of range. A
 * double is rounded correctly. Half a surrogate pair becomes U+FFFD. */
TRAMA_FN_ bool trama_json_bool(trama_json value, bool *into);
TRAMA_FN_ bool trama_json_int(trama_json value, int64_t *into);
TRAMA_FN_ bool trama_json_double(trama_json value, double *into);
TRAMA_FN_ bool trama_json_string(trama_json value, trama_text *into);

/* trama_json_text gives a string's text, and an empty one for anything else. */
TRAMA_FN_ trama_text trama_json_text(trama_json value);

/* trama_json_raw gives a value as it is written. */
TRAMA_FN_ trama_text trama_json_raw(trama_json value);

/* Going through an array or an object:
 *
 *   trama_json_iterator i = trama_json_each(list);
 *   while (trama_json_next(&i)) { ... i.value, i.index, i.name ... }
 */
typedef struct trama_json_iterator {
  trama_json value;
  trama_json name; /* of a field: a string; take its text by trama_json_text */
  size_t index;    /* from 0 */
  const char *at_, *end_;
} trama_json_iterator;

TRAMA_FN_ trama_json_iterator trama_json_each(trama_json array_or_object);
TRAMA_FN_ bool trama_json_next(trama_json_iterator *iterator);

/* ==== 4  Writing texts and JSON ==========================================
 *
 * trama_format makes a text as printf does, of %s %.*s %c %d %u %x %ld %lu
 * %lld %llu %zu and %%, without widths; doubles are trama_write_double's. A text
 * ends at a 0 in it here, as printf's does; trama_append takes it whole.
 */
TRAMA_FN_ __attribute__((format(printf, 1, 2))) trama_text trama_format(const char *format, ...);

/* A writer starts as {} and gathers bytes in its text. Commas come by
 * themselves; that keys, values and ends are in their places is the author's
 * to see to. */
typedef struct trama_writer {
  trama_text text;
  size_t room_;
} trama_writer;

TRAMA_FN_ void trama_write_object(trama_writer *w);
TRAMA_FN_ void trama_write_object_end(trama_writer *w);
TRAMA_FN_ void trama_write_array(trama_writer *w);
TRAMA_FN_ void trama_write_array_end(trama_writer *w);
TRAMA_FN_ void trama_write_key(trama_writer *w, const char *name);
TRAMA_FN_ void trama_write_key_text(trama_writer *w, trama_text name);
/* A string; bytes that are no UTF-8 become U+FFFD. */
TRAMA_FN_ void trama_write_text(trama_writer *w, trama_text text);
TRAMA_FN_ void trama_write_int(trama_writer *w, int64_t number);
/* The fewest digits that read back as the same number; a number that JSON
 * lacks (NaN, infinite) is written as null. */
TRAMA_FN_ void trama_write_double(trama_writer *w, double number);
TRAMA_FN_ void trama_write_bool(trama_writer *w, bool value);
TRAMA_FN_ void trama_write_null(trama_writer *w);
/* A value that is JSON already; an empty one is written as null. */
TRAMA_FN_ void trama_write_json(trama_writer *w, trama_text json);

/* trama_append adds bytes to the text as they are. */
TRAMA_FN_ void trama_append(trama_writer *w, trama_text bytes);

/* ==== 5  Base64 and hexadecimal ==========================================
 *
 * Base64 is the standard alphabet with padding (RFC 4648, 4), hexadecimal is
 * written in small letters. Decoding says false for anything else.
 */
TRAMA_FN_ trama_text trama_base64_encode(trama_text bytes);
TRAMA_FN_ bool trama_base64_decode(trama_text text, trama_text *bytes);
TRAMA_FN_ trama_text trama_hex_encode(trama_text bytes);
TRAMA_FN_ bool trama_hex_decode(trama_text text, trama_text *bytes);

/* ==== 6  The host ========================================================
 *
 * These need a Trama host. Each says false if the host refuses, with the
 * reason in *error (codes: denied, invalid, limit, timeout, unreachable,
 * unknown, no_secret); trama_fail_with passes it on.
 */

/* Where a body that is a SOAP envelope may get the credentials of a connection
 * whose auth is ws_security, which refuses requests without it. */
typedef struct trama_ws_security {
  size_t at;            /* in bytes: into the envelope's header, or to where one could begin */
  bool no_header;       /* the envelope has none */
  const char *envelope; /* the envelope's namespace; NULL: there is no such place */
} trama_ws_security;

/* A request. One value a header name; its order is kept. */
typedef struct trama_http_request {
  const char *method;     /* upper case; NULL: GET */
  trama_text url;         /* absolute, or from "/" on: after the connection's base URL */
  trama_text body;        /* any bytes */
  trama_text body_blob;   /* the id of a blob, instead of body */
  bool response_blob;     /* the answer's body goes into a blob */
  int64_t timeout_millis; /* 0: the call's own deadline */
  trama_ws_security ws_security;
  trama_writer headers_, parts_;
  bool json_, typed_; /* the body is JSON; the headers have a Content-Type */
} trama_http_request;

/* A field or a file of a form; what is empty is left out. */
typedef struct trama_http_part {
  const char *name;
  trama_text filename;
  trama_text type; /* its Content-Type; empty: none for a field, application/octet-stream for a file */
  trama_text body; /* any bytes */
  trama_text blob; /* the id of a blob, instead of body */
} trama_http_part;

/* An answer, whatever its status. Header names are in lower case, and several
 * values of one name are joined by ", ". */
typedef struct trama_http_response {
  int status;
  trama_json headers; /* an object of strings */
  trama_text body;
  trama_json blob; /* {"id","size","sha256","mime"}, if response_blob asked for it */
} trama_http_response;

TRAMA_FN_ trama_http_request trama_http(const char *method, trama_text url);
TRAMA_FN_ void trama_http_header(trama_http_request *request, const char *name, trama_text value);
/* trama_http_json sets a JSON body, with its Content-Type unless a header says
 * another. */
TRAMA_FN_ void trama_http_json(trama_http_request *request, trama_text json);
/* trama_http_form adds a part to a body of the type multipart/form-data, whose
 * Content-Type is the host's to set. */
TRAMA_FN_ void trama_http_form(trama_http_request *request, trama_http_part part);
TRAMA_FN_ bool trama_http_send(trama_http_request *request, trama_http_response *response, trama_error *error);

/* trama_http_answer gives an answer's header by its name in lower case, and an
 * empty text if it has none. */
TRAMA_FN_ trama_text trama_http_answer(const trama_http_response *response, const char *name);

/* trama_http_may_retry: 429, 502, 503, 504 say that the request may succeed later. */
TRAMA_FN_ bool trama_http_may_retry(int status);

/* trama_http_retry_after gives, in milliseconds, how long Retry-After asks to
 * wait, if it gives seconds (RFC 9110, 10.2.3); 0 if it doesn't, or gives a date. */
TRAMA_FN_ int64_t trama_http_retry_after(const trama_http_response *response);

/* trama_http_fail sets the error that most plugins make of a status that they
 * didn't want, and gives 1 to return: code "http_status", retryable where the
 * status says so, after the time that the answer names. */
TRAMA_FN_ int32_t trama_http_fail(const trama_http_response *response);

/* trama_secret_ref gives a handle that stands for a secret in the requests of
 * this call, at the places that the manifest declares. */
TRAMA_FN_ bool trama_secret_ref(const char *name, trama_text *handle, trama_error *error);

/* These use a key that stays in the host; algorithms: HS256, HS384, HS512, RS256,
 * RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA. */
TRAMA_FN_ bool trama_sign(const char *key, const char *algorithm, trama_text data, trama_text *signature,
                          trama_error *error);
TRAMA_FN_ bool trama_verify(const char *key, const char *algorithm, trama_text data, trama_text signature, bool *valid,
                            trama_error *error);

/* The plugin's own memory of the contact whose message is worked on. What a
 * call writes is kept with its result, and forgotten if it fails. */
TRAMA_FN_ bool trama_kv_get(trama_text key, trama_text *value, bool *found, trama_error *error);
TRAMA_FN_ bool trama_kv_set(trama_text key, trama_text value, trama_error *error);
TRAMA_FN_ bool trama_kv_delete(trama_text key, trama_error *error);
/* The keys with a prefix, in order, that come after a key (empty: from the
 * first on), at most limit (0: 1000); *keys is an array of strings, *more says
 * that there are others. */
TRAMA_FN_ bool trama_kv_list(trama_text prefix, trama_text after, int limit, trama_json *keys, bool *more,
                             trama_error *error);

/* trama_effect_id gives the id of the effect that this call performs: the same
 * when the host repeats the call, so it is an idempotency key. */
TRAMA_FN_ bool trama_effect_id(trama_text *id, trama_error *error);

/* trama_deadline gives when the host stops the call, in ms since 1970. */
TRAMA_FN_ bool trama_deadline(int64_t *unix_millis, trama_error *error);

/* trama_now gives the time in ms since 1970, by WASI's clock: other hosts have
 * it too, if they offer WASI. */
TRAMA_FN_ int64_t trama_now(void);

/* trama_random fills at most 4096 bytes from a cryptographic source. */
TRAMA_FN_ bool trama_random(void *bytes, size_t size, trama_error *error);

/* ==== The code ===========================================================
 *
 * Memory. Chunks stand in a list in the order of their making: the arena's own
 * first, then what memory.grow gave.
 */
#ifdef __FILE_NAME__
#define TRAMA_FILE_ __FILE_NAME__
#else
#define TRAMA_FILE_ __FILE__
#endif
#define TRAMA_SHARED_ __attribute__((weak)) /* one for all files that include this one */

TRAMA_FN_ void trama_copy_(void *to, const void *from, size_t size) {
  if (size == 0) return;
#if defined(__wasm__) && !defined(__wasm_bulk_memory__) && !__STDC_HOSTED__
  char *t = (char *)to;
  const char *f = (const char *)from;
  for (; size >= 8; size -= 8, t += 8, f += 8) __builtin_memcpy(t, f, 8);
  while (size--) *t++ = *f++;
#else
  __builtin_memcpy(to, from, size);
#endif
}

/* Of a text that is empty, data may be NULL. */
TRAMA_FN_ const char *trama_end_(trama_text t) { return t.size ? t.data + t.size : t.data; }

TRAMA_FN_ bool trama_same_(const char *a, const char *b, size_t size) {
  while (size && *a == *b) a++, b++, size--;
  return size == 0;
}

TRAMA_FN_ trama_text trama_str(const char *c_string) {
  trama_text t = {c_string, 0};
  while (c_string && c_string[t.size]) t.size++;
  return t;
}

TRAMA_FN_ bool trama_equal(trama_text a, trama_text b) {
  return a.size == b.size && trama_same_(a.data, b.data, a.size);
}

TRAMA_FN_ bool trama_is(trama_text a, const char *c_string) { return trama_equal(a, trama_str(c_string)); }

#if defined(__wasm__)
#define TRAMA_IMPORT_(module, name) TRAMA_C_ __attribute__((import_module(module), import_name(#name)))
#define TRAMA_EXPORTED_(name) __attribute__((export_name(#name)))
TRAMA_FN_ __attribute__((noreturn)) void trama_panic_(const char *message, const char *file, int line);

typedef struct trama_chunk_ {
  struct trama_chunk_ *next;
  char *end;
} trama_chunk_;

typedef struct trama_memory_ {
  trama_chunk_ *chunk, *kept_chunk; /* in use; NULL before the first allocation */
  char *at, *kept;                  /* next free byte */
  size_t pages;                     /* that were grown */
  trama_text input;                 /* filled by the host, if bulk */
  uint64_t output;                  /* address << 32 | size, if bulk */
  bool bulk;                        /* trama_input was called for this call */
} trama_memory_;

TRAMA_C_ trama_memory_ trama_state_;
TRAMA_C_ char trama_arena_[TRAMA_ARENA];
TRAMA_SHARED_ trama_memory_ trama_state_;
TRAMA_SHARED_ __attribute__((aligned(16))) char trama_arena_[TRAMA_ARENA];

TRAMA_FN_ void trama_use_(trama_chunk_ *chunk) {
  trama_state_.chunk = chunk;
  trama_state_.at = (char *)chunk + 16;
}

TRAMA_FN_ void trama_start_(void) {
  trama_memory_ *m = &trama_state_;
  if (m->chunk) return;
  trama_chunk_ *first = (trama_chunk_ *)(void *)trama_arena_;
  first->next = NULL;
  first->end = trama_arena_ + sizeof trama_arena_;
  trama_use_(first);
  m->kept_chunk = first;
  m->kept = m->at;
}

/* trama_room_ makes a chunk current that has size bytes free, if it can. */
TRAMA_FN_ bool trama_room_(size_t size) {
  trama_memory_ *m = &trama_state_;
  while (m->chunk->next) {
    trama_use_(m->chunk->next);
    if (size <= (size_t)(m->chunk->end - m->at)) return true;
  }
  /* As much again as there is, so that memory seldom grows, but at most 16 MiB. */
  size_t need = (size + 16 + 65535) >> 16, pages = m->pages + TRAMA_ARENA / 65536, at = (size_t)-1;
  if (pages > 256) pages = 256;
  if (pages > need) at = __builtin_wasm_memory_grow(0, pages);
  if (at == (size_t)-1) at = __builtin_wasm_memory_grow(0, pages = need);
  if (at == (size_t)-1) return false;
  m->pages += pages;
  trama_chunk_ *chunk = (trama_chunk_ *)(at << 16);
  chunk->next = NULL;
  chunk->end = (char *)chunk + ((pages << 16) - 16); /* the last byte of all memory may be there */
  m->chunk->next = chunk;
  trama_use_(chunk);
  return size <= (size_t)(chunk->end - m->at);
}

TRAMA_FN_ void *trama_try_alloc_(size_t size) {
  trama_memory_ *m = &trama_state_;
  if (size > (size_t)1 << 31) return NULL;
  size = (size + 15) & ~(size_t)15;
  trama_start_();
  if (size > (size_t)(m->chunk->end - m->at) && !trama_room_(size)) return NULL;
  char *found = m->at;
  m->at += size;
  return found;
}

TRAMA_FN_ void *trama_alloc(size_t size) {
  void *found = trama_try_alloc_(size);
  if (!found) trama_panic("out of memory; the manifest can ask for more in limits.memory_bytes");
  return found;
}

TRAMA_FN_ void trama_keep(void) {
  trama_start_();
  trama_state_.kept_chunk = trama_state_.chunk;
  trama_state_.kept = trama_state_.at;
}

TRAMA_FN_ void trama_empty_(void) {
  trama_start_();
  trama_state_.chunk = trama_state_.kept_chunk;
  trama_state_.at = trama_state_.kept;
}

/* trama_extend_ makes the last allocation larger where it is, if it can. */
TRAMA_FN_ bool trama_extend_(const char *data, size_t size, size_t want) {
  trama_memory_ *m = &trama_state_;
  const char *end = data + ((size + 15) & ~(size_t)15);
  want = (want + 15) & ~(size_t)15;
  if (!data || end != m->at || want > (size_t)(m->chunk->end - data)) return false;
  m->at = (char *)data + want;
  return true;
}

/* trama_own_ says whether bytes are the arena's, which nothing overwrites
 * before the host has read them. */
TRAMA_FN_ bool trama_own_(const char *data) {
  trama_chunk_ *chunk = (trama_chunk_ *)(void *)trama_arena_;
  for (; trama_state_.chunk && chunk; chunk = chunk->next)
    if ((uintptr_t)data > (uintptr_t)chunk && (uintptr_t)data < (uintptr_t)chunk->end) return true;
  return false;
}

#if !__STDC_HOSTED__
/* What compilers call by themselves. */
TRAMA_C_ TRAMA_SHARED_ void *memcpy(void *to, const void *from, size_t n) {
  trama_copy_(to, from, n);
  return to;
}
TRAMA_C_ TRAMA_SHARED_ void *memmove(void *to, const void *from, size_t n) {
  char *t = (char *)to;
  const char *f = (const char *)from;
#if defined(__wasm_bulk_memory__)
  __builtin_memmove(t, f, n);
#else
  if ((uintptr_t)t <= (uintptr_t)f)
    for (; n; n--) *t++ = *f++;
  else
    while (n--) t[n] = f[n];
#endif
  return to;
}
TRAMA_C_ TRAMA_SHARED_ void *memset(void *to, int value, size_t n) {
#if defined(__wasm_bulk_memory__)
  __builtin_memset(to, value, n);
#else
  for (char *t = (char *)to; n; n--) *t++ = (char)value;
#endif
  return to;
}
TRAMA_C_ TRAMA_SHARED_ int memcmp(const void *a, const void *b, size_t n) {
  const unsigned char *x = (const unsigned char *)a, *y = (const unsigned char *)b;
  for (; n; n--, x++, y++)
    if (*x != *y) return *x < *y ? -1 : 1;
  return 0;
}
/* The product of 128-bit numbers, which checked multiplication of 64-bit ones
 * needs: in parts of 32 bits. */
TRAMA_C_ TRAMA_SHARED_ __int128 __multi3(__int128 a, __int128 b) {
  uint64_t al = (uint64_t)a, bl = (uint64_t)b, low = al & UINT32_MAX;
  uint64_t first = low * (bl & UINT32_MAX), second = (al >> 32) * (bl & UINT32_MAX) + (first >> 32);
  uint64_t third = low * (bl >> 32) + (second & UINT32_MAX);
  uint64_t high = (al >> 32) * (bl >> 32) + (second >> 32) + (third >> 32);
  high += (uint64_t)((unsigned __int128)a >> 64) * bl + al * (uint64_t)((unsigned __int128)b >> 64);
  return (__int128)((unsigned __int128)high << 64 | third << 32 | (first & UINT32_MAX));
}
#ifdef __cplusplus
/* new takes from the arena; delete gives nothing back. */
TRAMA_SHARED_ void *operator new(size_t size) { return trama_alloc(size); }
TRAMA_SHARED_ void *operator new[](size_t size) { return trama_alloc(size); }
TRAMA_SHARED_ void operator delete(void *) noexcept {}
TRAMA_SHARED_ void operator delete[](void *) noexcept {}
TRAMA_SHARED_ void operator delete(void *, size_t) noexcept {}
TRAMA_SHARED_ void operator delete[](void *, size_t) noexcept {}
extern "C" TRAMA_SHARED_ void __cxa_pure_virtual(void) { trama_panic("a pure virtual function was called"); }
/* Objects are never destroyed: the call's memory is thrown away. */
extern "C" TRAMA_SHARED_ int __cxa_atexit(void (*)(void *), void *, void *) { return 0; }
extern "C" TRAMA_SHARED_ int atexit(void (*)(void)) { return 0; }
extern "C" {
TRAMA_SHARED_ void *__dso_handle = nullptr;
}
#endif
#endif

#else
/* Outside WebAssembly, for tests of a plugin's logic and of this header: they
 * supply the three functions here and, if they get that far, the imports. */
#define TRAMA_IMPORT_(module, name) TRAMA_C_
#define TRAMA_EXPORTED_(name)
TRAMA_C_ void *trama_native_alloc(size_t size);
TRAMA_C_ __attribute__((noreturn)) void trama_panic_(const char *message, const char *file, int line);
TRAMA_FN_ void *trama_alloc(size_t size) { return trama_native_alloc(size); }
TRAMA_FN_ void trama_keep(void) {}
TRAMA_FN_ bool trama_extend_(const char *data, size_t size, size_t want) {
  (void)data, (void)size, (void)want;
  return false;
}
#endif

/* ---- Writing texts ---- */

/* trama_more_ makes room for size more bytes and gives their place. */
TRAMA_FN_ char *trama_more_(trama_writer *w, size_t size) {
  size_t want = w->text.size + size;
  if (want < size) trama_panic("a text larger than memory");
  if (want > w->room_ || !w->text.data) {
    size_t room = want + want / 2 + 64;
    if (room < want) room = want;
    if (!trama_extend_(w->text.data, w->room_, room)) {
      char *data = (char *)trama_alloc(room);
      trama_copy_(data, w->text.data, w->text.size);
      w->text.data = data;
    }
    w->room_ = room;
  }
  char *place = (char *)w->text.data + w->text.size;
  w->text.size = want;
  return place;
}

TRAMA_FN_ void trama_append(trama_writer *w, trama_text bytes) {
  if (bytes.size) trama_copy_(trama_more_(w, bytes.size), bytes.data, bytes.size);
}

TRAMA_FN_ void trama_append_char_(trama_writer *w, char c) { *trama_more_(w, 1) = c; }

TRAMA_FN_ void trama_append_number_(trama_writer *w, bool minus, uint64_t n, unsigned base) {
  char digits[24], *at = digits + sizeof digits;
  do *--at = "0123456789abcdef"[n % base];
  while (n /= base);
  if (minus) *--at = '-';
  trama_text t = {at, (size_t)(digits + sizeof digits - at)};
  trama_append(w, t);
}

TRAMA_FN_ void trama_append_int_(trama_writer *w, int64_t n) {
  trama_append_number_(w, n < 0, n < 0 ? 0 - (uint64_t)n : (uint64_t)n, 10);
}

TRAMA_FN_ void trama_append_format_(trama_writer *w, const char *format, va_list list) {
  for (const char *f = format; *f; f++) {
    if (*f != '%') {
      trama_append_char_(w, *f);
      continue;
    }
    size_t limit = (size_t)-1;
    int longs = 0;
    if (*++f == '.' && f[1] == '*') {
      int n = va_arg(list, int);
      if (n >= 0) limit = (size_t)n;
      f += 2;
    }
    for (; *f == 'l' || *f == 'z'; f++) longs += *f == 'z' ? (int)(sizeof(size_t) / 4 - 1) * 2 : 1;
    if (longs == 1) longs = sizeof(long) > 4 ? 2 : 0;
    switch (*f) {
    case 's': {
      trama_text t = {va_arg(list, const char *), 0};
      while (t.size < limit && t.data[t.size]) t.size++;
      trama_append(w, t);
      break;
    }
    case 'c': trama_append_char_(w, (char)va_arg(list, int)); break;
    case 'd': trama_append_int_(w, longs ? va_arg(list, long long) : va_arg(list, int)); break;
    case 'u':
    case 'x':
      trama_append_number_(w, false, longs ? va_arg(list, unsigned long long) : va_arg(list, unsigned), *f == 'u' ? 10 : 16);
      break;
    case '%': trama_append_char_(w, '%'); break;
    default: trama_panic("a format with something else than %s %.*s %c %d %u %x %ld %lu %lld %llu %zu %%");
    }
  }
}

TRAMA_FN_ trama_text trama_format(const char *format, ...) {
  trama_writer w = {};
  va_list list;
  va_start(list, format);
  trama_append_format_(&w, format, list);
  va_end(list);
  return w.text;
}

/* ---- UTF-8 and JSON: reading ---- */

/* trama_utf8_ gives the bytes of the character at p, 0 if there is none (RFC
 * 3629: no surrogates, nothing overlong, nothing above U+10FFFF). */
TRAMA_FN_ size_t trama_utf8_(const char *p, const char *end) {
  const unsigned char *u = (const unsigned char *)p;
  size_t left = (size_t)(end - p);
  if (left == 0) return 0;
  if (u[0] < 0x80) return 1;
  if (u[0] < 0xc2 || left < 2 || (u[1] & 0xc0) != 0x80) return 0;
  if (u[0] < 0xe0) return 2;
  if (left < 3 || (u[2] & 0xc0) != 0x80) return 0;
  if (u[0] < 0xf0) return (u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] > 0x9f) ? 0 : 3;
  if (left < 4 || (u[3] & 0xc0) != 0x80 || u[0] > 0xf4) return 0;
  return (u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] > 0x8f) ? 0 : 4;
}

TRAMA_FN_ bool trama_is_utf8_(trama_text t) {
  const char *p = t.data, *end = trama_end_(t);
  for (size_t n; p < end; p += n)
    if (!(n = trama_utf8_(p, end))) return false;
  return true;
}

TRAMA_FN_ const char *trama_space_(const char *p, const char *end) {
  while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
  return p;
}

TRAMA_FN_ bool trama_digit_(const char *p, const char *end) { return p < end && *p >= '0' && *p <= '9'; }

/* trama_hex4_ gives the value of four hexadecimal digits, or -1. */
TRAMA_FN_ int trama_hex4_(const char *p, const char *end) {
  int value = 0;
  if (end - p < 4) return -1;
  for (int i = 0; i < 4; i++) {
    int c = p[i], low = c | 32;
    if (c >= '0' && c <= '9') value = value * 16 + c - '0';
    else if (low >= 'a' && low <= 'f') value = value * 16 + low - 'a' + 10;
    else return -1;
  }
  return value;
}

/* trama_check_string_ and trama_check_number_ pass over one token. At a fault
 * they leave its place in *at and give what is wrong; else NULL. */
TRAMA_FN_ const char *trama_check_string_(const char **at, const char *end) {
  const char *p = *at + 1;
  const char *why = "the text ends within a string";
  while (p < end) {
    size_t n = 1;
    if (*p == '"') {
      *at = p + 1;
      return NULL;
    }
    if ((unsigned char)*p < 0x20) {
      why = "a control character within a string";
      break;
    }
    if (*p == '\\') {
      n = 2;
      if (end - p < 2) break;
      if (p[1] == 'u') {
        n = trama_hex4_(p + 2, end) >= 0 ? 6 : 0;
      } else {
        const char *known = "\"\\/bfnrt";
        while (*known && *known != p[1]) known++;
        n = *known ? 2 : 0;
      }
      if (n == 0) {
        why = "an escape that JSON lacks";
        break;
      }
    } else if (!(n = trama_utf8_(p, end))) {
      why = "bytes that are no UTF-8";
      break;
    }
    p += n;
  }
  *at = p;
  return why;
}

TRAMA_FN_ const char *trama_check_number_(const char **at, const char *end) {
  const char *p = *at;
  if (p < end && *p == '-') p++;
  bool good = trama_digit_(p, end);
  if (good && *p == '0') p++;
  else while (trama_digit_(p, end)) p++;
  if (good && p < end && *p == '.') {
    good = trama_digit_(++p, end);
    while (trama_digit_(p, end)) p++;
  }
  if (good && p < end && (*p == 'e' || *p == 'E')) {
    p++;
    if (p < end && (*p == '+' || *p == '-')) p++;
    good = trama_digit_(p, end);
    while (trama_digit_(p, end)) p++;
  }
  *at = p;
  return good ? NULL : "a number that is none";
}

#define TRAMA_DEPTH_ 256

/* trama_check_value_ passes over one value. */
TRAMA_FN_ const char *trama_check_value_(const char **at, const char *end) {
  unsigned char objects[TRAMA_DEPTH_ / 8 + 1]; /* bit d: the container at depth d is an object */
  const char *p = *at, *why = NULL;
  int depth = 0;
  enum { want_value, want_first, want_key, want_after } state = want_value;
  for (;;) {
    p = trama_space_(p, end);
    bool object = depth && (objects[depth / 8] >> (depth % 8) & 1);
    if (state == want_after && depth == 0) break;
    if (p == end) {
      why = "the text ends early";
      break;
    }
    char c = *p;
    if ((state == want_first || state == want_after) && c == (object ? '}' : ']')) {
      p++, depth--;
      state = want_after;
    } else if (state == want_after) {
      if (c != ',') {
        why = object ? "want , or }" : "want , or ]";
        break;
      }
      p++;
      state = object ? want_key : want_value;
    } else if (state == want_key || (state == want_first && object)) {
      if (c != '"') {
        why = "want a field's name";
        break;
      }
      if ((why = trama_check_string_(&p, end))) break;
      p = trama_space_(p, end);
      if (p == end || *p != ':') {
        why = "want :";
        break;
      }
      p++;
      state = want_value;
    } else if (c == '{' || c == '[') {
      if (++depth > TRAMA_DEPTH_) {
        why = "nested more than 256 deep";
        break;
      }
      unsigned char bit = (unsigned char)(1 << (depth % 8));
      objects[depth / 8] = (unsigned char)(c == '{' ? objects[depth / 8] | bit : objects[depth / 8] & ~bit);
      p++;
      state = want_first;
    } else {
      state = want_after;
      if (c == '"') why = trama_check_string_(&p, end);
      else if (c == '-' || (c >= '0' && c <= '9')) why = trama_check_number_(&p, end);
      else {
        trama_text word = trama_str(c == 't' ? "true" : c == 'f' ? "false" : "null");
        if ((size_t)(end - p) < word.size || !trama_same_(p, word.data, word.size)) why = "want a value";
        else p += word.size;
      }
      if (why) break;
    }
  }
  *at = p;
  return why;
}

TRAMA_FN_ bool trama_json_parse(trama_text text, trama_json *value, trama_text *why) {
  const char *end = trama_end_(text), *start = trama_space_(text.data, end), *p = start, *fault;
  if (start == end) fault = "want a JSON value, have nothing";
  else if (!(fault = trama_check_value_(&p, end)) && p != end) fault = "more than one value";
  if (fault) {
    if (why) *why = trama_format("%s, at byte %zu", fault, (size_t)(p - text.data));
    return false;
  }
  while (end > start && trama_space_(end - 1, end) == end) end--;
  value->data = start;
  value->size = (size_t)(end - start);
  return true;
}

/* trama_skip_ gives the end of the value at p; the text has been checked. */
TRAMA_FN_ const char *trama_skip_(const char *p, const char *end) {
  int depth = 0;
  while (p < end) {
    char c = *p;
    if (c == '"') {
      for (p++; p < end && *p != '"'; p++)
        if (*p == '\\') p++;
      p = p < end ? p + 1 : end;
      if (depth == 0) return p;
    } else if (c == '{' || c == '[') {
      depth++, p++;
    } else if (c == '}' || c == ']') {
      if (depth <= 1) return depth ? p + 1 : p;
      depth--, p++;
    } else if (depth) {
      p++;
    } else {
      while (p < end && *p != ',' && *p != '}' && *p != ']' && *p > ' ') p++;
      return p;
    }
  }
  return end;
}

TRAMA_FN_ trama_json_kind trama_json_kind_of(trama_json value) {
  if (value.size == 0) return TRAMA_NOTHING;
  switch (*value.data) {
  case 'n': return TRAMA_NULL;
  case 't':
  case 'f': return TRAMA_BOOL;
  case '"': return TRAMA_STRING;
  case '[': return TRAMA_ARRAY;
  case '{': return TRAMA_OBJECT;
  default: return TRAMA_NUMBER;
  }
}

TRAMA_FN_ trama_json_iterator trama_json_each(trama_json v) {
  trama_json_iterator i = {};
  i.index = (size_t)-1;
  trama_json_kind kind = trama_json_kind_of(v);
  if (kind == TRAMA_ARRAY || kind == TRAMA_OBJECT) {
    i.at_ = v.data;
    i.end_ = v.data + v.size;
  }
  return i;
}

TRAMA_FN_ bool trama_json_next(trama_json_iterator *i) {
  if (i->at_ == i->end_) return false;
  bool object = i->name.size != 0 || (i->index == (size_t)-1 && *i->at_ == '{');
  const char *p = trama_space_(i->at_ + 1, i->end_); /* after the bracket or a comma */
  if (p >= i->end_ || *p == '}' || *p == ']') {
    i->at_ = i->end_;
    return false;
  }
  if (object) {
    i->name.data = p;
    p = trama_skip_(p, i->end_);
    i->name.size = (size_t)(p - i->name.data);
    p = trama_space_(trama_space_(p, i->end_) + 1, i->end_); /* : */
  }
  i->value.data = p;
  p = trama_skip_(p, i->end_);
  i->value.size = (size_t)(p - i->value.data);
  i->index++;
  i->at_ = trama_space_(p, i->end_);
  if (i->at_ < i->end_ && *i->at_ != ',') i->at_ = i->end_;
  return true;
}

/* trama_unescape_ gives the text between the quotes, and takes memory only if
 * there is an escape. */
TRAMA_FN_ trama_text trama_unescape_(trama_json string) {
  trama_text t = {string.data + 1, string.size - 2};
  const char *p = t.data, *end = p + t.size;
  while (p < end && *p != '\\') p++;
  if (p == end) return t;
  char *to = (char *)trama_alloc(t.size), *start = to; /* an escape is never shorter */
  trama_copy_(to, t.data, (size_t)(p - t.data));
  to += p - t.data;
  while (p < end) {
    if (*p != '\\') {
      *to++ = *p++;
      continue;
    }
    char c = p[1];
    p += 2;
    if (c != 'u') {
      *to++ = c == 'b' ? '\b' : c == 'f' ? '\f' : c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c;
      continue;
    }
    int u = trama_hex4_(p, end);
    p += 4;
    if (u >= 0xd800 && u < 0xe000) {
      int low = u < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u' ? trama_hex4_(p + 2, end) : -1;
      if (low >= 0xdc00 && low < 0xe000) {
        u = 0x10000 + ((u - 0xd800) << 10) + (low - 0xdc00);
        p += 6;
      } else {
        u = 0xfffd;
      }
    }
    if (u < 0x80) {
      *to++ = (char)u;
      continue;
    }
    int more = u < 0x800 ? 1 : u < 0x10000 ? 2 : 3;
    *to++ = (char)((more == 1 ? 0xc0 : more == 2 ? 0xe0 : 0xf0) | u >> (6 * more));
    while (more--) *to++ = (char)(0x80 | (u >> (6 * more) & 0x3f));
  }
  t.data = start;
  t.size = (size_t)(to - start);
  return t;
}

TRAMA_FN_ bool trama_json_string(trama_json value, trama_text *into) {
  if (trama_json_kind_of(value) != TRAMA_STRING || value.size < 2) return false;
  *into = trama_unescape_(value);
  return true;
}

TRAMA_FN_ trama_text trama_json_text(trama_json value) {
  trama_text t = {};
  trama_json_string(value, &t);
  return t;
}

TRAMA_FN_ trama_text trama_json_raw(trama_json value) {
  trama_text t = {value.data, value.size};
  return t;
}

TRAMA_FN_ trama_json trama_json_field(trama_json object, trama_text name) {
  trama_json found = {};
  if (trama_json_kind_of(object) != TRAMA_OBJECT) return found;
  trama_json_iterator i = trama_json_each(object);
  while (trama_json_next(&i))
    if (i.name.size >= name.size + 2 && trama_equal(trama_json_text(i.name), name)) found = i.value;
  return found;
}

TRAMA_FN_ trama_json trama_json_get(trama_json object, const char *name) { return trama_json_field(object, trama_str(name)); }

TRAMA_FN_ trama_json trama_json_path(trama_json value, const char *path) {
  for (;;) {
    trama_text part = {path, 0};
    while (part.data[part.size] && part.data[part.size] != '.') part.size++;
    if (trama_json_kind_of(value) == TRAMA_ARRAY) {
      size_t want = 0, n = 0;
      for (; n < part.size && n < 9 && trama_digit_(path + n, path + part.size); n++) want = want * 10 + (size_t)(path[n] - '0');
      trama_json found = {};
      trama_json_iterator i = trama_json_each(value);
      while (part.size && n == part.size && trama_json_next(&i))
        if (i.index == want) {
          found = i.value;
          break;
        }
      value = found;
    } else {
      value = trama_json_field(value, part);
    }
    path += part.size;
    if (!*path++) return value;
  }
}

TRAMA_FN_ bool trama_json_bool(trama_json value, bool *into) {
  if (trama_json_kind_of(value) != TRAMA_BOOL) return false;
  *into = *value.data == 't';
  return true;
}

TRAMA_FN_ bool trama_text_int(trama_text t, int64_t *into) {
  const char *p = t.data, *end = p + t.size;
  bool minus = p < end && *p == '-';
  uint64_t n = 0, limit = minus ? (uint64_t)1 << 63 : ((uint64_t)1 << 63) - 1;
  p += minus;
  if (p == end) return false;
  for (; p < end; p++) {
    uint64_t digit = (uint64_t)(*p - '0');
    if (!trama_digit_(p, end) || n > (limit - digit) / 10) return false;
    n = n * 10 + digit;
  }
  *into = (int64_t)(minus ? 0 - n : n);
  return true;
}

TRAMA_FN_ bool trama_json_int(trama_json value, int64_t *into) {
  return trama_json_kind_of(value) == TRAMA_NUMBER && trama_text_int(trama_json_raw(value), into);
}

/* ---- Doubles, exactly: whole numbers of up to 3200 bits ---- */

#define TRAMA_WORDS_ 100
typedef struct trama_big_ {
  uint32_t word[TRAMA_WORDS_]; /* the lowest first */
  int n;                       /* words in use; the highest is not 0 */
} trama_big_;

TRAMA_FN_ void trama_big_set_(trama_big_ *b, uint64_t v) {
  b->word[0] = (uint32_t)v;
  b->word[1] = (uint32_t)(v >> 32);
  b->n = v >> 32 ? 2 : v ? 1 : 0;
}

TRAMA_FN_ void trama_big_muladd_(trama_big_ *b, uint32_t by, uint32_t add) {
  uint64_t carry = add;
  for (int i = 0; i < b->n; i++) {
    carry += (uint64_t)b->word[i] * by;
    b->word[i] = (uint32_t)carry;
    carry >>= 32;
  }
  if (carry) b->word[b->n++] = (uint32_t)carry;
}

TRAMA_FN_ void trama_big_pow5_(trama_big_ *b, int power) {
  for (; power >= 13; power -= 13) trama_big_muladd_(b, 1220703125, 0);
  while (power-- > 0) trama_big_muladd_(b, 5, 0);
}

TRAMA_FN_ int trama_big_bits_(const trama_big_ *b) {
  return b->n ? b->n * 32 - __builtin_clz(b->word[b->n - 1]) : 0;
}

TRAMA_FN_ void trama_big_left_(trama_big_ *b, int bits) {
  int words = bits / 32, n = b->n;
  bits %= 32;
  if (n == 0) return;
  uint32_t high = bits ? b->word[n - 1] >> (32 - bits) : 0;
  for (int i = n - 1; i >= 0; i--)
    b->word[i + words] = bits ? b->word[i] << bits | (i ? b->word[i - 1] >> (32 - bits) : 0) : b->word[i];
  for (int i = 0; i < words; i++) b->word[i] = 0;
  b->n = n + words;
  if (high) b->word[b->n++] = high;
}

TRAMA_FN_ int trama_big_compare_(const trama_big_ *a, const trama_big_ *b) {
  if (a->n != b->n) return a->n < b->n ? -1 : 1;
  for (int i = a->n - 1; i >= 0; i--)
    if (a->word[i] != b->word[i]) return a->word[i] < b->word[i] ? -1 : 1;
  return 0;
}

/* a += b, or a -= b where a is not less. */
TRAMA_FN_ void trama_big_add_(trama_big_ *a, const trama_big_ *b) {
  uint64_t carry = 0;
  for (int i = 0; i < b->n || i < a->n || carry; i++) {
    carry += (uint64_t)(i < a->n ? a->word[i] : 0) + (i < b->n ? b->word[i] : 0);
    if (i >= a->n) a->n = i + 1;
    a->word[i] = (uint32_t)carry;
    carry >>= 32;
  }
}

TRAMA_FN_ void trama_big_sub_(trama_big_ *a, const trama_big_ *b) {
  int64_t borrow = 0;
  for (int i = 0; i < a->n; i++) {
    borrow += (int64_t)a->word[i] - (i < b->n ? b->word[i] : 0);
    a->word[i] = (uint32_t)borrow;
    borrow >>= 32;
  }
  while (a->n && !a->word[a->n - 1]) a->n--;
}

TRAMA_FN_ bool trama_json_double(trama_json value, double *into) {
  if (trama_json_kind_of(value) != TRAMA_NUMBER) return false;
  const char *p = value.data, *end = p + value.size;
  bool minus = *p == '-', point = false, rest = false;
  trama_big_ num, den;
  int digits = 0, exponent = 0; /* of ten; enough for 2^31 zeros */
  trama_big_set_(&num, 0);
  for (p += minus; p < end && (*p == '.' || trama_digit_(p, end)); p++) {
    if (*p == '.') {
      point = true;
      continue;
    }
    exponent -= point;
    if (digits == 0 && *p == '0') continue;
    if (digits < 800) {
      digits++;
      trama_big_muladd_(&num, 10, (uint32_t)(*p - '0'));
    } else { /* these only break a tie */
      exponent++;
      rest = rest || *p != '0';
    }
  }
  int written = 0, sign = 1;
  if (p < end) { /* e */
    p++;
    if (p < end && (*p == '+' || *p == '-')) sign = *p++ == '-' ? -1 : 1;
    for (; trama_digit_(p, end); p++)
      if (written < 100000000) written = written * 10 + (*p - '0');
  }
  uint64_t bits = 0;
  int64_t ten = (int64_t)exponent + sign * (int64_t)written; /* of the last digit */
  if (digits && ten + digits > 310) return false;
  if (digits && ten + digits > -330) {
    int shift = (int)ten; /* value = num / den * 2^shift */
    trama_big_set_(&den, 1);
    if (rest) {
      trama_big_muladd_(&num, 10, 1);
      shift--, ten--;
    }
    trama_big_pow5_(ten < 0 ? &den : &num, (int)(ten < 0 ? -ten : ten));
    int lead = trama_big_bits_(&num) - trama_big_bits_(&den);
    trama_big_left_(lead < 0 ? &num : &den, lead < 0 ? -lead : lead);
    shift += lead;
    if (trama_big_compare_(&num, &den) < 0) {
      trama_big_left_(&num, 1);
      shift--;
    }
    /* Now 1 <= num/den < 2: the quotient's first 64 bits. */
    uint64_t q = 0;
    for (int i = 0; i < 64; i++) {
      q <<= 1;
      if (trama_big_compare_(&num, &den) >= 0) {
        trama_big_sub_(&num, &den);
        q |= 1;
      }
      trama_big_left_(&num, 1);
    }
    int drop = shift >= -1022 ? 11 : 11 - 1022 - shift;
    if (drop <= 64) {
      uint64_t half = (uint64_t)1 << (drop - 1), low = q & (half | (half - 1));
      bits = drop == 64 ? 0 : q >> drop;
      if (low > half || (low == half && (num.n || (bits & 1)))) bits++;
      if (shift >= -1022) {
        if (shift > 1023) return false;
        bits += (uint64_t)(shift + 1022) << 52; /* the leading 1 adds one more */
      }
      if (bits >> 52 == 2047) return false;
    }
  }
  bits |= (uint64_t)minus << 63;
  __builtin_memcpy(into, &bits, 8);
  return true;
}

/* trama_shortest_ writes the digits of a positive number (Steele and White's
 * free-format algorithm, 1990), and gives k of 0.DIGITS * 10^k. */
TRAMA_FN_ int trama_shortest_(uint64_t bits, char *digits, int *count) {
  int e = (int)(bits >> 52);
  uint64_t f = bits & (((uint64_t)1 << 52) - 1);
  bool uneven = f == 0 && e > 1; /* the neighbour below is nearer */
  if (e) f |= (uint64_t)1 << 52;
  else e = 1;
  e -= 1075;
  bool even = !(f & 1);
  trama_big_ r, s, up, down;
  trama_big_set_(&r, f);
  trama_big_set_(&s, 1);
  trama_big_set_(&up, 1);
  trama_big_set_(&down, 1);
  int length = 64 - __builtin_clzll(f), scale = e + length - 1;
  int64_t product = (int64_t)scale * 30102999566, unit = 100000000000;
  int k = scale == 0 ? 0 : (int)(product >= 0 ? product / unit : -((-product + unit - 1) / unit)) + 1;
  if (e >= 0) {
    trama_big_left_(&r, e);
    trama_big_left_(&up, e);
    trama_big_left_(&down, e);
  } else {
    trama_big_left_(&s, -e);
  }
  trama_big_left_(&r, 1 + uneven);
  trama_big_left_(&s, 1 + uneven);
  trama_big_left_(&up, uneven);
  if (k >= 0) {
    trama_big_pow5_(&s, k);
    trama_big_left_(&s, k);
  } else {
    trama_big_pow5_(&r, -k);
    trama_big_left_(&r, -k);
    trama_big_pow5_(&up, -k);
    trama_big_left_(&up, -k);
    trama_big_pow5_(&down, -k);
    trama_big_left_(&down, -k);
  }
  trama_big_ sum = r;
  trama_big_add_(&sum, &up);
  int order = trama_big_compare_(&sum, &s);
  if (order > 0 || (even && order == 0)) {
    k++;
  } else {
    trama_big_muladd_(&r, 10, 0);
    trama_big_muladd_(&up, 10, 0);
    trama_big_muladd_(&down, 10, 0);
  }
  for (*count = 0;;) {
    int digit = 0;
    for (; trama_big_compare_(&r, &s) >= 0; digit++) trama_big_sub_(&r, &s);
    sum = r;
    trama_big_add_(&sum, &up);
    int below = trama_big_compare_(&r, &down), above = trama_big_compare_(&sum, &s);
    bool low = below < 0 || (even && below == 0), high = above > 0 || (even && above == 0);
    if (low || high) {
      trama_big_left_(&r, 1);
      int middle = trama_big_compare_(&r, &s);
      if (high && (!low || middle > 0 || (middle == 0 && (digit & 1)))) digit++;
      digits[(*count)++] = (char)('0' + digit);
      return k;
    }
    digits[(*count)++] = (char)('0' + digit);
    trama_big_muladd_(&r, 10, 0);
    trama_big_muladd_(&up, 10, 0);
    trama_big_muladd_(&down, 10, 0);
  }
}

/* ---- Writing JSON ---- */

TRAMA_FN_ void trama_comma_(trama_writer *w) {
  if (w->text.size == 0) return;
  char last = w->text.data[w->text.size - 1];
  if (last != '{' && last != '[' && last != ':' && last != ',') trama_append_char_(w, ',');
}

TRAMA_FN_ void trama_open_(trama_writer *w, char bracket) {
  trama_comma_(w);
  trama_append_char_(w, bracket);
}

TRAMA_FN_ void trama_write_object(trama_writer *w) { trama_open_(w, '{'); }
TRAMA_FN_ void trama_write_object_end(trama_writer *w) { trama_append_char_(w, '}'); }
TRAMA_FN_ void trama_write_array(trama_writer *w) { trama_open_(w, '['); }
TRAMA_FN_ void trama_write_array_end(trama_writer *w) { trama_append_char_(w, ']'); }

TRAMA_FN_ void trama_write_text(trama_writer *w, trama_text text) {
  trama_open_(w, '"');
  const char *p = text.data, *end = trama_end_(text), *plain = p;
  while (p < end) {
    unsigned char c = (unsigned char)*p;
    size_t n = c < 0x80 ? 1 : trama_utf8_(p, end);
    if (n && c >= 0x20 && c != '"' && c != '\\') {
      p += n;
      continue;
    }
    trama_text run = {plain, (size_t)(p - plain)};
    trama_append(w, run);
    plain = ++p;
    char escape[6] = {'\\', 'u', '0', '0', '0', '0'};
    trama_text out = {escape, 2};
    if (n == 0) out = trama_str("\xef\xbf\xbd");
    else if (c == '"' || c == '\\') escape[1] = (char)c;
    else if (c == '\n') escape[1] = 'n';
    else if (c == '\r') escape[1] = 'r';
    else if (c == '\t') escape[1] = 't';
    else if (c == '\b') escape[1] = 'b';
    else if (c == '\f') escape[1] = 'f';
    else {
      escape[4] = (char)('0' + (c >> 4));
      escape[5] = "0123456789abcdef"[c & 15];
      out.size = 6;
    }
    trama_append(w, out);
  }
  trama_text run = {plain, (size_t)(end - plain)};
  trama_append(w, run);
  trama_append_char_(w, '"');
}

TRAMA_FN_ void trama_write_key_text(trama_writer *w, trama_text name) {
  trama_write_text(w, name);
  trama_append_char_(w, ':');
}

TRAMA_FN_ void trama_write_key(trama_writer *w, const char *name) { trama_write_key_text(w, trama_str(name)); }

TRAMA_FN_ void trama_write_json(trama_writer *w, trama_text json) {
  trama_comma_(w);
  trama_append(w, json.size ? json : trama_str("null"));
}

TRAMA_FN_ void trama_write_int(trama_writer *w, int64_t number) {
  trama_comma_(w);
  trama_append_int_(w, number);
}

TRAMA_FN_ void trama_write_bool(trama_writer *w, bool value) { trama_write_json(w, trama_str(value ? "true" : "false")); }
TRAMA_FN_ void trama_write_null(trama_writer *w) { trama_write_json(w, trama_str("null")); }

/* The form is JavaScript's (ECMA-262, Number::toString), as Go's is. */
TRAMA_FN_ void trama_write_double(trama_writer *w, double number) {
  uint64_t bits;
  __builtin_memcpy(&bits, &number, 8);
  bool minus = bits >> 63;
  bits &= ~((uint64_t)1 << 63);
  if (bits >> 52 == 2047) {
    trama_write_null(w);
    return;
  }
  trama_comma_(w);
  if (minus) trama_append_char_(w, '-');
  if (bits == 0) {
    trama_append_char_(w, '0');
    return;
  }
  char digits[20];
  int count, k = trama_shortest_(bits, digits, &count);
  if (k > 21 || k < -5) {
    trama_append_char_(w, digits[0]);
    if (count > 1) trama_append_char_(w, '.');
    for (int i = 1; i < count; i++) trama_append_char_(w, digits[i]);
    trama_append_char_(w, 'e');
    if (k > 0) trama_append_char_(w, '+');
    trama_append_int_(w, k - 1);
    return;
  }
  if (k <= 0) trama_append_char_(w, '0');
  for (int i = k < 0 ? k : 0; i < count || i < k; i++) {
    if (i == k) trama_append_char_(w, '.');
    trama_append_char_(w, i >= 0 && i < count ? digits[i] : '0');
  }
}

/* ---- Base64 and hexadecimal ---- */

TRAMA_FN_ trama_text trama_base64_encode(trama_text bytes) {
  static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const unsigned char *p = (const unsigned char *)bytes.data;
  trama_writer w = {};
  if (bytes.size / 3 > (size_t)-1 / 8) trama_panic("a text larger than memory");
  char *to = trama_more_(&w, (bytes.size + 2) / 3 * 4);
  for (size_t left = bytes.size; left; p += 3, left -= 3) {
    uint32_t v = (uint32_t)p[0] << 16 | (left > 1 ? (uint32_t)p[1] << 8 : 0) | (left > 2 ? p[2] : 0);
    *to++ = alphabet[v >> 18];
    *to++ = alphabet[v >> 12 & 63];
    *to++ = left > 1 ? alphabet[v >> 6 & 63] : '=';
    *to++ = left > 2 ? alphabet[v & 63] : '=';
    if (left < 3) break;
  }
  return w.text;
}

TRAMA_FN_ int trama_base64_digit_(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

TRAMA_FN_ bool trama_base64_decode(trama_text text, trama_text *bytes) {
  if (text.size % 4) return false;
  size_t padding = text.size && text.data[text.size - 1] == '=' ? text.data[text.size - 2] == '=' ? 2 : 1 : 0;
  size_t digits = text.size - padding;
  unsigned char *start = (unsigned char *)trama_alloc(text.size / 4 * 3), *to = start;
  uint32_t v = 0;
  for (size_t i = 0; i < digits; i++) {
    int digit = trama_base64_digit_(text.data[i]);
    if (digit < 0) return false;
    v = v << 6 | (uint32_t)digit;
    if (i % 4) *to++ = (unsigned char)(v >> (6 - i % 4 * 2));
  }
  if (padding && (v & (padding == 1 ? 3 : 15))) return false; /* bits that mean nothing */
  bytes->data = (const char *)start;
  bytes->size = (size_t)(to - start);
  return true;
}

TRAMA_FN_ trama_text trama_hex_encode(trama_text bytes) {
  trama_writer w = {};
  char *to = trama_more_(&w, bytes.size * 2);
  for (size_t i = 0; i < bytes.size; i++) {
    *to++ = "0123456789abcdef"[(unsigned char)bytes.data[i] >> 4];
    *to++ = "0123456789abcdef"[bytes.data[i] & 15];
  }
  return w.text;
}

TRAMA_FN_ bool trama_hex_decode(trama_text text, trama_text *bytes) {
  if (text.size % 2) return false;
  char *to = (char *)trama_alloc(text.size / 2);
  bytes->data = to;
  bytes->size = text.size / 2;
  for (size_t i = 0; i < text.size; i += 2) {
    char four[4] = {'0', '0', text.data[i], text.data[i + 1]};
    int v = trama_hex4_(four, four + 4);
    if (v < 0) return false;
    *to++ = (char)v;
  }
  return true;
}

/* ---- The Extism ABI. Offsets are those of the host's blocks. ---- */

#define TRAMA_EXTISM_(name) TRAMA_IMPORT_("extism:host/env", name)
TRAMA_EXTISM_(input_length) uint64_t trama_import_input_length(void);
TRAMA_EXTISM_(input_load_u8) uint32_t trama_import_input_load_u8(uint64_t at);
TRAMA_EXTISM_(input_load_u64) uint64_t trama_import_input_load_u64(uint64_t at);
TRAMA_EXTISM_(alloc) uint64_t trama_import_alloc(uint64_t size);
TRAMA_EXTISM_(free) void trama_import_free(uint64_t block);
TRAMA_EXTISM_(length) uint64_t trama_import_length(uint64_t block);
TRAMA_EXTISM_(load_u8) uint32_t trama_import_load_u8(uint64_t at);
TRAMA_EXTISM_(load_u64) uint64_t trama_import_load_u64(uint64_t at);
TRAMA_EXTISM_(store_u8) void trama_import_store_u8(uint64_t at, uint32_t value);
TRAMA_EXTISM_(store_u64) void trama_import_store_u64(uint64_t at, uint64_t value);
TRAMA_EXTISM_(output_set) void trama_import_output_set(uint64_t block, uint64_t size);
TRAMA_EXTISM_(error_set) void trama_import_error_set(uint64_t block);
TRAMA_EXTISM_(config_get) uint64_t trama_import_config_get(uint64_t name);
TRAMA_EXTISM_(log_debug) void trama_import_log_debug(uint64_t block);
TRAMA_EXTISM_(log_info) void trama_import_log_info(uint64_t block);
TRAMA_EXTISM_(log_warn) void trama_import_log_warn(uint64_t block);
TRAMA_EXTISM_(log_error) void trama_import_log_error(uint64_t block);

/* trama_read_ copies eight bytes at a time, and the rest byte by byte: a load
 * may not pass the end of the host's memory. */
TRAMA_FN_ void trama_read_(char *to, size_t size, uint64_t at, uint64_t (*load8)(uint64_t), uint32_t (*load1)(uint64_t)) {
  for (; size >= 8; size -= 8, to += 8, at += 8) {
    uint64_t v = load8(at);
    __builtin_memcpy(to, &v, 8);
  }
  while (size--) *to++ = (char)load1(at++);
}

/* trama_store_ makes a block; 0 if the host gives none, or for no bytes. */
TRAMA_FN_ uint64_t trama_store_(trama_text bytes) {
  uint64_t block = bytes.size ? trama_import_alloc(bytes.size) : 0, at = block;
  if (!block) return 0;
  const char *p = bytes.data, *end = p + bytes.size;
  for (; end - p >= 8; p += 8, at += 8) {
    uint64_t v;
    __builtin_memcpy(&v, p, 8);
    trama_import_store_u64(at, v);
  }
  while (p < end) trama_import_store_u8(at++, (unsigned char)*p++);
  return block;
}

#if defined(__wasm__)
TRAMA_FN_ void trama_begin_(void) {
  if (!trama_state_.bulk) trama_empty_();
}

/* A Trama host calls trama_input right before an export, and fills the buffer
 * that it gives; and trama_output after it. */
TRAMA_C_ TRAMA_SHARED_ TRAMA_EXPORTED_(trama_input) char *trama_export_input_(size_t size) {
  trama_memory_ *m = &trama_state_;
  trama_empty_();
  m->input.data = (char *)trama_try_alloc_(size ? size : 1);
  m->input.size = size;
  m->output = 0;
  m->bulk = m->input.data != NULL;
  return (char *)m->input.data;
}

TRAMA_C_ TRAMA_SHARED_ TRAMA_EXPORTED_(trama_output) uint64_t trama_export_output_(void) {
  trama_state_.bulk = false;
  return trama_state_.output;
}

TRAMA_FN_ trama_text trama_input(void) {
  if (trama_state_.bulk) return trama_state_.input;
  trama_text t = {NULL, (size_t)trama_import_input_length()};
  char *data = (char *)trama_alloc(t.size);
  trama_read_(data, t.size, 0, trama_import_input_load_u64, trama_import_input_load_u8);
  t.data = data;
  return t;
}

TRAMA_FN_ int32_t trama_output(trama_text bytes) {
  if (trama_state_.bulk) {
    if (!trama_own_(bytes.data)) {
      char *copy = (char *)trama_alloc(bytes.size + 1);
      trama_copy_(copy, bytes.data, bytes.size);
      bytes.data = copy;
    }
    trama_state_.output = (uint64_t)(uintptr_t)bytes.data << 32 | bytes.size;
    return 0;
  }
  uint64_t block = trama_store_(bytes);
  if (bytes.size && !block) trama_panic("the host has no memory left for the output");
  trama_import_output_set(block, bytes.size);
  return 0;
}

/* It needs no memory of the arena, which may be what is lacking. */
TRAMA_FN_ __attribute__((noreturn, noinline, cold)) void trama_panic_(const char *message, const char *file, int line) {
  trama_writer w = {};
  char room[1024], place[12];
  w.text.data = room;
  w.room_ = sizeof room;
  trama_append(&w, trama_str("{\"code\":\"panic\",\"message\":\""));
  int digits = sizeof place;
  for (place[--digits] = 0; line > 0; line /= 10) place[--digits] = (char)('0' + line % 10);
  const char *parts[5] = {file, ":", place + digits, ": ", message};
  for (int i = 0; i < 5; i++)
    for (const char *p = parts[i]; *p && w.text.size < sizeof room - 8; p++) {
      unsigned char c = (unsigned char)*p;
      if (c == '"' || c == '\\') trama_append_char_(&w, '\\');
      trama_append_char_(&w, c < ' ' ? ' ' : (char)c);
    }
  trama_append(&w, trama_str("\"}"));
  trama_import_error_set(trama_store_(w.text));
  __builtin_trap();
}
#else
TRAMA_FN_ void trama_begin_(void) {}
TRAMA_C_ trama_text trama_native_input(void);
TRAMA_C_ void trama_native_output(trama_text bytes);
TRAMA_FN_ trama_text trama_input(void) { return trama_native_input(); }
TRAMA_FN_ int32_t trama_output(trama_text bytes) {
  trama_native_output(bytes);
  return 0;
}
#endif

/* trama_take_ copies a block and frees it. */
TRAMA_FN_ trama_text trama_take_(uint64_t block) {
  trama_text t = {NULL, (size_t)trama_import_length(block)};
  char *data = (char *)trama_alloc(t.size);
  trama_read_(data, t.size, block, trama_import_load_u64, trama_import_load_u8);
  trama_import_free(block);
  t.data = data;
  return t;
}

TRAMA_FN_ void trama_error_json_(trama_writer *w, const trama_error *e) {
  trama_write_object(w);
  trama_write_key(w, "code");
  trama_write_text(w, e->code);
  trama_write_key(w, "message");
  trama_write_text(w, e->message);
  if (e->retryable) {
    trama_write_key(w, "retryable");
    trama_write_bool(w, true);
  }
  if (e->retry_after_millis) {
    trama_write_key(w, "retry_after_millis");
    trama_write_int(w, e->retry_after_millis);
  }
  if (e->detail.size) {
    trama_write_key(w, "detail");
    trama_write_json(w, e->detail);
  }
  trama_write_object_end(w);
}

TRAMA_FN_ int32_t trama_error_set_(trama_text text) {
  trama_import_error_set(trama_store_(text));
  return 1;
}

TRAMA_FN_ int32_t trama_fail_with(const trama_error *error) {
  trama_writer w = {}, brief = {};
  trama_error e = *error;
  size_t most = 4096;
  if (e.message.size > most) {
    while (most && ((unsigned char)e.message.data[most] & 0xc0) == 0x80) most--; /* a character stays whole */
    e.message.size = most;
    trama_append(&brief, e.message);
    trama_append(&brief, trama_str("..."));
    e.message = brief.text;
  }
  trama_error_json_(&w, &e);
  return trama_error_set_(w.text);
}

TRAMA_FN_ int32_t trama_fail(const char *code, const char *format, ...) {
  trama_writer w = {};
  trama_error e = {};
  va_list list;
  va_start(list, format);
  trama_append_format_(&w, format, list);
  va_end(list);
  e.code = trama_str(code);
  e.message = w.text;
  return trama_fail_with(&e);
}

TRAMA_FN_ int32_t trama_fail_text(const char *text) { return trama_error_set_(trama_str(text)); }

TRAMA_FN_ bool trama_input_json(trama_json *value) {
  trama_text why = {};
  if (trama_json_parse(trama_input(), value, &why)) return true;
  trama_fail("invalid", "input: %.*s", TRAMA_TEXT(why));
  return false;
}

TRAMA_FN_ bool trama_json_only(trama_json object, const char *const *names) {
  trama_json_iterator i = trama_json_each(object);
  if (trama_json_kind_of(object) != TRAMA_OBJECT) return true;
  while (trama_json_next(&i)) {
    trama_text name = trama_json_text(i.name);
    const char *const *known = names;
    while (*known && !trama_is(name, *known)) known++;
    if (*known) continue;
    if (name.size > 40) name.size = 40;
    trama_fail("invalid", "unknown field \"%.*s\"", TRAMA_TEXT(name));
    return false;
  }
  return true;
}

TRAMA_FN_ bool trama_config(trama_text name, trama_text *value) {
  uint64_t key = trama_store_(name), block = key ? trama_import_config_get(key) : 0;
  trama_import_free(key);
  if (!block) return false;
  *value = trama_take_(block);
  return true;
}

#define TRAMA_LOG_(level)                                                   \
  TRAMA_FN_ void trama_log_##level(const char *format, ...) {               \
    trama_writer w = {};                                                    \
    va_list list;                                                           \
    va_start(list, format);                                                 \
    trama_append_format_(&w, format, list);                                 \
    va_end(list);                                                           \
    trama_import_log_##level(trama_store_(w.text));                         \
  }
TRAMA_LOG_(debug)
TRAMA_LOG_(info)
TRAMA_LOG_(warn)
TRAMA_LOG_(error)

/* ---- trama:host/v1 ---- */

#define TRAMA_HOST_(name) TRAMA_IMPORT_("trama:host/v1", name)
TRAMA_HOST_(block_read) void trama_import_block_read(uint64_t block, char *to);
TRAMA_HOST_(block_write) uint64_t trama_import_block_write(const char *from, size_t size);
TRAMA_HOST_(http_send) uint64_t trama_import_http_send(uint64_t request);
TRAMA_HOST_(secret_ref) uint64_t trama_import_secret_ref(uint64_t request);
TRAMA_HOST_(sign) uint64_t trama_import_sign(uint64_t request);
TRAMA_HOST_(verify) uint64_t trama_import_verify(uint64_t request);
TRAMA_HOST_(effect_id) uint64_t trama_import_effect_id(uint64_t request);
TRAMA_HOST_(deadline) uint64_t trama_import_deadline(uint64_t request);
TRAMA_HOST_(random) uint64_t trama_import_random(uint64_t request);
TRAMA_HOST_(kv_get) uint64_t trama_import_kv_get(uint64_t request);
TRAMA_HOST_(kv_set) uint64_t trama_import_kv_set(uint64_t request);
TRAMA_HOST_(kv_delete) uint64_t trama_import_kv_delete(uint64_t request);
TRAMA_HOST_(kv_list) uint64_t trama_import_kv_list(uint64_t request);

TRAMA_FN_ bool trama_refused_(trama_error *error, const char *code, trama_text message) {
  trama_error e = {};
  e.code = trama_str(code);
  e.message = message;
  *error = e;
  return false;
}

/* trama_ask_ calls a host function and takes its reply apart. */
TRAMA_FN_ bool trama_ask_(uint64_t (*function)(uint64_t), trama_text request, trama_json *answer, trama_error *error) {
  uint64_t block = function(trama_import_block_write(request.data, request.size));
  trama_text reply = {NULL, (size_t)trama_import_length(block)}, why = {};
  char *data = (char *)trama_alloc(reply.size);
  trama_import_block_read(block, data);
  trama_import_free(block);
  reply.data = data;
  trama_json json;
  if (!trama_json_parse(reply, &json, &why)) return trama_refused_(error, "error", trama_format("reply of the host: %.*s", TRAMA_TEXT(why)));
  trama_json failure = trama_json_get(json, "error");
  if (trama_json_kind_of(failure) != TRAMA_OBJECT) {
    *answer = trama_json_get(json, "ok");
    return true;
  }
  trama_refused_(error, "", trama_json_text(trama_json_get(failure, "message")));
  error->code = trama_json_text(trama_json_get(failure, "code"));
  trama_json_bool(trama_json_get(failure, "retryable"), &error->retryable);
  trama_json_int(trama_json_get(failure, "retry_after_millis"), &error->retry_after_millis);
  error->detail = trama_json_raw(trama_json_get(failure, "detail"));
  return false;
}

/* trama_field_text_ and trama_field_bytes_ write a field of a request. */
TRAMA_FN_ void trama_field_text_(trama_writer *w, const char *name, trama_text text) {
  trama_write_key(w, name);
  trama_write_text(w, text);
}

TRAMA_FN_ void trama_field_bytes_(trama_writer *w, const char *name, trama_text bytes) {
  trama_field_text_(w, name, trama_base64_encode(bytes));
}

TRAMA_FN_ bool trama_answer_bytes_(trama_json answer, const char *name, trama_text *bytes, trama_error *error) {
  if (trama_base64_decode(trama_json_text(trama_json_get(answer, name)), bytes)) return true;
  return trama_refused_(error, "error", trama_format("reply of the host: %s: no base64", name));
}

TRAMA_FN_ trama_http_request trama_http(const char *method, trama_text url) {
  trama_http_request r = {};
  r.method = method;
  r.url = url;
  return r;
}

TRAMA_FN_ void trama_http_header(trama_http_request *request, const char *name, trama_text value) {
  const char *typed = "content-type";
  size_t i = 0;
  while (typed[i] && (name[i] | 0x20) == typed[i]) i++; /* '-' has that bit as well */
  if (!typed[i] && !name[i]) request->typed_ = true;
  trama_field_text_(&request->headers_, name, value);
}

TRAMA_FN_ void trama_http_json(trama_http_request *request, trama_text json) {
  request->json_ = true;
  request->body = json;
}

TRAMA_FN_ void trama_http_form(trama_http_request *request, trama_http_part part) {
  trama_writer *w = &request->parts_;
  trama_write_object(w);
  trama_field_text_(w, "name", trama_str(part.name));
  if (part.filename.size) trama_field_text_(w, "filename", part.filename);
  if (part.type.size) trama_field_text_(w, "type", part.type);
  if (part.blob.size) trama_field_text_(w, "blob", part.blob);
  else if (!trama_is_utf8_(part.body)) trama_field_bytes_(w, "base64", part.body);
  else if (part.body.size) trama_field_text_(w, "text", part.body);
  trama_write_object_end(w);
}

TRAMA_FN_ bool trama_http_send(trama_http_request *request, trama_http_response *response, trama_error *error) {
  trama_writer w = {};
  trama_write_object(&w);
  if (request->method) trama_field_text_(&w, "method", trama_str(request->method));
  trama_field_text_(&w, "url", request->url);
  bool json = request->json_ && !request->typed_;
  if (request->headers_.text.size || json) {
    trama_write_key(&w, "headers");
    trama_write_object(&w);
    trama_append(&w, request->headers_.text);
    if (json) trama_field_text_(&w, "Content-Type", trama_str("application/json"));
    trama_write_object_end(&w);
  }
  if (request->parts_.text.size) {
    trama_write_key(&w, "parts");
    trama_write_array(&w);
    trama_append(&w, request->parts_.text);
    trama_write_array_end(&w);
  } else if (request->body_blob.size) trama_field_text_(&w, "body_blob", request->body_blob);
  else if (!trama_is_utf8_(request->body)) trama_field_bytes_(&w, "body_base64", request->body);
  else if (request->body.size) trama_field_text_(&w, "body", request->body);
  if (request->response_blob) trama_field_text_(&w, "response", trama_str("blob"));
  if (request->ws_security.envelope) {
    trama_write_key(&w, "ws_security");
    trama_write_object(&w);
    trama_write_key(&w, "at");
    trama_write_int(&w, (int64_t)request->ws_security.at);
    trama_write_key(&w, "no_header");
    trama_write_bool(&w, request->ws_security.no_header);
    trama_field_text_(&w, "envelope", trama_str(request->ws_security.envelope));
    trama_write_object_end(&w);
  }
  if (request->timeout_millis) {
    trama_write_key(&w, "timeout_millis");
    trama_write_int(&w, request->timeout_millis);
  }
  trama_write_object_end(&w);
  trama_json answer;
  if (!trama_ask_(trama_import_http_send, w.text, &answer, error)) return false;
  trama_http_response r = {};
  int64_t status = 0;
  trama_json_int(trama_json_get(answer, "status"), &status);
  r.status = (int)status;
  r.headers = trama_json_get(answer, "headers");
  r.blob = trama_json_get(answer, "blob");
  if (!trama_json_string(trama_json_get(answer, "body"), &r.body) &&
      !trama_answer_bytes_(answer, "body_base64", &r.body, error))
    return false;
  *response = r;
  return true;
}

TRAMA_FN_ trama_text trama_http_answer(const trama_http_response *response, const char *name) {
  return trama_json_text(trama_json_get(response->headers, name));
}

TRAMA_FN_ bool trama_http_may_retry(int status) { return status == 429 || (status >= 502 && status <= 504); }

TRAMA_FN_ int64_t trama_http_retry_after(const trama_http_response *response) {
  int64_t seconds = 0;
  trama_text t = trama_http_answer(response, "retry-after");
  return trama_text_int(t, &seconds) && seconds > 0 && seconds <= INT32_MAX ? seconds * 1000 : 0;
}

TRAMA_FN_ int32_t trama_http_fail(const trama_http_response *response) {
  trama_error e = {};
  e.code = trama_str("http_status");
  e.message = trama_format("the service answered %d", response->status);
  e.retryable = trama_http_may_retry(response->status);
  if (e.retryable) e.retry_after_millis = trama_http_retry_after(response);
  return trama_fail_with(&e);
}

TRAMA_FN_ bool trama_secret_ref(const char *name, trama_text *handle, trama_error *error) {
  trama_writer w = {};
  trama_json answer;
  trama_write_object(&w);
  trama_field_text_(&w, "name", trama_str(name));
  trama_write_object_end(&w);
  if (!trama_ask_(trama_import_secret_ref, w.text, &answer, error)) return false;
  *handle = trama_json_text(trama_json_get(answer, "handle"));
  return true;
}

TRAMA_FN_ trama_writer trama_signing_(const char *key, const char *algorithm, trama_text data) {
  trama_writer w = {};
  trama_write_object(&w);
  trama_field_text_(&w, "key", trama_str(key));
  trama_field_text_(&w, "algorithm", trama_str(algorithm));
  trama_field_bytes_(&w, "data", data);
  return w;
}

TRAMA_FN_ bool trama_sign(const char *key, const char *algorithm, trama_text data, trama_text *signature,
                          trama_error *error) {
  trama_writer w = trama_signing_(key, algorithm, data);
  trama_json answer;
  trama_write_object_end(&w);
  return trama_ask_(trama_import_sign, w.text, &answer, error) &&
         trama_answer_bytes_(answer, "signature", signature, error);
}

TRAMA_FN_ bool trama_verify(const char *key, const char *algorithm, trama_text data, trama_text signature, bool *valid,
                            trama_error *error) {
  trama_writer w = trama_signing_(key, algorithm, data);
  trama_json answer;
  trama_field_bytes_(&w, "signature", signature);
  trama_write_object_end(&w);
  *valid = false;
  if (!trama_ask_(trama_import_verify, w.text, &answer, error)) return false;
  trama_json_bool(trama_json_get(answer, "valid"), valid);
  return true;
}

TRAMA_FN_ bool trama_kv_get(trama_text key, trama_text *value, bool *found, trama_error *error) {
  trama_writer w = {};
  trama_json answer;
  trama_write_object(&w);
  trama_field_text_(&w, "key", key);
  trama_write_object_end(&w);
  *found = false;
  *value = trama_str("");
  if (!trama_ask_(trama_import_kv_get, w.text, &answer, error)) return false;
  trama_json_bool(trama_json_get(answer, "found"), found);
  return !*found || trama_answer_bytes_(answer, "value", value, error);
}

TRAMA_FN_ bool trama_kv_set(trama_text key, trama_text value, trama_error *error) {
  trama_writer w = {};
  trama_json answer;
  trama_write_object(&w);
  trama_field_text_(&w, "key", key);
  trama_field_bytes_(&w, "value", value);
  trama_write_object_end(&w);
  return trama_ask_(trama_import_kv_set, w.text, &answer, error);
}

TRAMA_FN_ bool trama_kv_delete(trama_text key, trama_error *error) {
  trama_writer w = {};
  trama_json answer;
  trama_write_object(&w);
  trama_field_text_(&w, "key", key);
  trama_write_object_end(&w);
  return trama_ask_(trama_import_kv_delete, w.text, &answer, error);
}

TRAMA_FN_ bool trama_kv_list(trama_text prefix, trama_text after, int limit, trama_json *keys, bool *more,
                             trama_error *error) {
  trama_writer w = {};
  trama_json answer;
  trama_write_object(&w);
  trama_field_text_(&w, "prefix", prefix);
  trama_field_text_(&w, "after", after);
  trama_write_key(&w, "limit");
  trama_write_int(&w, limit);
  trama_write_object_end(&w);
  *more = false;
  if (!trama_ask_(trama_import_kv_list, w.text, &answer, error)) return false;
  *keys = trama_json_get(answer, "keys");
  trama_json_bool(trama_json_get(answer, "more"), more);
  return true;
}

TRAMA_FN_ bool trama_effect_id(trama_text *id, trama_error *error) {
  trama_text none = {};
  trama_json answer;
  if (!trama_ask_(trama_import_effect_id, none, &answer, error)) return false;
  *id = trama_json_text(trama_json_get(answer, "id"));
  return true;
}

TRAMA_FN_ bool trama_deadline(int64_t *unix_millis, trama_error *error) {
  trama_text none = {};
  trama_json answer;
  *unix_millis = 0;
  if (!trama_ask_(trama_import_deadline, none, &answer, error)) return false;
  trama_json_int(trama_json_get(answer, "unix_millis"), unix_millis);
  return true;
}

TRAMA_IMPORT_("wasi_snapshot_preview1", clock_time_get) uint32_t trama_import_clock_time_get(uint32_t clock, uint64_t precision, uint64_t *nanos);

TRAMA_FN_ int64_t trama_now(void) {
  uint64_t nanos = 0;
  if (trama_import_clock_time_get(0, 1000000, &nanos)) trama_panic("the host has no clock");
  return (int64_t)(nanos / 1000000);
}

TRAMA_FN_ bool trama_random(void *bytes, size_t size, trama_error *error) {
  trama_writer w = {};
  trama_text came;
  trama_json answer;
  trama_write_object(&w);
  trama_write_key(&w, "n");
  trama_write_int(&w, (int64_t)size);
  trama_write_object_end(&w);
  if (!trama_ask_(trama_import_random, w.text, &answer, error) || !trama_answer_bytes_(answer, "bytes", &came, error)) return false;
  if (came.size != size) return trama_refused_(error, "error", trama_str("reply of the host: random: another number of bytes"));
  trama_copy_(bytes, came.data, size);
  return true;
}

#endif /* TRAMA_H */
