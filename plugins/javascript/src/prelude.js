// prelude.js makes the globals that a script sees beside ECMAScript's own, and
// the two functions with which plugin.c ends a call. It is compiled at build
// time and run once, before any script; what it takes from the globals here
// stays as it was whatever a script does to them.
//
// host.call(name, text) calls a function of trama:host/v1 and gives its reply,
// host.random(n) gives n random bytes, host.library(name) runs a library. What
// this engine and that of plugins share is in globals.js, put in by build.sh.
(function (host) {
  "use strict";
  const { parse, stringify } = JSON;
  const { defineProperty, entries, keys } = Object;
  const InternalError = globalThis.InternalError;
  const script = /script\.js:(\d+):(\d+)/;

  function global(name, value) {
    defineProperty(globalThis, name, { value, writable: true, configurable: true });
  }

  // ---- libraries: run when a script first touches them

  function library(file, ...names) {
    function get() {
      // A library may look for its own name while it is running.
      for (const name of names) global(name, undefined);
      const exports = host.library(file);
      for (const name of names) global(name, exports);
      return exports;
    }
    for (const name of names) {
      defineProperty(globalThis, name, { configurable: true, get, set: (value) => global(name, value) });
    }
  }
  library("lodash", "_", "lodash");
  library("dayjs", "dayjs");

  // ---- http

  const requestFields = ["url", "method", "headers", "json", "body", "body_base64", "timeout_millis"];

  function http(request) {
    if (typeof request === "string") request = { url: request };
    if (request === null || typeof request !== "object") {
      throw new TypeError(`http() takes a URL or an object with ${requestFields.join(", ")}`);
    }
    for (const key of keys(request)) {
      if (!requestFields.includes(key)) {
        throw new TypeError(`http() has no field "${key}"; it takes ${requestFields.join(", ")}`);
      }
    }
    const { url = "", headers = {}, json, body, body_base64, timeout_millis } = request;
    const bodies = [json, body, body_base64].filter((b) => b !== undefined).length;
    if (bodies > 1) throw new TypeError("http() takes one of json, body and body_base64");
    if (body !== undefined && typeof body !== "string") {
      throw new TypeError("http(): body must be a string; put a value into json to send it as JSON");
    }
    const sent = {
      method: String(request.method ?? (bodies ? "POST" : "GET")).toUpperCase(),
      url: String(url),
      headers: {},
      body,
      body_base64,
      timeout_millis,
    };
    for (const [name, value] of entries(headers)) sent.headers[name] = String(value);
    if (json !== undefined) {
      sent.body = stringify(json);
      if (!keys(headers).some((name) => name.toLowerCase() === "content-type")) {
        sent.headers["Content-Type"] = "application/json";
      }
    }
    const reply = parse(host.call("http_send", stringify(sent)));
    if (reply.error) throw hostError(reply.error);
    return response(reply.ok);
  }

  function response({ status, headers = {}, body = "", body_base64 }) {
    if (body_base64) return { status, headers, body: null, body_base64 };
    if (/^application\/([^;]*\+)?json\s*(;|$)/i.test(headers["content-type"] ?? "")) {
      try {
        body = parse(body);
      } catch {
        // Not the JSON that its header claims: the script sees the text.
      }
    }
    return { status, headers, body };
  }

  function hostError({ code, message, retryable = false, retry_after_millis, detail }) {
    const error = new Error(message);
    for (const [name, value] of entries({ code, retryable, retry_after_millis, detail })) {
      if (value !== undefined) defineProperty(error, name, { value, writable: true, configurable: true });
    }
    return error;
  }

  global("http", http);

  // ---- console: every level is one line of the trace

  function text(value) {
    if (typeof value === "string") return value;
    if (value instanceof Error) return String(value);
    if (typeof value === "object" && value !== null) {
      try {
        return stringify(value);
      } catch {
        return String(value); // a cycle or a BigInt inside
      }
    }
    return String(value);
  }

  const console = {};
  for (const [name, level] of entries({ log: "info", info: "info", warn: "warn", error: "error", debug: "debug" })) {
    console[name] = function (...values) {
      // The reply is not looked at: a full trace must not fail a script, and
      // the host marks in the trace where it stopped.
      host.call("log", stringify({ level, text: values.map(text).join(" ") }));
    };
  }
  global("console", console);

  // @include globals.js

  // report gives the JSON of the abi.Error for something thrown. lines is the
  // number of lines of the script: a syntax error at its end is found behind it.
  function report(kind, thrown, lines, refused) {
    const error = { code: kind, message: "" };
    const detail = {};
    if (refused && (thrown === null || (thrown instanceof InternalError && thrown.message === "out of memory"))) {
      error.code = "script_memory";
      error.message = "the script ran out of memory; keep less at a time, or give the plugin more in its line of grants.yaml, such as limits: {memory: 128MiB}";
    } else if (thrown instanceof Error) {
      const { name, message } = thrown;
      error.message = name === "Error" && message ? String(message) : String(thrown);
    } else if (thrown !== null && typeof thrown === "object") {
      try {
        detail.value = parse(stringify(thrown) ?? "null");
      } catch {
        detail.value = String(thrown);
      }
      error.message = typeof thrown.message === "string" ? thrown.message : stringify(detail.value);
    } else {
      error.message = String(thrown);
    }
    if (thrown instanceof Error && typeof thrown.stack === "string") {
      const place = script.exec(thrown.stack);
      if (place) {
        detail.line = Math.min(Number(place[1]), lines);
        // Behind the end of the script there is no column to point at.
        if (detail.line === Number(place[1])) detail.column = Number(place[2]);
      }
      if (kind !== "script_syntax") detail.stack = thrown.stack.trimEnd().replaceAll("<null>:0:1", "built in");
    }
    // A script, or the host through http(), may say more with these fields.
    if (kind === "script_error" && thrown !== null && typeof thrown === "object") {
      const { code, retryable, retry_after_millis, detail: cause } = thrown;
      if (typeof code === "string" && /^[a-z][a-z0-9_]*$/.test(code)) error.code = code;
      if (retryable === true) error.retryable = true;
      if (Number.isSafeInteger(retry_after_millis) && retry_after_millis > 0) error.retry_after_millis = retry_after_millis;
      if (thrown instanceof Error && cause !== undefined) detail.cause = cause;
    }
    if (keys(detail).length > 0) error.detail = detail;
    return stringify(error);
  }

  return { result, report };
});
