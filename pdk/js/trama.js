// trama.js is what a program gets by import "trama"; trama.d.ts documents it.
// The builder bundles it with the program and drops what is not used. A name
// "trama:host/v1/..." that is left in the bundle is a function that the plugin
// imports: so each stands in its own function here, and nowhere else.
import { host } from "trama:engine";

export class PluginError extends Error {
  constructor(code, message, { retryable = false, retryAfterMillis, detail } = {}) {
    super(message);
    if (!/^[a-z][a-z0-9_]*$/.test(code)) throw new TypeError(`PluginError: code "${code}": want a word in snake_case`);
    Object.assign(this, { code, retryable, retryAfterMillis, detail });
  }
  get name() {
    return "PluginError";
  }
}

// ask calls a function of trama:host/v1 and takes its reply apart.
function ask(name, request) {
  const { ok, error } = JSON.parse(host.call(name, request && JSON.stringify(request)));
  if (error) {
    const { code, message, retryable, retry_after_millis, detail } = error;
    throw new PluginError(code, message, { retryable, retryAfterMillis: retry_after_millis, detail });
  }
  return ok;
}

// bytes takes a text for its UTF-8.
function bytes(data) {
  if (typeof data === "string") return host.encode(data);
  if (data instanceof Uint8Array) return data;
  throw new TypeError("want a text or a Uint8Array");
}

const base64 = (data) => bytes(data).toBase64();

// ---- what any Extism host has

export function raw(operation) {
  return Object.defineProperty(operation, "trama:raw", { value: true });
}

export const config = (key) => host.config(key);

export const log = {
  debug: (text) => host.log("debug", text),
  info: (text) => host.log("info", text),
  warn: (text) => host.log("warn", text),
  error: (text) => host.log("error", text),
};

export const random = (n) => new Uint8Array(host.random(n));

export const abort = (message = "") => host.abort(message);

// ---- what a Trama host has

class HTTPResponse {
  #reply;
  constructor(reply) {
    this.#reply = reply;
    this.status = reply.status;
    this.headers = reply.headers ?? {};
    this.blob = reply.blob;
  }
  get ok() {
    return this.status >= 200 && this.status < 300;
  }
  text() {
    const { body = "", body_base64 } = this.#reply;
    return body_base64 ? host.decode(Uint8Array.fromBase64(body_base64)) : body;
  }
  json() {
    return JSON.parse(this.text());
  }
  bytes() {
    const { body = "", body_base64 } = this.#reply;
    return body_base64 ? Uint8Array.fromBase64(body_base64) : host.encode(body);
  }
}

export function http(request) {
  if (typeof request === "string") request = { url: request };
  const { url = "", method, json, body, bodyBlob, parts, response, wsSecurity, timeoutMillis, headers = {}, ...other } = request;
  const unknown = Object.keys(other);
  if (unknown.length > 0) {
    throw new TypeError(`http() has no field "${unknown[0]}"; it takes url, method, headers, json, body, bodyBlob, parts, response, wsSecurity, timeoutMillis`);
  }
  const bodies = [json, body, bodyBlob, parts].filter((b) => b !== undefined).length;
  if (bodies > 1) throw new TypeError("http() takes one of json, body, bodyBlob and parts");
  const sent = {
    method: (method ?? (bodies > 0 ? "POST" : "GET")).toUpperCase(),
    url,
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])),
    body_blob: bodyBlob,
    parts: parts?.map(({ body, ...part }) => ({ ...part, ...(typeof body === "string" ? { text: body } : body && { base64: base64(body) }) })),
    response,
    ws_security: wsSecurity && { at: wsSecurity.at, no_header: wsSecurity.noHeader, envelope: wsSecurity.envelope },
    timeout_millis: timeoutMillis,
  };
  if (json !== undefined) {
    sent.body = JSON.stringify(json);
    if (!Object.keys(headers).some((name) => name.toLowerCase() === "content-type")) {
      sent.headers["content-type"] = "application/json";
    }
  } else if (typeof body === "string") {
    sent.body = body;
  } else if (body !== undefined) {
    sent.body_base64 = base64(body);
  }
  return new HTTPResponse(ask("trama:host/v1/http_send", sent));
}

export const mayRetry = (status) => [429, 502, 503, 504].includes(status);

// Seconds alone, as in all PDKs: not the dates of RFC 9110, 10.2.3.
export function retryAfterMillis(response) {
  const value = response.headers["retry-after"]?.trim() ?? "";
  return /^\d{1,10}$/.test(value) && Number(value) <= 0x7fffffff ? Number(value) * 1000 || undefined : undefined;
}

export function statusError(response) {
  const retryable = mayRetry(response.status);
  return new PluginError("http_status", `the service answered ${response.status}`, {
    retryable,
    retryAfterMillis: retryable ? retryAfterMillis(response) : undefined,
  });
}

export const kv = {
  get(key) {
    const value = kv.getBytes(key);
    return value && host.decode(value);
  },
  getBytes(key) {
    const { found, value } = ask("trama:host/v1/kv_get", { key });
    return found ? Uint8Array.fromBase64(value ?? "") : undefined;
  },
  set: (key, value) => void ask("trama:host/v1/kv_set", { key, value: base64(value) }),
  delete: (key) => void ask("trama:host/v1/kv_delete", { key }),
  list(prefix = "", { after, limit } = {}) {
    const { keys, more = false } = ask("trama:host/v1/kv_list", { prefix, after, limit });
    return { keys: keys ?? [], more };
  },
};

export const secretRef = (name) => ask("trama:host/v1/secret_ref", { name }).handle;

export const sign = (key, algorithm, data) =>
  Uint8Array.fromBase64(ask("trama:host/v1/sign", { key, algorithm, data: base64(data) }).signature);

export const verify = (key, algorithm, data, signature) =>
  ask("trama:host/v1/verify", { key, algorithm, data: base64(data), signature: base64(signature) }).valid;

export const effectId = () => ask("trama:host/v1/effect_id").id;

export const deadline = () => new Date(ask("trama:host/v1/deadline").unix_millis);
