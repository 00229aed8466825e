/**
 * What reaches outside of the plugin. Each function of Trama's own makes the
 * module import it, and so need a Trama host; what the host refuses comes back
 * as a Failure with the host's code. config and log are Extism's, and work in
 * every host that speaks it.
 */
import { base64Decode, base64Encode } from "./encoding";
import { Failure, Result } from "./failure";
import { parse } from "./parse";
import { clockMillis, readConfig, requestBlock, storeText, takeReply } from "./sys";
import { Value } from "./value";
import { Writer } from "./writer";

// @ts-ignore: decorator
@external("trama:host/v1", "secret_ref")
declare function host_secret_ref(request: u64): u64;
// @ts-ignore: decorator
@external("trama:host/v1", "sign")
declare function host_sign(request: u64): u64;
// @ts-ignore: decorator
@external("trama:host/v1", "verify")
declare function host_verify(request: u64): u64;
// @ts-ignore: decorator
@external("trama:host/v1", "effect_id")
declare function host_effect_id(request: u64): u64;
// @ts-ignore: decorator
@external("trama:host/v1", "deadline")
declare function host_deadline(request: u64): u64;
// @ts-ignore: decorator
@external("trama:host/v1", "random")
declare function host_random(request: u64): u64;
// @ts-ignore: decorator
@external("trama:host/v1", "kv_get")
declare function host_kv_get(request: u64): u64;
// @ts-ignore: decorator
@external("trama:host/v1", "kv_set")
declare function host_kv_set(request: u64): u64;
// @ts-ignore: decorator
@external("trama:host/v1", "kv_delete")
declare function host_kv_delete(request: u64): u64;
// @ts-ignore: decorator
@external("trama:host/v1", "kv_list")
declare function host_kv_list(request: u64): u64;
// @ts-ignore: decorator
@external("extism:host/env", "log_debug")
declare function log_debug(text: u64): void;
// @ts-ignore: decorator
@external("extism:host/env", "log_info")
declare function log_info(text: u64): void;
// @ts-ignore: decorator
@external("extism:host/env", "log_warn")
declare function log_warn(text: u64): void;
// @ts-ignore: decorator
@external("extism:host/env", "log_error")
declare function log_error(text: u64): void;

/** A setting that the host has for this plugin, or null. */
export function config(key: string): string | null {
  return readConfig(key);
}

/**
 * A handle that stands for the named secret in the requests of this call, at
 * the places that the manifest declares.
 */
export function secretRef(name: string): Result<string> {
  return textField(answer(host_secret_ref(request(Value.object().set("name", name)))), "handle");
}

/**
 * The id of the effect that this call performs. It is the same when the host
 * repeats the call: an idempotency key.
 */
export function effectID(): Result<string> {
  return textField(answer(host_effect_id(0)), "id");
}

/** The instant at which the host stops the call, in milliseconds since the Unix epoch. */
export function deadline(): Result<i64> {
  const reply = answer(host_deadline(0));
  if (!reply.ok) return Result.failed<i64>(reply.failure);
  return Result.of<i64>(reply.value.get("unix_millis").int);
}

/** The time of the host's clock, in milliseconds since the Unix epoch, by WASI. */
export function now(): i64 {
  return clockMillis();
}

/**
 * n bytes, at most 4096, from the host's cryptographic source. Math.random
 * needs an import that hosts refuse, and would repeat itself in each call.
 */
export function random(n: i32): Result<Uint8Array> {
  return bytesField(answer(host_random(request(Value.object().set("n", n)))), "bytes");
}

/**
 * Signs data with a key that stays in the host; algorithm is HS256, HS384, HS512, RS256, RS384, RS512,
 * PS256, PS384, PS512, ES256, ES384, ES512 or EdDSA, whichever the key serves.
 */
export function sign(key: string, algorithm: string, data: Uint8Array): Result<Uint8Array> {
  const asked = Value.object().set("key", key).set("algorithm", algorithm).set("data", base64Encode(data));
  return bytesField(answer(host_sign(request(asked))), "signature");
}

