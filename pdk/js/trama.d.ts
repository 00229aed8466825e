// trama.d.ts: what a plugin in JavaScript or TypeScript has. It is types only;
// the code comes with `trama plugin build`.
//
// A plugin exports a function for each operation of its manifest, by the
// operation's name: it gets the input, parsed from JSON, and what it returns
// (or its promise gives) is the output, as JSON. A channel exports receive and
// send, a language exports run.
//
// The language is ES2023. There are no files, sockets, timers, Intl, fetch or
// Node.js modules; local time is UTC. Numbers are JavaScript's: a whole number
// beyond 2^53 loses digits, so let such ids travel as text. The top level runs
// once, when the plugin is built, with the clock at 1970 and nothing outside in
// reach; each call then starts from what it left, so calls share no state.

declare module "trama" {
  /**
   * An error with a code for programs and a sentence for people. Whatever else
   * is thrown becomes one with the code "error": an Error with its message and
   * place, a text as it is; undefined says nothing.
   */
  export class PluginError extends Error {
    /** code is a word in snake_case; detail is any JSON. */
    constructor(code: string, message: string, options?: { retryable?: boolean; retryAfterMillis?: number; detail?: unknown });
    code: string;
    retryable: boolean;
    retryAfterMillis?: number;
    detail?: unknown;
  }

  /**
   * Marks an operation that takes and gives bytes instead of JSON:
   * `export const echo = raw((input) => input)`. A text stands for its UTF-8.
   */
  export function raw<F extends (input: Uint8Array) => Output | Promise<Output>, Output extends Uint8Array | string | void>(operation: F): F;

  /** A setting that the host has for this plugin; undefined if there is none. */
  export function config(key: string): string | undefined;

  /** One line in the run's trace. console.log and the like do the same. */
  export const log: { debug(text: string): void; info(text: string): void; warn(text: string): void; error(text: string): void };

  /** n bytes of cryptographic randomness. Math.random is seeded anew in each call. */
  export function random(n: number): Uint8Array;

  /** Ends the call as a crash does: nothing catches it. */
  export function abort(message?: string): never;

  // What follows needs a Trama host; a plugin that imports none of it runs in
  // any Extism host with WASI. Each throws a PluginError with the host's code:
  // "denied" if no grant covers it, "unreachable", "timeout", "limit" and others.

  export interface HTTPRequest {
    /**
     * Absolute, or begins with "/" or "?" and is appended to the base URL of
     * the connection. Credentials are the connection's to add.
     */
    url: string;
    /** GET, or POST if there is a body. */
    method?: string;
    /** Content-Type is set for json, if it is not here. */
    headers?: Record<string, string | number>;
    /** One of these at most: a value that is sent as JSON, a text or bytes, the id of a blob, or a form with files. */
    json?: unknown;
    body?: string | Uint8Array;
    bodyBlob?: string;
    /** A body of the type multipart/form-data; Content-Type is then the host's to set. */
    parts?: HTTPPart[];
    /** "blob" leaves the answer's body with the host. */
    response?: "blob";
    /**
     * Where the body, a SOAP envelope, may get the credentials of a connection
     * whose auth is ws_security, which refuses requests without it. at counts
     * bytes of UTF-8, into the envelope's header or, with noHeader, to where one
     * could begin; envelope is the envelope's namespace.
     */
    wsSecurity?: { at: number; noHeader?: boolean; envelope: string };
    /** Bounds this request; left out, the call's deadline does. */
    timeoutMillis?: number;
  }

  /** A field or a file of a form; body and blob (the id of one) exclude each other. */
  export interface HTTPPart {
    name: string;
    filename?: string;
    /** Its Content-Type; left out: none for a field, application/octet-stream for a file. */
    type?: string;
    body?: string | Uint8Array;
    blob?: string;
  }

  export interface Blob {
    id: string;
    /** Bytes. */
    size: number;
    /** Hexadecimal. */
    sha256: string;
    mime?: string;
  }

  /** An answer; any status is one. It is here at once, but may be awaited. */
  export interface HTTPResponse {
    readonly status: number;
    /** Names are lower-case; repeated headers are joined by ", ". */
    readonly headers: Record<string, string>;
    /** 200 to 299. */
    readonly ok: boolean;
    /** The body: as text, parsed from JSON (or a SyntaxError), as bytes. */
    text(): string;
    json(): any;
    bytes(): Uint8Array;
    /** What the host keeps of the body, if the request asked for that. */
    readonly blob?: Blob;
  }

  /** Sends a request through the host's egress. */
  export function http(request: string | HTTPRequest): HTTPResponse;

  /** Whether the same request may succeed later: 429, 502, 503 and 504. */
  export function mayRetry(status: number): boolean;

  /** How long an answer asks to wait, if Retry-After gives seconds; undefined if it doesn't, or gives a date. */
  export function retryAfterMillis(response: HTTPResponse): number | undefined;

  /**
   * The error that most plugins make of a status that they didn't want: code
   * "http_status", retryable where the status says so, after the time that the
   * answer names.
   */
  export function statusError(response: HTTPResponse): PluginError;

