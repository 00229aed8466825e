// The channel adapter {{.Name}}. manifest.json says what it is, and how the host
// checks its webhooks.
import { PluginError, http, statusError } from "trama";

// The address space of the service's contacts.
const scheme = "{{.Scheme}}";

/**
 * Gives a unit for each message. The host has checked the signature and stored
 * the request before; it takes a unit with a known id once.
 *
 * @param {import("trama").Receive} input
 * @returns {import("trama").Received}
 */
export function receive({ body }) {
  let webhook;
  try {
    webhook = JSON.parse(new TextDecoder().decode(Uint8Array.fromBase64(body)));
  } catch (err) {
    throw new PluginError("invalid", `webhook body: ${err}`);
  }
  const units = [];
  for (const { id, from, name, text } of webhook.messages) {
    units.push({ id, from: { scheme, path: from }, name, message: { type: "text", text } });
  }
  return { units };
}

/**
 * Sends one text. The effect's id is the same when the host has to repeat the
 * call, so the service sends no second one.
 *
 * @param {import("trama").Send} input
 * @returns {import("trama").Sent}
 */
export function send({ to, message, effect_id }) {
  if (message.type !== "text") {
    throw new PluginError("unsupported", `${message.type}: this channel sends text alone`);
  }
  const answer = http({
    url: "/messages", // of the channel's connection, which adds the credentials
    json: { to: to.path, text: message.text },
    headers: { "idempotency-key": effect_id },
  });
  if (answer.status !== 200 && answer.status !== 201) {
    throw statusError(answer);
  }
  return { message_id: answer.json().id };
}
