// The plugin {{.Name}}. manifest.json says what it is; trama plugin build puts
// that into the module. trama.h begins with its manual.
#include "trama.h"

// has_name reads {"name":TEXT} and nothing else; otherwise it has set the error.
static bool has_name(trama_text *name) {
  trama_json input;
  static const char *const names[] = {"name", NULL};
  if (!trama_input_json(&input) || !trama_json_only(input, names)) return false;
  *name = trama_json_text(trama_json_get(input, "name"));
  if (name->size == 0) trama_fail("invalid", "name: want a text that is not empty");
  return name->size > 0;
}

// Each operation of the manifest is an export.

// {"name":TEXT} -> {"greeting":TEXT}
TRAMA_EXPORT(greet) {
  trama_text name;
  if (!has_name(&name)) return 1;
  trama_writer greeting = {}, w = {};
  trama_append(&greeting, trama_str("Hello, "));
  trama_append(&greeting, name); // whole: trama_format would end it at a U+0000
  trama_append(&greeting, trama_str("!"));
  trama_write_object(&w);
  trama_write_key(&w, "greeting");
  trama_write_text(&w, greeting.text);
  trama_write_object_end(&w);
  return trama_output(w.text);
}

// {"name":TEXT} -> {"id":ID}: makes a contact. The effect's id is the same when
// the host has to repeat the call, so the service makes no second one.
TRAMA_EXPORT(create) {
  trama_text name, effect;
  trama_error error;
  if (!has_name(&name)) return 1;
  if (!trama_effect_id(&effect, &error)) return trama_fail_with(&error);

  trama_writer body = {};
  trama_write_object(&body);
  trama_write_key(&body, "name");
  trama_write_text(&body, name);
  trama_write_object_end(&body);

  // A path of the node's connection, which adds the credentials.
  trama_http_request request = trama_http("POST", trama_str("/contacts"));
  trama_http_header(&request, "Idempotency-Key", effect);
  trama_http_json(&request, body.text);
  trama_http_response answer;
  if (!trama_http_send(&request, &answer, &error)) return trama_fail_with(&error);
  if (answer.status != 200 && answer.status != 201) return trama_http_fail(&answer);

  trama_json contact;
  trama_text id, why = trama_str("it has no id");
  if (!trama_json_parse(answer.body, &contact, &why) || !trama_json_string(trama_json_get(contact, "id"), &id) || id.size == 0)
    return trama_fail("error", "answer of the service: %.*s", TRAMA_TEXT(why));
  trama_writer w = {};
  trama_write_object(&w);
  trama_write_key(&w, "id");
  trama_write_text(&w, id);
  trama_write_object_end(&w);
  return trama_output(w.text);
}