  /**
   * The plugin's memory of the contact whose message is worked on. What is
   * written is kept together with the call's result, and forgotten if the call
   * fails. Keys have 1 to 256 bytes, values at most 1 MiB.
   */
  export const kv: {
    /** undefined if there is none. */
    get(key: string): string | undefined;
    getBytes(key: string): Uint8Array | undefined;
    set(key: string, value: string | Uint8Array): void;
    delete(key: string): void;
    /** Keys that begin with prefix, in order, behind the key after; more says that there are others. */
    list(prefix?: string, options?: { after?: string; limit?: number }): { keys: string[]; more: boolean };
  };

  /**
   * A handle that stands for a secret in the requests of this call, at the
   * places that the manifest declares. The plugin never holds the value.
   */
  export function secretRef(name: string): string;

  export type Algorithm =
    | "HS256" | "HS384" | "HS512" | "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512"
    | "ES256" | "ES384" | "ES512" | "EdDSA";

  /** Signs with a key that stays in the host. toHex() and toBase64() write the result. */
  export function sign(key: string, algorithm: Algorithm, data: string | Uint8Array): Uint8Array;
  export function verify(key: string, algorithm: Algorithm, data: string | Uint8Array, signature: Uint8Array): boolean;

  /** The id of the effect that this call performs, the same if the host repeats it: an idempotency key. */
  export function effectId(): string;

  /** When the host stops the call. */
  export function deadline(): Date;

  // ---- channels

  export interface Address {
    /** The address space, such as "whatsapp". */
    scheme: string;
    /** The service's own id of the contact. */
    path: string;
  }

  /** A message; type says which other fields count: see Message in pdk/abi/message.go of Trama. */
  export interface Message {
    id?: string;
    type: string;
    text?: string;
    [field: string]: unknown;
  }

  /** The input of receive: a webhook request that the host has verified and stored. */
  export interface Receive {
    channel: string;
    config?: any;
    method: string;
    headers?: Record<string, string>;
    query?: Record<string, string>;
    /** Base64. */
    body: string;
    /** Since the Unix epoch. */
    received_millis: number;
  }

  export interface Unit {
    /** Unique on the channel, and the same in every redelivery. */
    id: string;
    /** A status needs none. */
    from?: Address;
    /** Other addresses on the channel that are surely the same contact's. */
    also?: Address[];
    name?: string;
    /** BCP 47, such as "pt-BR". */
    language?: string;
    time_millis?: number;
    message?: Message;
    /** The contact has blocked us or left ("out"), or has taken that back ("in"): no message and no status then. */
    opt?: "in" | "out";
    status?: { message_id: string; state: "sent" | "delivered" | "read" | "failed"; error?: { code: string; message: string }; /** The effect_id of the message, where the service gives it back. */ ref?: string };
  }

  export interface Received {
    units: Unit[];
    /** What is wrong with each part that is in no unit: the host keeps the request as a dead letter. */
    unread?: string[];
  }

  /** The input of send. */
  export interface Send {
    channel: string;
    config?: any;
    to: Address;
    message: Message;
    /** The same over repeats of the same send. */
    effect_id: string;
    /** When the contact wrote last, since the Unix epoch; left out: never. */
    heard_millis?: number;
  }

  export interface Sent {
    /** The service's id of the message. */
    message_id: string;
  }

  /** A file of a message. */
  export interface Media {
    kind: string;
    id?: string;
    url?: string;
    blob?: Blob;
    mime?: string;
    filename?: string;
    [field: string]: unknown;
  }

  /** The input of fetch: a file that came in a message by the service's id. */
  export interface Fetch {
    channel: string;
    config?: any;
    media: Media;
  }

  export interface Fetched {
    /** From a request with response: "blob". */
    blob: Blob;
    mime?: string;
    filename?: string;
  }

  /** The input of connect, which sets the webhook at the service, and of check, which looks whether all is right. */
  export interface Connect {
    channel: string;
    config?: any;
    /** Where the service is to send its webhooks. */
    url?: string;
  }

  export interface Connected {
    /** Who the channel is at the service. */
    account?: string;
    webhook?: string;
    /** For the operator: what is amiss or left to do. */
    notes?: string[];
  }

  // ---- languages

  /** The input of run. What it returns is the node's output. */
  export interface Run {
    code: string;
    input: any;
    flow: any;
    user: any;
    env: any;
  }
}

// ---- globals beside ECMAScript's

declare var console: {
  debug(...values: unknown[]): void;
  log(...values: unknown[]): void;
  info(...values: unknown[]): void;
  warn(...values: unknown[]): void;
  error(...values: unknown[]): void;
};

declare var crypto: {
  getRandomValues<T extends ArrayBufferView>(view: T): T;
  randomUUID(): string;
};

declare class TextEncoder {
  readonly encoding: "utf-8";
  encode(text?: string): Uint8Array;
}

/** Knows UTF-8 alone; what isn't becomes U+FFFD. */
declare class TextDecoder {
  constructor(label?: "utf-8" | "utf8");
  readonly encoding: "utf-8";
  decode(source?: ArrayBuffer | ArrayBufferView): string;
}

declare function atob(text: string): string;
declare function btoa(text: string): string;
declare function queueMicrotask(callback: () => void): void;

interface Uint8Array {
  toBase64(options?: { alphabet?: "base64" | "base64url"; omitPadding?: boolean }): string;
  toHex(): string;
}

interface Uint8ArrayConstructor {
  fromBase64(text: string, options?: { alphabet?: "base64" | "base64url" }): Uint8Array;
  fromHex(text: string): Uint8Array;
}
