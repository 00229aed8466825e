// The parsers and writers of trama.h as a program, for the Go test beside it.
// It reads questions and writes answers, each as a length (4 bytes, the lowest
// first) and so many bytes; a question starts with a letter that says of what.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../trama.h"

typedef struct block {
  struct block *next;
  void *data;
} block;

static block *blocks;

// Each piece of memory is a malloc of its own, so that the sanitizer sees what
// reads or writes past its end.
static void *take(size_t size) {
  block *b = malloc(sizeof *b);
  if (!b || !(b->data = malloc(size ? size : 1))) exit(3);
  b->next = blocks;
  blocks = b;
  return b->data;
}

void *trama_native_alloc(size_t size) { return take(size); }

static void give_back(void) {
  while (blocks) {
    block *b = blocks;
    blocks = b->next;
    free(b->data);
    free(b);
  }
}

void trama_panic_(const char *message, const char *file, int line) {
  fprintf(stderr, "%s:%d: %s\n", file, line, message);
  exit(4);
}

// again writes a value as its parts are read.
static void again(trama_writer *w, trama_json v) {
  trama_json_iterator i = trama_json_each(v);
  bool truth;
  int64_t whole;
  double number;
  trama_text text;
  switch (trama_json_kind_of(v)) {
  case TRAMA_NOTHING: trama_append(w, trama_str("nothing")); break;
  case TRAMA_NULL: trama_write_null(w); break;
  case TRAMA_BOOL:
    if (!trama_json_bool(v, &truth)) exit(5);
    trama_write_bool(w, truth);
    break;
  case TRAMA_NUMBER:
    if (trama_json_int(v, &whole)) trama_write_int(w, whole);
    else if (trama_json_double(v, &number)) trama_write_double(w, number);
    else trama_write_text(w, trama_str("out of range"));
    break;
  case TRAMA_STRING:
    if (!trama_json_string(v, &text)) exit(5);
    trama_write_text(w, text);
    break;
  case TRAMA_ARRAY:
    trama_write_array(w);
    while (trama_json_next(&i)) again(w, i.value);
    trama_write_array_end(w);
    break;
  case TRAMA_OBJECT:
    trama_write_object(w);
    while (trama_json_next(&i)) {
      trama_write_key_text(w, trama_json_text(i.name));
      again(w, i.value);
    }
    trama_write_object_end(w);
    break;
  }
}

static trama_text answer(char what, trama_text question) {
  trama_writer w = {};
  trama_json json = {};
  trama_text out = {}, why = {};
  double number;
  unsigned long long bits;
  switch (what) {
  case 'j': // JSON: written again
    if (!trama_json_parse(question, &json, &why)) return trama_format("fault: %.*s", TRAMA_TEXT(why));
    again(&w, json);
    return w.text;
  case 'p': { // a path, 0, JSON: what is there, as written
    size_t n = strlen(question.data);
    trama_text rest = {question.data + n + 1, question.size - n - 1};
    if (!trama_json_parse(rest, &json, &why)) return why;
    return trama_json_raw(trama_json_path(json, question.data));
  }
  case 'd': // a number: the bits of its double
    if (!trama_json_parse(question, &json, &why)) return why;
    if (!trama_json_double(json, &number)) return trama_str("out of range");
    memcpy(&bits, &number, 8);
    return trama_format("%llx", bits);
  case 'w': // a double's 8 bytes: written
    memcpy(&number, question.data, 8);
    trama_write_double(&w, number);
    return w.text;
  case 'e': return trama_base64_encode(question);
  case 'b': return trama_base64_decode(question, &out) ? out : trama_str("fault");
  case 'x': return trama_hex_encode(question);
  case 'h': return trama_hex_decode(question, &out) ? out : trama_str("fault");
  case 't': // text as a JSON string
    trama_write_text(&w, question);
    return w.text;
  case 'n': // what has no bytes, and no place either
    trama_write_array(&w);
    trama_write_text(&w, out);
    trama_write_json(&w, out);
    trama_append(&w, out);
    trama_write_text(&w, trama_base64_encode(out));
    trama_write_text(&w, trama_hex_encode(out));
    trama_write_bool(&w, trama_base64_decode(out, &why) && trama_hex_decode(out, &why) && trama_is_utf8_(out));
    trama_write_bool(&w, trama_json_parse(out, &json, NULL) || trama_json_string(json, &why) || trama_json_double(json, &number));
    trama_write_int(&w, (int64_t)trama_json_path(json, "a.0").size);
    trama_write_bool(&w, trama_is(out, "") && trama_equal(out, trama_str(NULL)));
    trama_write_array_end(&w);
    return w.text;
  case 'P': // less than the precision, and as much without a 0 at its end
    trama_append(&w, trama_format("%.*s|", 20, (char *)memcpy(take(4), "abc", 4)));
    trama_append(&w, trama_format("%.*s|%.*s|%.*s", 2, (char *)memcpy(take(2), "de", 2), 3, "f\0g", 0, out.data));
    return w.text;
  case 'f':
    return trama_format("%s|%.*s|%c|%d|%u|%x|%ld|%lu|%lld|%llu|%zu|%%", "ab", 1, "cd", 'e', -2147483647 - 1, 4294967295u,
                        0xbeefu, -5l, 5ul, (long long)INT64_MIN, (unsigned long long)UINT64_MAX, (size_t)7);
  }
  return trama_str("no such question");
}

int main(void) {
  unsigned char size[4];
  while (fread(size, 1, 4, stdin) == 4) {
    size_t n = size[0] | (size_t)size[1] << 8 | (size_t)size[2] << 16 | (size_t)size[3] << 24;
    char *data = take(n);
    if (fread(data, 1, n, stdin) != n) return 6;
    trama_text question = {take(n - 1), n - 1}, out;
    if (n > 1) memcpy((char *)question.data, data + 1, n - 1);
    out = answer(data[0], question);
    for (int i = 0; i < 4; i++) putchar((int)(out.size >> (8 * i) & 255));
    if ((out.size && fwrite(out.data, 1, out.size, stdout) != out.size) || fflush(stdout)) return 7;
    give_back();
  }
  return 0;
}
