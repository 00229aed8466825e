// The channel adapter {{.Name}}. manifest.json says what it is, and how the host
// checks its webhooks.
import { PluginError, http, statusError } from "trama";
import type { Receive, Received, Send, Sent } from "trama";

// The address space of the service's contacts.
const scheme = "{{.Scheme}}";

// The body of a request that the service sends.
interface Webhook {
  messages: { id: string; from: string; name?: string; text: string }[];
}

// receive gives a unit for each message. The host has checked the signature and
// stored the request before; it takes a unit with a known id once.
export function receive({ body }: Receive): Received {
  let webhook: Webhook;
  try {
    webhook = JSON.parse(new TextDecoder().decode(Uint8Array.fromBase64(body)));
  } catch (err) {
    throw new PluginError("invalid", `webhook body: ${err}`);
  }
  return {
    units: webhook.messages.map(({ id, from, name, text }) => ({
      id,
      from: { scheme, path: from },
      name,
      message: { type: "text", text },
    })),
  };
}

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
  return { message_id: answer.json().id };
}
