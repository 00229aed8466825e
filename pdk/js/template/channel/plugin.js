// The channel adapter {{.Name}}. manifest.json says what it is, and how the host
// checks its webhooks.
import { PluginError, http, statusError } from "trama";

// The address space of the service's contacts.
const scheme = "{{.Scheme}}";

/**
 * Gives a unit for each message, and says of one that it can't read what it
 * lacks; a webhook about something else has none. The host has checked the
 * signature and stored the request before; it takes a unit with a known id once.
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
  const unread = [];
  for (const [i, message] of list(webhook?.messages).entries()) {
    const { id, from, name, text } = message ?? {};
    if (isText(id) && isText(from) && isText(text)) {
      units.push({ id, from: { scheme, path: from }, name: isText(name) ? name : undefined, message: { type: "text", text } });
    } else {
      unread.push(`messages[${i}]: want id, from and text`);
    }
  }
  return unread.length > 0 ? { units, unread } : { units };
}

const list = (value) => (Array.isArray(value) ? value : []);
const isText = (value) => typeof value === "string" && value !== "";

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
  let id;
  try {
    id = answer.json()?.id;
  } catch {} // what is no JSON has no id
  if (!isText(id)) {
    throw new PluginError("bad_answer", `the service answered ${answer.status} without the id of the message`);
  }
  return { message_id: id };
}
