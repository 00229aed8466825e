  // globals.js is the part of a prelude that all engines around QuickJS-NG share;
  // build.sh puts it in. Around it stand host.random, global, stringify and
  // defineProperty.

  // ---- crypto: the two functions that scripts make ids and tokens with

  global("crypto", {
    getRandomValues(view) {
      if (!ArrayBuffer.isView(view) || view instanceof DataView || /^Float/.test(view[Symbol.toStringTag])) {
        throw new TypeError("crypto.getRandomValues() takes an integer typed array");
      }
      if (view.byteLength > 65536) throw new RangeError("crypto.getRandomValues() gives at most 65536 bytes");
      const bytes = new Uint8Array(host.random(view.byteLength));
      new Uint8Array(view.buffer, view.byteOffset, view.byteLength).set(bytes);
      return view;
    },
    randomUUID() {
      const b = new Uint8Array(host.random(16));
      b[6] = (b[6] & 0x0f) | 0x40; // version 4
      b[8] = (b[8] & 0x3f) | 0x80; // variant of RFC 9562
      const hex = Array.from(b, (x) => x.toString(16).padStart(2, "0")).join("");
      return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
    },
  });

  // ---- the end of a call

  // JSON.stringify leaves functions out and makes {} of promises, maps and
  // sets. In a result each is a mistake that would travel on in silence, so it
  // is refused, by the hook that JSON.stringify offers. Until the script has
  // ended the hooks change nothing: a script's own JSON.stringify behaves as
  // everywhere.
  let ended = false;

  function refuse(prototype, what, remedy) {
    defineProperty(prototype, "toJSON", {
      configurable: true,
      writable: true,
      value(key) {
        if (!ended) return this;
        throw new TypeError(`the result${key === "" ? "" : ` holds at "${key}" what`} is ${what}; ${remedy}`);
      },
    });
  }
  refuse(Function.prototype, "a function", "call it and return what it gives");
  refuse(Promise.prototype, "a promise", "await it");
  refuse(Map.prototype, "a Map", "return Object.fromEntries(map)");
  refuse(Set.prototype, "a Set", "return [...set]");
  refuse(BigInt.prototype, "a BigInt", "return Number(x) or String(x)");

  // result gives the JSON of what the script returned.
  function result(value) {
    ended = true;
    if (typeof value === "symbol") throw new TypeError("the result is a symbol; return a JSON value");
    return stringify(value) ?? "null";
  }
