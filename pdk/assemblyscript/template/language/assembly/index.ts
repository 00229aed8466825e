/**
 * The language {{.Name}}: texts with {words}. manifest.json says what it is;
 * trama plugin build puts that into the module.
 */
import { Failure, Value, fail, inputJSON, reply } from "trama-pdk";
export * from "trama-pdk/exports";

/** Gives the code with each {word} replaced by the input's field of that name. */
export function run(): i32 {
  const call = inputJSON();
  if (!call.ok) return fail(call.failure);
  const fields = call.value.get("input");
  if (!fields.isObject) return fail(new Failure("invalid", "input: want an object"));
  const code = call.value.get("code").text;

  let text = "";
  let at = 0;
  for (let open = code.indexOf("{"); open >= 0; open = code.indexOf("{", open + 1)) {
    let end = open + 1;
    while (end < code.length && isWord(code.charCodeAt(end))) end++;
    if (end == open + 1 || code.charAt(end) != "}") continue; // no word
    const name = code.substring(open + 1, end);
    if (!fields.has(name)) return fail(new Failure("invalid", "unknown word: " + name));
    const value = fields.get(name);
    text += code.substring(at, open) + (value.isText ? value.text : value.toString());
    at = end + 1;
  }
  return reply(Value.of(text + code.substring(at)));
}

function isWord(c: i32): bool {
  return (c >= 0x30 && c <= 0x39) || (c >= 0x41 && c <= 0x5a) || (c >= 0x61 && c <= 0x7a) || c == 0x5f;
}
