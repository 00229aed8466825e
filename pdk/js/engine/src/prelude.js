// prelude.js makes the globals that a program sees beside ECMAScript's own, and
// the functions with which plugin.c binds a program and ends a call. It is
// compiled when the engine is built; what it takes from the globals here stays
// as it was whatever a program does to them.
//
// host is what plugin.c has of the outside. What this engine and that of
// scripts share is in globals.js, put in by build.sh.
(function (host) {
  "use strict";
  const { stringify } = JSON;
  const { defineProperty, entries } = Object;
  const InternalError = globalThis.InternalError;

  function global(name, value) {
    defineProperty(globalThis, name, { value, writable: true, configurable: true });
  }

  // ---- console: every level is one line of the log

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
    console[name] = (...values) => host.log(level, values.map(text).join(" "));
  }
  global("console", console);

  // ---- text and bytes, as far as UTF-8

  global(
    "TextEncoder",
    class TextEncoder {
      get encoding() {
        return "utf-8";
      }
      encode(text = "") {
        return host.encode(text);
      }
    },
  );
  global(
    "TextDecoder",
    class TextDecoder {
      constructor(label = "utf-8") {
        if (!/^utf-?8$/i.test(label)) throw new RangeError(`TextDecoder knows utf-8 alone, not ${label}`);
      }
      get encoding() {
        return "utf-8";
      }
      decode(source = new Uint8Array()) {
        const view = ArrayBuffer.isView(source);
        const bytes = view ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength) : new Uint8Array(source);
        return host.decode(bytes).replace(/^\uFEFF/, "");
      }
    },
  );

  // @include globals.js

  // output gives the text of what an operation returned.
  function output(value, raw) {
    if (raw && value === undefined) return "";
    if (raw && typeof value === "string") return value;
    if (raw) throw new TypeError("a raw operation returns a Uint8Array, a text or nothing");
    try {
      return result(value);
    } finally {
      ended = false;
    }
  }

  // ---- the program

  // bind gives what plugin.c calls for each operation.
  function bind(exports, program) {
    places = program.places;
    return program.operations.map((name) => {
      const call = exports[name];
      if (typeof call !== "function") {
        throw new TypeError(`the manifest has ${name}, but the program exports ${call === undefined ? "nothing" : "no function"} of that name`);
      }
      return { call, raw: call["trama:raw"] === true };
    });
  }

  // ---- places: from the bundle to the author's files

  // places has the files, sources, and in mappings a part for each line of the
  // bundle, each ended by a semicolon: segments as in a source map (ECMA-426),
  // whose numbers count from zero in each line, so that one line can be read
  // alone.
  let places;

  function vlq(text) {
    const numbers = [];
    let value = 0;
    let shift = 0;
    for (const c of text) {
      const digit = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".indexOf(c);
      value += (digit & 31) << shift;
      shift += 5;
      if (digit & 32) continue;
      numbers.push(value & 1 ? -(value >> 1) : value >> 1);
      value = shift = 0;
    }
    return numbers;
  }

  // place gives where the author wrote what stands at a line and column of the
  // bundle, both counted from 1.
  function place(line, column) {
    const { sources, mappings } = places;
    let start = 0;
    while (--line > 0) start = mappings.indexOf(";", start) + 1;
    const part = mappings.slice(start, mappings.indexOf(";", start));
    if (part === "") return undefined;
    const at = [0, 0, 0, 0];
    let found;
    for (const segment of part.split(",")) {
      vlq(segment).forEach((n, i) => (at[i] += n));
      if (found && at[0] >= column) break;
      found = { file: sources[at[1]], line: at[2] + 1, column: at[3] + 1 };
    }
    return found;
  }

  // trace gives a stack with the author's places, and the first of them.
  function trace(stack) {
    let first;
    const named = stack.trimEnd().replace(/bundle\.js:(\d+):(\d+)/g, (written, line, column) => {
      const found = place(Number(line), Number(column));
      if (!found) return written;
      if (!found.file.startsWith("trama:")) first ??= found;
      return `${found.file}:${found.line}:${found.column}`;
    });
    return { ...first, stack: named };
  }

  // ---- errors

  // brief gives what is sent of a message: one that quotes what was given may be
  // longer than a host takes.
  const brief = (message) => (message.length > 4096 ? `${message.slice(0, 4096).toWellFormed()}...` : message);

  // report gives what error_set gets for something thrown: the JSON of an
  // abi.Error, the text that was thrown, or undefined for nothing. cause is
  // "input" or "output" where that could not be read or written, and the
  // program if it could not be loaded.
  function report(thrown, refused, cause) {
    if (typeof cause === "object") places = cause.places;
    if (refused && (thrown === null || (thrown instanceof InternalError && thrown.message === "out of memory"))) {
      return stringify({
        code: "limit",
        message: 'the plugin ran out of memory; ask for more in the manifest, such as "limits": {"memory_bytes": 134217728}',
      });
    }
    if (cause === "input") return stringify({ code: "invalid", message: brief(`input: ${thrown.message}`) });
    if (cause === "output") return stringify({ code: "bad_output", message: brief(`output: ${thrown.message}`) });
    if (thrown === undefined) return thrown;
    if (typeof thrown === "string") return brief(thrown);
    if (typeof thrown === "object" && thrown !== null) {
      const { code, message, retryable, retryAfterMillis, retry_after_millis = retryAfterMillis, detail } = thrown;
      if (typeof code === "string" && /^[a-z][a-z0-9_]*$/.test(code)) {
        const wait = Number.isSafeInteger(retry_after_millis) && retry_after_millis > 0;
        return stringify({
          code,
          message: brief(String(message ?? "")),
          retryable: retryable === true || undefined,
          retry_after_millis: wait ? retry_after_millis : undefined,
          detail,
        });
      }
    }
    if (!(thrown instanceof Error)) return stringify({ code: "error", message: brief(text(thrown)) });
    const { name, message, stack } = thrown;
    const title = brief(name === "Error" && message ? String(message) : String(thrown));
    if (typeof stack !== "string" || !places) return stringify({ code: "error", message: title });
    const detail = trace(stack);
    const { file, line, column } = detail;
    return stringify({ code: "error", message: file ? `${title} (${file}:${line}:${column})` : title, detail });
  }

  return { bind, result: output, report };
});
