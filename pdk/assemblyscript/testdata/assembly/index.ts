/** What the tests ask of the PDK, with nothing outside but Extism's ABI. */
import {
  Failure, Kind, Value, base64Decode, base64Encode, config, fail, hexDecode, hexEncode, input, inputJSON, inputText, log,
  reply, replyBytes, replyText,
} from "trama-pdk";
export * from "trama-pdk/exports";

export function echo(): i32 {
  return replyBytes(input());
}

export function parse(): i32 {
  const value = inputJSON();
  return value.ok ? reply(value.value) : fail(value.failure);
}

/** From what a value holds to texts: kind, int, unsigned, float. */
export function look(): i32 {
  const value = inputJSON();
  if (!value.ok) return fail(value.failure);
  const v = value.value;
  return replyText((<i32>v.kind).toString() + " " + v.int.toString() + " " + v.unsigned.toString() + " " + v.float.toString());
}

/** Values of every type. */
export function make(): i32 {
  const none: string | null = null;
  return reply(Value.object()
    .set("i", i64.MIN_VALUE).set("u", u64.MAX_VALUE).set("small", <u8>7).set("f", 0.5).set("whole", 2.0).set("large", 1e300)
    .set("nan", NaN).set("inf", -Infinity).set("t", true).set("none", none).set("text", "é\"\\\n\u0001\u001f\ud83d\ude00\ud83d")
    .set("list", Value.array().push(1).push("x").push(Value.null())).set("t", false));
}

export function base64(): i32 {
  const text = inputText();
  if (!text.ok) return fail(text.failure);
  const bytes = base64Decode(text.value);
  return bytes === null ? fail(new Failure("invalid", "no base64")) : replyText(hexEncode(bytes));
}

export function hex(): i32 {
  const text = inputText();
  if (!text.ok) return fail(text.failure);
  const bytes = hexDecode(text.value);
  return bytes === null ? fail(new Failure("invalid", "no hex")) : replyText(base64Encode(bytes));
}

export function color(): i32 {
  log.info("asked");
  return reply(Value.of(config("color")));
}

export function unused(): i32 {
  const value = Value.parseText("{");
  return reply(value.value); // there is none
}

export function beyond(): i32 {
  const list: i32[] = [1];
  return list[input().length + 5];
}

export function nullish(): i32 {
  const kinds: Array<Kind> | null = input().length == 99 ? [] : null;
  return kinds!.length;
}
