import { Value } from "./value";

const MAX_MESSAGE = 4096;

/** How an operation fails, and how the host refuses something. */
export class Failure {
  /** The same call may succeed later. */
  retryable: bool = false;
  /** How long to wait before it, in milliseconds; 0 if that is not known. */
  retryAfterMillis: i64 = 0;
  detail: Value | null = null;

  /**
   * code is a stable word for programs, in snake_case; if it is empty, the
   * message goes out as plain text, and the host gives it the code "error".
   * message is a sentence for people: cause, place and remedy.
   */
  constructor(public code: string, public message: string) {}

  /** The failure of a reply of the host. */
  static fromWire(value: Value): Failure {
    const code = value.get("code"), message = value.get("message"), after = value.get("retry_after_millis");
    const failure = new Failure(code.isText ? code.text : "error", message.isText ? message.text : "the host gives no reason");
    failure.retryable = value.get("retryable").isTrue;
    if (after.isInt) failure.retryAfterMillis = after.int;
    const detail = value.get("detail");
    if (!detail.isNull) failure.detail = detail;
    return failure;
  }

  /**
   * What error_set gets: JSON, or the plain message of a failure without a code. Of a message, the first 4096
   * characters are sent: one that quotes what was given may be longer than a host takes.
   */
  wire(): string {
    const message = this.message.length > MAX_MESSAGE ? this.message.substring(0, MAX_MESSAGE) + "..." : this.message;
    if (this.code == "" && !this.retryable && this.detail === null) return message;
    const object = Value.object().set("code", this.code == "" ? "error" : this.code).set("message", message);
    if (this.retryable) object.set("retryable", true);
    if (this.retryAfterMillis > 0) object.set("retry_after_millis", this.retryAfterMillis);
    if (this.detail !== null) object.set("detail", this.detail!);
    return object.toString();
  }
}

/** A value, or the failure that there is none for. Ask ok first. */
export class Result<T> {
  private constructor(private held: T, private cause: Failure | null) {}

  static of<T>(value: T): Result<T> {
    return new Result<T>(value, null);
  }

  static failed<T>(failure: Failure): Result<T> {
    if (isReference<T>()) return new Result<T>(changetype<T>(0), failure);
    // @ts-ignore: T is a number here
    return new Result<T>(<T>0, failure);
  }

  get ok(): bool {
    return this.cause === null;
  }

  get failure(): Failure {
    return this.cause!;
  }

  get value(): T {
    const cause = this.cause;
    if (cause !== null) throw new Error("a result without a value was used: " + cause.code + ": " + cause.message);
    return this.held;
  }
}
