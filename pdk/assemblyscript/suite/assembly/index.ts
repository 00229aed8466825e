/**
 * The suite: one connector that uses the whole PDK, the same in every language.
 * What it does stands in the manifest and the cases that all of them share.
 */
import {
  Failure, Kind, Request, Value, config, deadline, effectID, fail as failed, hexDecode, hexEncode, input, inputJSON, kv, log,
  now, random, reply, replyBytes, secretRef, sign as signWith, utf8, verify,
} from "trama-pdk";
export * from "trama-pdk/exports";

/** What a float holds exactly, and so JSON in every language. */
const most: f64 = f64.MAX_SAFE_INTEGER;

function isWhole(n: f64): bool {
  return Math.abs(n) <= most && Math.floor(n) == n;
}

function lacksText(field: string): i32 {
  return failed(new Failure("invalid", field + ": want a text"));
}

export function echo(): i32 {
  return replyBytes(input());
}

export function total(): i32 {
  const order = inputJSON();
  if (!order.ok) return failed(order.failure);
  const list = order.value.get("items");
  if (!list.isArray) return failed(new Failure("invalid", "items: want a list"));
  let sum: f64 = 0;
  for (let i = 0; i < list.length; i++) {
    const price = list.at(i).get("price"), quantity = list.at(i).get("quantity");
    const lacking = !price.isNumber || !isWhole(price.float) ? "price" : !quantity.isNumber || !isWhole(quantity.float) ? "quantity" : "";
    if (lacking != "") return failed(new Failure("invalid", "items[" + i.toString() + "]." + lacking + ": want a whole number"));
    const product = price.float * quantity.float;
    sum += product;
    if (!isWhole(product) || !isWhole(sum)) return failed(new Failure("invalid", "items[" + i.toString() + "]: the total is beyond 9007199254740991"));
  }
  return reply(Value.object().set("total", <i64>sum).set("items", list.length));
}

export function fetch(): i32 {
  const asked = inputJSON();
  if (!asked.ok) return failed(asked.failure);
  if (!asked.value.get("name").isText) return lacksText("name");
  const name = asked.value.get("name").text;
  const effect = effectID();
  if (!effect.ok) return failed(effect.failure);
  const request = new Request("POST", "/contacts").header("idempotency-key", effect.value);
  const type = asked.value.get("type");
  if (!type.isNull && !type.isText) return lacksText("type");
  if (type.isText) request.header("content-type", type.text);
  const secured = asked.value.get("secured");
  if (!secured.isNull && secured.kind != Kind.Bool) return failed(new Failure("invalid", "secured: want true or false"));
  if (secured.isTrue) request.wsSecurity(1, false, "http://www.w3.org/2003/05/soap-envelope");
  const sent = request.json(Value.object().set("name", name)).send();
  if (!sent.ok) return failed(sent.failure);
  const response = sent.value;
  if (response.status == 200 || response.status == 201) {
    const made = response.json();
    if (!made.ok) return failed(made.failure);
    const id = made.value.get("id");
    if (!id.isText) return failed(new Failure("error", "the service's answer: id: want a text"));
    return reply(Value.object().set("status", response.status).set("id", id));
  }
  if (response.status == 404) return failed(new Failure("not_found", "no contact " + name));
  const failure = new Failure("http_status", "status " + response.status.toString());
  failure.retryable = response.mayRetry;
  failure.retryAfterMillis = response.retryAfterMillis;
  return failed(failure);
}

