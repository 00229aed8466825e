// The connector that is written in each language with a PDK; ../../suite says
// what it must do.
import { PluginError, abort, config, deadline, effectId, http, kv, log, mayRetry, random, raw, retryAfterMillis, secretRef, sign, verify } from "trama";

export const echo = raw((input) => input);

function whole(value, path) {
  if (!Number.isInteger(value)) throw new PluginError("invalid", `${path}: want a whole number`);
  return value;
}

export function total(input) {
  const items = input?.items;
  if (!Array.isArray(items)) throw new PluginError("invalid", "items: want a list");
  let total = 0;
  items.forEach((item, i) => {
    total += whole(item?.price, `items[${i}].price`) * whole(item?.quantity, `items[${i}].quantity`);
  });
  return { total, items: items.length };
}

export function fetch({ name }) {
  const response = http({ url: "/contacts", json: { name }, headers: { "idempotency-key": effectId() } });
  const { status } = response;
  if (status === 404) throw new PluginError("not_found", `no contact ${name}`);
  if (!response.ok) {
    throw new PluginError("http_status", `status ${status}`, {
      retryable: mayRetry(status),
      retryAfterMillis: retryAfterMillis(response),
    });
  }
  return { status, id: response.json().id };
}

export function count({ key, forget, list }) {
  if (list !== undefined) return { keys: kv.list(list).keys };
  if (forget) {
    kv.delete(key);
    return { n: 0 };
  }
  const n = Number(kv.get(key) ?? 0) + 1;
  kv.set(key, String(n));
  return { n };
}

function signText({ text, signature }) {
  if (signature === undefined) return { signature: sign("suite", "HS256", text).toHex() };
  return { valid: verify("suite", "HS256", text, Uint8Array.fromHex(signature)) };
}
export { signText as sign };

export function settings({ key }) {
  log.info(`config ${key}`);
  log.warn(`config ${key}`);
  return { value: config(key) ?? null };
}

export function secret() {
  const { status } = http({ url: "/me", headers: { authorization: "Bearer " + secretRef("token") } });
  return { status };
}

export function clock() {
  const [a, b] = [random(16), random(16)];
  const differ = a.some((byte, i) => byte !== b[i]);
  return { random: differ ? a.length : 0, deadline: deadline() > new Date() };
}

export function fail({ how }) {
  switch (how) {
    case "plain":
      throw "plain failure";
    case "coded":
      throw new PluginError("teapot", "I'm a teapot", { retryable: true, retryAfterMillis: 1500, detail: { short: "stout" } });
    case "panic":
      throw new Error("oh no");
    case "trap":
      abort();
    case "silent":
      throw undefined;
  }
}
