// The channel adapter {{.Name}}. manifest.json says what it is, and how the host
// checks its webhooks.
import { PluginError, http, statusError } from "trama";
import type { Receive, Received, Send, Sent, Unit } from "trama";

// The address space of the service's contacts.
const scheme = "{{.Scheme}}";

// The body of a request that the service sends.
interface Webhook {
  messages?: { id?: string; from?: string; name?: string; text?: string }[];
}

// receive gives a unit for each message, and says of one that it can't read what
// it lacks; a webhook about something else has none. The host has checked the
// signature and stored the request before; it takes a unit with a known id once.
export function receive({ body }: Receive): Received {
  let webhook: Webhook | null;
  try {
    webhook = JSON.parse(new TextDecoder().decode(Uint8Array.fromBase64(body)));
  } catch (err) {
    throw new PluginError("invalid", `webhook body: ${err}`);
  }
  const units: Unit[] = [];
  const unread: string[] = [];
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

// A service may send anything, whatever the types say.
const list = <T>(value: T[] | undefined): T[] => (Array.isArray(value) ? value : []);
const isText = (value: unknown): value is string => typeof value === "string" && value !== "";

// send sends one text. The effect's id is the same when the host has to repeat
// the call, so the service sends no second one.
export function send({ to, message, effect_id }: Send): Sent {
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
