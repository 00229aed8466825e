// The channel adapter {{.Name}}. manifest.json says what it is; trama plugin
// build puts that into the module. trama.h begins with its manual.
#include "trama.h"

// The address space of the service's contacts.
#define SCHEME "{{.Scheme}}"

// receive gives a unit for each message of a webhook, whose body is
// {"messages":[{"id","from","name","text"}]}, and says of one that it can't read
// what it lacks; a webhook about something else has none. The host has checked
// the signature and stored the request before; it takes a unit with a known id
// once.
TRAMA_EXPORT(receive) {
  trama_json input, webhook;
  trama_text body, why = trama_str("no base64");
  if (!trama_input_json(&input)) return 1;
  if (!trama_base64_decode(trama_json_text(trama_json_get(input, "body")), &body) ||
      !trama_json_parse(body, &webhook, &why))
    return trama_fail("invalid", "webhook body: %.*s", TRAMA_TEXT(why));

  trama_writer w = {}, unread = {};
  trama_write_object(&w);
  trama_write_key(&w, "units");
  trama_write_array(&w);
  trama_write_array(&unread);
  size_t lacking = 0;
  trama_json messages = trama_json_get(webhook, "messages");
  trama_json_iterator i = trama_json_each(messages);
  while (trama_json_kind_of(messages) == TRAMA_ARRAY && trama_json_next(&i)) {
    trama_text id = trama_json_text(trama_json_get(i.value, "id"));
    trama_text from = trama_json_text(trama_json_get(i.value, "from"));
    trama_text text = trama_json_text(trama_json_get(i.value, "text"));
    if (!id.size || !from.size || !text.size) {
      trama_write_text(&unread, trama_format("messages[%zu]: want id, from and text", i.index));
      lacking++;
      continue;
    }
    trama_write_object(&w);
    trama_write_key(&w, "id");
    trama_write_text(&w, id);
    trama_write_key(&w, "from");
    trama_write_object(&w);
    trama_write_key(&w, "scheme");
    trama_write_text(&w, trama_str(SCHEME));
    trama_write_key(&w, "path");
    trama_write_text(&w, from);
    trama_write_object_end(&w);
    trama_write_key(&w, "name");
    trama_write_text(&w, trama_json_text(trama_json_get(i.value, "name")));
    trama_write_key(&w, "message");
    trama_write_object(&w);
    trama_write_key(&w, "type");
    trama_write_text(&w, trama_str("text"));
    trama_write_key(&w, "text");
    trama_write_text(&w, text);
    trama_write_object_end(&w);
    trama_write_object_end(&w);
  }
  trama_write_array_end(&w);
  trama_write_array_end(&unread);
  if (lacking) {
    trama_write_key(&w, "unread");
    trama_write_json(&w, unread.text);
  }
  trama_write_object_end(&w);
  return trama_output(w.text);
}

// send sends one text. The effect's id is the same when the host has to repeat
// the call, so the service sends no second one.
TRAMA_EXPORT(send) {
  trama_json input;
  if (!trama_input_json(&input)) return 1;
  trama_text type = trama_json_text(trama_json_path(input, "message.type"));
  if (!trama_is(type, "text")) return trama_fail("unsupported", "%.*s: this channel sends text alone", TRAMA_TEXT(type));

  trama_writer body = {};
  trama_write_object(&body);
  trama_write_key(&body, "to");
  trama_write_text(&body, trama_json_text(trama_json_path(input, "to.path")));
  trama_write_key(&body, "text");
  trama_write_text(&body, trama_json_text(trama_json_path(input, "message.text")));
  trama_write_object_end(&body);

  // A path of the channel's connection, which adds the credentials.
  trama_http_request request = trama_http("POST", trama_str("/messages"));
  trama_http_header(&request, "Idempotency-Key", trama_json_text(trama_json_get(input, "effect_id")));
  trama_http_json(&request, body.text);
  trama_http_response answer;
  trama_error error;
  if (!trama_http_send(&request, &answer, &error)) return trama_fail_with(&error);
  if (answer.status != 200 && answer.status != 201) return trama_http_fail(&answer);

  trama_json sent;
  trama_text id = {};
  if (trama_json_parse(answer.body, &sent, NULL)) id = trama_json_text(trama_json_get(sent, "id"));
  if (!id.size) return trama_fail("bad_answer", "the service answered %d without the id of the message", answer.status);
  trama_writer w = {};
  trama_write_object(&w);
  trama_write_key(&w, "message_id");
  trama_write_text(&w, id);
  trama_write_object_end(&w);
  return trama_output(w.text);
}
