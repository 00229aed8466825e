import { writeError } from "./sys";

/**
 * What a throw, a failed assertion and a null where there must be none call:
 * the message and its place go to the host before the trap that ends the call.
 */
// @ts-ignore: decorator
@global
export function tramaAbort(message: string | null, file: string | null, line: u32, column: u32): void {
  let text = "the plugin aborted: ";
  text += message === null ? "no message" : message;
  if (file !== null) text += ", at " + file + ":" + line.toString();
  writeError(text);
  unreachable();
}
