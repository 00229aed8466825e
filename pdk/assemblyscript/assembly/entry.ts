import { textOf } from "./encoding";
import { Failure, Result } from "./failure";
import { parse } from "./parse";
import { readInput, writeError, writeOutput } from "./sys";
import { Value } from "./value";
import { Writer } from "./writer";

/** The call's input. */
export function input(): Uint8Array {
  return Uint8Array.wrap(readInput());
}

/** The input as text, or the failure "invalid" if it is no UTF-8. */
export function inputText(): Result<string> {
  const text = textOf(input());
  if (text === null) return Result.failed<string>(new Failure("invalid", "input: it is no UTF-8"));
  return Result.of<string>(text);
}

/** The input as JSON, or the failure "invalid". */
export function inputJSON(): Result<Value> {
  const data = readInput();
  const value = parse(changetype<usize>(data), data.byteLength);
  if (!value.ok) return Result.failed<Value>(new Failure("invalid", "input: " + value.failure.message));
  return value;
}

/** Sets the output, and gives what an export returns for success. */
export function reply(value: Value): i32 {
  const writer = new Writer();
  value.write(writer);
  writeOutput(writer.buffer, writer.length);
  return 0;
}

/** As reply, for bytes as they are. */
export function replyBytes(bytes: Uint8Array): i32 {
  const whole = bytes.byteOffset == 0;
  writeOutput(whole ? bytes.buffer : bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length), bytes.length);
  return 0;
}

/** As reply, for text as UTF-8. */
export function replyText(text: string): i32 {
  const bytes = String.UTF8.encode(text, false, String.UTF8.ErrorMode.REPLACE);
  writeOutput(bytes, bytes.byteLength);
  return 0;
}

/** Sets the call's error, and gives what an export returns for it. */
export function fail(failure: Failure): i32 {
  writeError(failure.wire());
  return 1;
}