export function count(): i32 {
  const asked = inputJSON();
  if (!asked.ok) return failed(asked.failure);
  const prefix = asked.value.get("list");
  if (!prefix.isNull) {
    if (!prefix.isText) return lacksText("list");
    const found = kv.list(prefix.text);
    if (!found.ok) return failed(found.failure);
    const keys = Value.array();
    for (let i = 0; i < found.value.keys.length; i++) keys.push(found.value.keys[i]);
    return reply(Value.object().set("keys", keys));
  }
  if (!asked.value.get("key").isText) return lacksText("key");
  const key = asked.value.get("key").text, forget = asked.value.get("forget");
  if (!forget.isNull && forget.kind != Kind.Bool) return failed(new Failure("invalid", "forget: want true or false"));
  if (forget.isTrue) {
    const gone = kv.remove(key);
    return gone.ok ? reply(Value.object().set("n", 0)) : failed(gone.failure);
  }
  const before = kv.get(key);
  if (!before.ok) return failed(before.failure);
  const bytes = before.value;
  const counted = Value.parse(bytes === null ? utf8("0") : bytes);
  if (!counted.ok || !counted.value.isNumber || !isWhole(counted.value.float) || counted.value.float == most) {
    return failed(new Failure("invalid", key + ": what is kept there is no number to add to"));
  }
  const n = <i64>counted.value.float + 1;
  const kept = kv.set(key, utf8(n.toString()));
  return kept.ok ? reply(Value.object().set("n", n)) : failed(kept.failure);
}

export function sign(): i32 {
  const asked = inputJSON();
  if (!asked.ok) return failed(asked.failure);
  if (!asked.value.get("text").isText) return lacksText("text");
  const data = utf8(asked.value.get("text").text);
  const given = asked.value.get("algorithm"), algorithm = given.isNull ? "HS256" : given.text;
  if (algorithm != "HS256" && algorithm != "HS512") return failed(new Failure("invalid", "algorithm: want HS256 or HS512"));
  const hex = asked.value.get("signature");
  if (hex.isNull) {
    const signature = signWith("suite", algorithm, data);
    return signature.ok ? reply(Value.object().set("signature", hexEncode(signature.value))) : failed(signature.failure);
  }
  const bytes = hexDecode(hex.text);
  if (!hex.isText || bytes === null) return failed(new Failure("invalid", "signature: want hexadecimal digits"));
  const valid = verify("suite", algorithm, data, bytes);
  return valid.ok ? reply(Value.object().set("valid", valid.value)) : failed(valid.failure);
}

export function settings(): i32 {
  const asked = inputJSON();
  if (!asked.ok) return failed(asked.failure);
  if (!asked.value.get("key").isText) return lacksText("key");
  const key = asked.value.get("key").text;
  log.info("config " + key);
  log.warn("config " + key);
  const value = config(key);
  log.debug(value === null ? "" : value);
  return reply(Value.object().set("value", value));
}

export function secret(): i32 {
  const asked = inputJSON();
  if (!asked.ok) return failed(asked.failure);
  const token = secretRef("token");
  if (!token.ok) return failed(token.failure);
  const sent = new Request("GET", "/me").header("Authorization", "Bearer " + token.value).send();
  return sent.ok ? reply(Value.object().set("status", sent.value.status)) : failed(sent.failure);
}

export function clock(): i32 {
  const asked = inputJSON();
  if (!asked.ok) return failed(asked.failure);
  const one = random(16), other = random(16), until = deadline();
  if (!one.ok) return failed(one.failure);
  if (!other.ok) return failed(other.failure);
  if (!until.ok) return failed(until.failure);
  const same = hexEncode(one.value) == hexEncode(other.value);
  return reply(Value.object().set("random", same ? 0 : one.value.length).set("deadline", until.value > now()));
}

export function fail(): i32 {
  const asked = inputJSON();
  if (!asked.ok) return failed(asked.failure);
  const how = asked.value.get("how").text;
  if (how == "plain") return failed(new Failure("", "plain failure"));
  if (how == "coded") {
    const failure = new Failure("teapot", "I'm a teapot");
    failure.retryable = true;
    failure.retryAfterMillis = 1500;
    failure.detail = Value.object().set("short", "stout");
    return failed(failure);
  }
  if (how == "panic") throw new Error("oh no");
  if (how == "trap") unreachable();
  if (how == "silent") return 1;
  return failed(new Failure("invalid", "how: want plain, coded, panic, trap or silent"));
}
