// The language {{.Name}}: texts with {words}. manifest.json says what it is;
// trama plugin build puts that into the module. trama.h begins with its manual.
#include "trama.h"

static bool in_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// run gives the code with each {word} replaced by the input's field of that
// name: a text as it is, any other value as JSON.
TRAMA_EXPORT(run) {
  trama_json call;
  if (!trama_input_json(&call)) return 1;
  trama_text code = trama_json_text(trama_json_get(call, "code"));
  trama_json input = trama_json_get(call, "input");
  if (trama_json_kind_of(input) != TRAMA_OBJECT) return trama_fail("invalid", "input: want an object");

  trama_writer text = {};
  for (size_t at = 0; at < code.size;) {
    trama_text word = {code.data + at + 1, 0};
    if (code.data[at] == '{')
      while (at + 1 + word.size < code.size && in_word(word.data[word.size])) word.size++;
    size_t end = at + 1 + word.size;
    if (word.size == 0 || end == code.size || code.data[end] != '}') { // no {word}
      trama_text plain = {code.data + at, 1};
      trama_append(&text, plain);
      at++;
      continue;
    }
    trama_json value = trama_json_field(input, word);
    trama_text as_text;
    if (value.size == 0) return trama_fail("invalid", "unknown word: %.*s", TRAMA_TEXT(word));
    trama_append(&text, trama_json_string(value, &as_text) ? as_text : trama_json_raw(value));
    at = end + 1;
  }
  trama_writer w = {};
  trama_write_text(&w, text.text);
  return trama_output(w.text);
}
