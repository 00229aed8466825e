import { base64Decode, base64Encode, textOf } from "./encoding";
import { Failure, Result } from "./failure";
import { answer, lacks, request } from "./host";
import { Value } from "./value";

// @ts-ignore: decorator
@external("trama:host/v1", "http_send")
declare function host_http_send(request: u64): u64;

/**
 * One request through the host's egress: only where the plugin was granted to,
 * and with the authentication of the connection that it is used with.
 *
 *     const sent = new Request("POST", "/contacts").header("Idempotency-Key", id).json(body).send();
 *     if (!sent.ok) return fail(sent.failure);
 *     if (sent.value.status != 201) return fail(sent.value.failure());
 */
export class Request {
  private fields: Value = Value.object();
  private headers: Value = Value.object();
  private parts: Value = Value.array();
  private isJSON: bool = false;

  /**
   * The method is in upper case. The address is absolute, or starts with "/"
   * or "?" (or is empty) and is appended to the base URL of the connection.
   */
  constructor(method: string, url: string) {
    this.fields.set("method", method).set("url", url);
  }

  /** Sets a header. Host, Content-Length and Accept-Encoding are the host's to set. */
  header(name: string, value: string): Request {
    this.headers.set(name, value);
    return this;
  }

  body(text: string): Request {
    this.fields.set("body", text);
    return this;
  }

  /** Sets the body; bytes that are no UTF-8 travel as base64. */
  bodyBytes(bytes: Uint8Array): Request {
    const text = textOf(bytes);
    if (text === null) this.fields.set("body_base64", base64Encode(bytes));
    else this.fields.set("body", text!);
    return this;
  }

  /** Sets a JSON body, with its Content-Type unless a header says another. */
  json(value: Value): Request {
    this.isJSON = true;
    return this.body(value.toString());
  }

  /** Sends the bytes of a blob of this contact or run as the body. */
  bodyBlob(id: string): Request {
    this.fields.set("body_blob", id);
    return this;
  }

  /** Adds a field to a body of the type multipart/form-data, whose Content-Type is the host's to set. */
  field(name: string, text: string): Request {
    this.parts.push(Value.object().set("name", name).set("text", text));
    return this;
  }

  /** Adds a file to such a body; an empty type is application/octet-stream. */
  file(name: string, filename: string, type: string, bytes: Uint8Array): Request {
    this.parts.push(Value.object().set("name", name).set("filename", filename).set("type", type).set("base64", base64Encode(bytes)));
    return this;
  }

  /** Adds a blob of this contact or run as a file; an empty type is the blob's. */
  fileBlob(name: string, filename: string, type: string, id: string): Request {
    this.parts.push(Value.object().set("name", name).set("filename", filename).set("type", type).set("blob", id));
    return this;
  }

  /** Has the host keep the answer's body as a Blob, whatever the status. */
  intoBlob(): Request {
    this.fields.set("response", "blob");
    return this;
  }

  /**
   * Says where the body, a SOAP envelope, may get the credentials of a connection whose auth is ws_security, which
   * refuses requests without it: at counts bytes, into the envelope's header, or to where one could begin if it has
   * none. envelope is the envelope's namespace.
   */
  wsSecurity(at: i32, hasHeader: bool, envelope: string): Request {
    this.fields.set("ws_security", Value.object().set("at", at).set("no_header", !hasHeader).set("envelope", envelope));
    return this;
  }

  /** Bounds this request; without it the call's deadline does. */
  timeoutMillis(millis: i64): Request {
    this.fields.set("timeout_millis", millis);
    return this;
  }

  /** Sends the request. Any status is an answer, not a failure. */
  send(): Result<Response> {
    if (this.isJSON && !this.headers.fields.some((name) => name.toLowerCase() == "content-type")) this.header("Content-Type", "application/json");
    if (this.headers.length > 0) this.fields.set("headers", this.headers);
    if (this.parts.length > 0) this.fields.set("parts", this.parts);
    const reply = answer(host_http_send(request(this.fields)));
    if (!reply.ok) return Result.failed<Response>(reply.failure);
    if (!reply.value.get("status").isInt) return Result.failed<Response>(lacks("status"));
    return Result.of<Response>(new Response(reply.value));
  }
}

/** The answer to a Request. */
export class Response {
  constructor(private wire: Value) {}

  get status(): i32 {
    return <i32>this.wire.get("status").int;
  }

  /** A header by its lower-case name, repeated ones joined by ", "; "" if there is none. */
  header(name: string): string {
    return this.wire.get("headers").get(name).text;
  }

  /** The body as text; of a body that is no UTF-8, "". */
  get text(): string {
    return this.wire.get("body").text;
  }

  /** The body's bytes; none if they went into a blob. */
  get bytes(): Uint8Array {
    const encoded = this.wire.get("body_base64");
    if (!encoded.isText) return Uint8Array.wrap(String.UTF8.encode(this.text));
    const bytes = base64Decode(encoded.text);
    if (bytes === null) throw new Error("reply of the host: body_base64 is no base64");
    return bytes;
  }

  json(): Result<Value> {
    return Value.parseText(this.text);
  }

  /** Where the body is, if the request asked for that. */
  get blob(): Blob | null {
    const value = this.wire.get("blob");
    return value.isObject ? new Blob(value.get("id").text, value.get("size").int, value.get("sha256").text, value.get("mime").text) : null;
  }

  /** Whether the status means that the same request may succeed later: 429, 502, 503 and 504 (RFC 6585, RFC 9110). */
  get mayRetry(): bool {
    return this.status == 429 || (this.status >= 502 && this.status <= 504);
  }

  /** How long the answer asks to wait, if Retry-After gives seconds (RFC 9110, 10.2.3); 0 if it doesn't, or gives a date. */
  get retryAfterMillis(): i64 {
    const text = this.header("retry-after").trim();
    if (text.length == 0 || text.length > 10) return 0;
    for (let i = 0; i < text.length; i++) {
      const c = text.charCodeAt(i);
      if (c < 0x30 || c > 0x39) return 0;
    }
    const seconds = I64.parseInt(text);
    return seconds <= i32.MAX_VALUE ? seconds * 1000 : 0;
  }

  /** The failure that most plugins make of a status that they didn't want: code "http_status". */
  failure(): Failure {
    const failure = new Failure("http_status", "the service answered " + this.status.toString());
    failure.retryable = this.mayRetry;
    if (failure.retryable) failure.retryAfterMillis = this.retryAfterMillis;
    return failure;
  }
}

/** Refers to bytes that the host keeps: worth something for the same contact or run alone. */
export class Blob {
  /** size is in bytes, sha256 hexadecimal, mime the Content-Type as the sender gave it. */
  constructor(public id: string, public size: i64, public sha256: string, public mime: string) {}
}
