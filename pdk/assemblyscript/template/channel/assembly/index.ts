/**
 * The channel adapter {{.Name}}. manifest.json says what it is; trama plugin
 * build puts that into the module.
 */
import { Failure, Request, Value, base64Decode, fail, inputJSON, reply } from "trama-pdk";
export * from "trama-pdk/exports";

/** Names the address space of the service's contacts. */
const scheme = "{{.Scheme}}";

/**
 * Gives a unit for each message of a webhook, and says of one that it can't read
 * what it lacks; a webhook about something else has none. The host has checked
 * the signature and stored the request before; it takes a unit with a known id
 * once.
 */
export function receive(): i32 {
  const input = inputJSON();
  if (!input.ok) return fail(input.failure);
  const bytes = base64Decode(input.value.get("body").text);
  if (bytes === null) return fail(new Failure("invalid", "body: want base64"));
  const body = Value.parse(bytes);
  if (!body.ok) return fail(new Failure("invalid", "webhook body: " + body.failure.message));

  const units = Value.array(), unread = Value.array();
  const messages = body.value.get("messages");
  for (let i = 0; messages.isArray && i < messages.length; i++) {
    const message = messages.at(i);
    const id = message.get("id").text, from = message.get("from").text, text = message.get("text").text;
    if (id == "" || from == "" || text == "") {
      unread.push("messages[" + i.toString() + "]: want id, from and text");
      continue;
    }
    units.push(Value.object()
      .set("id", id)
      .set("from", Value.object().set("scheme", scheme).set("path", from))
      .set("name", message.get("name").text)
      .set("message", Value.object().set("type", "text").set("text", text)));
  }
  const received = Value.object().set("units", units);
  if (unread.length > 0) received.set("unread", unread);
  return reply(received);
}

/**
 * Sends one text. The effect's id is the same when the host has to repeat the
 * call, so the service sends no second one.
 */
export function send(): i32 {
  const input = inputJSON();
  if (!input.ok) return fail(input.failure);
  const message = input.value.get("message");
  const kind = message.get("type").text;
  if (kind != "text") return fail(new Failure("unsupported", kind + ": this channel sends text alone"));

  const sent = new Request("POST", "/messages") // of the channel's connection, which adds the credentials
    .header("Idempotency-Key", input.value.get("effect_id").text)
    .json(Value.object().set("to", input.value.get("to").get("path")).set("text", message.get("text")))
    .send();
  if (!sent.ok) return fail(sent.failure);
  const response = sent.value;
  if (response.status != 200 && response.status != 201) return fail(response.failure());
  const made = response.json(), id = made.ok ? made.value.get("id").text : "";
  if (id == "") return fail(new Failure("bad_answer", "the service answered " + response.status.toString() + " without the id of the message"));
  return reply(Value.object().set("message_id", id));
}