/** Checks a signature with a key that stays in the host. */
export function verify(key: string, algorithm: string, data: Uint8Array, signature: Uint8Array): Result<bool> {
  const asked = Value.object().set("key", key).set("algorithm", algorithm)
    .set("data", base64Encode(data)).set("signature", base64Encode(signature));
  const reply = answer(host_verify(request(asked)));
  if (!reply.ok) return Result.failed<bool>(reply.failure);
  return Result.of<bool>(reply.value.get("valid").isTrue);
}

/** Lines for the run's trace. */
export namespace log {
  export function debug(text: string): void { log_debug(storeText(text)); }
  export function info(text: string): void { log_info(storeText(text)); }
  export function warn(text: string): void { log_warn(storeText(text)); }
  export function error(text: string): void { log_error(storeText(text)); }
}

/** Keys in ascending order of their bytes. */
export class Keys {
  /** more: there are others after them. */
  constructor(public keys: string[], public more: bool) {}
}

/**
 * The plugin's own memory of the contact whose message is worked on. A gateway
 * run has no contact, so all of it is refused there. What a call writes is
 * kept together with its result, and forgotten if it fails.
 */
export namespace kv {
  /** A value, or null if there is none. */
  export function get(key: string): Result<Uint8Array | null> {
    const reply = answer(host_kv_get(request(Value.object().set("key", key))));
    if (!reply.ok) return Result.failed<Uint8Array | null>(reply.failure);
    if (!reply.value.get("found").isTrue) return Result.of<Uint8Array | null>(null);
    const value = bytesField(reply, "value");
    if (!value.ok) return Result.failed<Uint8Array | null>(value.failure);
    return Result.of<Uint8Array | null>(value.value);
  }

  /** Writes a value of at most 1 MiB; true. A key has at most 256 bytes. */
  export function set(key: string, value: Uint8Array): Result<bool> {
    return done(answer(host_kv_set(request(Value.object().set("key", key).set("value", base64Encode(value))))));
  }

  /** Removes a value, if it is there; true. */
  export function remove(key: string): Result<bool> {
    return done(answer(host_kv_delete(request(Value.object().set("key", key)))));
  }

  /** Keys that begin with prefix, after the key after, at most limit of them (0: as many as the host gives). */
  export function list(prefix: string, after: string = "", limit: i32 = 0): Result<Keys> {
    const asked = Value.object().set("prefix", prefix).set("after", after).set("limit", limit);
    const reply = answer(host_kv_list(request(asked)));
    if (!reply.ok) return Result.failed<Keys>(reply.failure);
    const items = reply.value.get("keys").items;
    const keys: string[] = [];
    for (let i = 0; i < items.length; i++) keys.push(items[i].text);
    return Result.of<Keys>(new Keys(keys, reply.value.get("more").isTrue));
  }
}

/** The block of a request. */
export function request(value: Value): u64 {
  const writer = new Writer();
  value.write(writer);
  return requestBlock(writer.buffer, writer.length);
}

/** Takes a reply of the host apart. */
export function answer(block: u64): Result<Value> {
  const data = takeReply(block);
  const reply = parse(changetype<usize>(data), data.byteLength);
  if (!reply.ok) return Result.failed<Value>(new Failure("error", "reply of the host: " + reply.failure.message));
  const error = reply.value.get("error");
  if (!error.isNull) return Result.failed<Value>(Failure.fromWire(error));
  return Result.of<Value>(reply.value.get("ok"));
}

export function lacks(field: string): Failure {
  return new Failure("error", "reply of the host: it lacks " + field);
}

function done(reply: Result<Value>): Result<bool> {
  return reply.ok ? Result.of<bool>(true) : Result.failed<bool>(reply.failure);
}

function textField(reply: Result<Value>, field: string): Result<string> {
  if (!reply.ok) return Result.failed<string>(reply.failure);
  const value = reply.value.get(field);
  return value.isText ? Result.of<string>(value.text) : Result.failed<string>(lacks(field));
}

function bytesField(reply: Result<Value>, field: string): Result<Uint8Array> {
  if (!reply.ok) return Result.failed<Uint8Array>(reply.failure);
  const bytes = base64Decode(reply.value.get(field).text); // no bytes are null, as Go writes them
  return bytes === null ? Result.failed<Uint8Array>(lacks(field)) : Result.of<Uint8Array>(bytes);
}
