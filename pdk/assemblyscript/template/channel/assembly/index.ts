/**
 * The channel adapter {{.Name}}. manifest.json says what it is; trama plugin
 * build puts that into the module.
 */
import { Failure, Request, Value, base64Decode, fail, inputJSON, reply } from "trama-pdk";
export * from "trama-pdk/exports";

/** Names the address space of the service's contacts. */
const scheme = "{{.Scheme}}";

/**
 * Gives a unit for each message of a webhook. The host has checked the
 * signature and stored the request before; it takes a unit with a known id once.
 */
export function receive(): i32 {
  const input = inputJSON();
  if (!input.ok) return fail(input.failure);
  const bytes = base64Decode(input.value.get("body").text);
  if (bytes === null) return fail(new Failure("invalid", "body: want base64"));
  const body = Value.parse(bytes);
  if (!body.ok) return fail(new Failure("invalid", "webhook body: " + body.failure.message));

  const units = Value.array();
  const messages = body.value.get("messages");
  for (let i = 0; i < messages.length; i++) {
    const message = messages.at(i);
    units.push(Value.object()
      .set("id", message.get("id"))
      .set("from", Value.object().set("scheme", scheme).set("path", message.get("from")))
      .set("name", message.get("name"))
      .set("message", Value.object().set("type", "text").set("text", message.get("text"))));
  }
  return reply(Value.object().set("units", units));
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
  const made = response.json();
  if (!made.ok) return fail(made.failure);
  return reply(Value.object().set("message_id", made.value.get("id")));
}
