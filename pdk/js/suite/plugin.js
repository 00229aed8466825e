// The connector that is written in each language with a PDK; ../../suite says
// what it must do.
import { PluginError, abort, config, deadline, effectId, http, kv, log, mayRetry, random, raw, retryAfterMillis, secretRef, sign, verify } from "trama";

export const echo = raw((input) => input);

function whole(value, path) {
  if (!Number.isSafeInteger(value)) throw new PluginError("invalid", `${path}: want a whole number`);
  return value;
}

function text(input, field) {
  const value = input?.[field];
  if (typeof value !== "string") throw new PluginError("invalid", `${field}: want a text`);
  return value;
}

function flag(input, field) {
  const value = input?.[field] ?? false;
  if (typeof value !== "boolean") throw new PluginError("invalid", `${field}: want true or false`);
  return value;
}

export function total(input) {
  const items = input?.items;
  if (!Array.isArray(items)) throw new PluginError("invalid", "items: want a list");
  let total = 0;
  items.forEach((item, i) => {
    const product = whole(item?.price, `items[${i}].price`) * whole(item?.quantity, `items[${i}].quantity`);
    total += product;
    if (!Number.isSafeInteger(product) || !Number.isSafeInteger(total)) {
      throw new PluginError("invalid", `items[${i}]: the total is beyond 9007199254740991`);
    }
  });
  return { total, items: items.length };
}

export function fetch(input) {
  const name = text(input, "name");
  const headers = { "idempotency-key": effectId() };
  if (input.type != null) headers["content-type"] = text(input, "type");
  const wsSecurity = flag(input, "secured") ? { at: 1, noHeader: true, envelope: "http://www.w3.org/2003/05/soap-envelope" } : undefined;
  const response = http({ url: "/contacts", json: { name }, headers, wsSecurity });
  const { status } = response;
  if (status === 404) throw new PluginError("not_found", `no contact ${name}`);
  if (status !== 200 && status !== 201) {
    throw new PluginError("http_status", `status ${status}`, {
      retryable: mayRetry(status),
      retryAfterMillis: retryAfterMillis(response),
    });
  }
  const { id } = response.json();
  if (typeof id !== "string") throw new PluginError("error", "the service's answer: id: want a text");
  return { status, id };
}

export function count(input) {
  if (input?.list != null) return { keys: kv.list(text(input, "list")).keys };
  const key = text(input, "key");
  if (flag(input, "forget")) {
    kv.delete(key);
    return { n: 0 };
  }
  const n = counted(kv.get(key) ?? "0", key) + 1;
  kv.set(key, String(n));
  return { n };
}

function counted(kept, key) {
  try {
    const n = JSON.parse(kept);
    if (Number.isSafeInteger(n) && n < Number.MAX_SAFE_INTEGER) return n;
  } catch {} // no JSON is no number
  throw new PluginError("invalid", `${key}: what is kept there is no number to add to`);
}

function signText(input) {
  const data = text(input, "text");
  const algorithm = input.algorithm ?? "HS256";
  if (algorithm !== "HS256" && algorithm !== "HS512") throw new PluginError("invalid", "algorithm: want HS256 or HS512");
  if (input.signature == null) return { signature: sign("suite", algorithm, data).toHex() };
  let signature;
  try {
    signature = Uint8Array.fromHex(text(input, "signature"));
  } catch {
    throw new PluginError("invalid", "signature: want hexadecimal digits");
  }
  return { valid: verify("suite", algorithm, data, signature) };
}
export { signText as sign };

export function settings(input) {
  const key = text(input, "key");
  log.info(`config ${key}`);
  log.warn(`config ${key}`);
  const value = config(key) ?? null;
  log.debug(value ?? "");
  return { value };
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

export function fail(input) {
  switch (text(input, "how")) {
    case "plain":
      throw "plain failure";
    case "coded":
      throw new PluginError("teapot", "I'm a teapot", { retryable: true, retryAfterMillis: 1500, detail: { short: "stout" } });
    case "panic":
      abort("oh no"); // an Error that is thrown is a failure like others
    case "trap":
      abort();
    case "silent":
      throw undefined;
    default:
      throw new PluginError("invalid", "how: want plain, coded, panic, trap or silent");
  }
}
