import { Failure, Result } from "./failure";
import { invalidAt } from "./encoding";
import { Kind, MAX_DEPTH, Value } from "./value";

/** Reads one JSON value (RFC 8259) of n bytes. */
export function parse(from: usize, n: i32): Result<Value> {
  const parser = new Parser(from, from + n);
  const bad = invalidAt(from, n);
  if (bad >= 0) {
    parser.at = from + bad;
    parser.fail("these bytes are not UTF-8");
  }
  let value = Value.null();
  if (parser.reason == "") {
    parser.space();
    value = parser.value();
    parser.space();
    if (parser.reason == "" && parser.at < parser.end) parser.fail("there is more after the JSON value");
  }
  if (parser.reason == "") return Result.of<Value>(value);
  const place = "byte " + (parser.failedAt - from).toString() + ": ";
  return Result.failed<Value>(new Failure("error", "JSON, " + place + parser.reason));
}

class Parser {
  /** Why it failed; empty as long as it has not. */
  reason: string = "";
  failedAt: usize = 0;
  private depth: i32 = 0;

  constructor(public at: usize, readonly end: usize) {}

  /** Notes the first failure, and goes to the end, so that nothing is read on. */
  fail(reason: string): Value {
    if (this.reason == "") {
      this.reason = reason;
      this.failedAt = this.at;
      this.at = this.end;
    }
    return Value.null();
  }

  private failAt(at: usize, reason: string): Value {
    this.at = at;
    return this.fail(reason);
  }

  /** The byte here; 0, which no JSON has, at the end. */
  private peek(): u32 {
    return this.at < this.end ? load<u8>(this.at) : 0;
  }

  private take(byte: u32): bool {
    if (this.peek() != byte) return false;
    this.at++;
    return true;
  }

  space(): void {
    for (let c = this.peek(); c == 0x20 || c == 0x0a || c == 0x0d || c == 0x09; c = this.peek()) this.at++;
  }

  value(): Value {
    switch (this.peek()) {
      case 0x7b: return this.nested(true);
      case 0x5b: return this.nested(false);
      case 0x22: return Value.of<string>(this.text());
      case 0x74: return this.word("true", Value.of<bool>(true));
      case 0x66: return this.word("false", Value.of<bool>(false));
      case 0x6e: return this.word("null", Value.null());
      default:
    }
    if (this.peek() == 0x2d || digit(this.peek())) return this.number();
    return this.fail("want a JSON value");
  }

  private word(word: string, value: Value): Value {
    const n = word.length;
    if (this.end - this.at < <usize>n) return this.fail("want a JSON value");
    for (let i = 0; i < n; i++) {
      if (<i32>load<u8>(this.at + i) != word.charCodeAt(i)) return this.fail("want a JSON value");
    }
    this.at += n;
    return value;
  }

  private nested(object: bool): Value {
    if (this.depth == MAX_DEPTH) return this.fail("lists and objects stand too deep in each other");
    this.depth++;
    this.at++; // the bracket
    this.space();
    const value = object ? this.object() : this.array();
    this.depth--;
    return value;
  }

  private array(): Value {
    const array = Value.array();
    if (this.take(0x5d)) return array;
    while (this.reason == "") {
      array.items.push(this.value());
      this.space();
      if (this.take(0x5d)) return array;
      if (!this.take(0x2c)) return this.fail("want ',' or ']'");
      this.space();
    }
    return array;
  }

  private object(): Value {
    const object = Value.object();
    if (this.take(0x7d)) return object;
    // Where there are many fields, their places by name: to look through all
    // of them for each would take the square of their number.
    const many = 16;
    let places: Map<string, i32> | null = null;
    while (this.reason == "") {
      if (this.peek() != 0x22) return this.fail("want the name of a field, in quotes");
      const name = this.text();
      this.space();
      if (!this.take(0x3a)) return this.fail("want ':'");
      this.space();
      const value = this.value();
      const n = object.fields.length;
      let place = -1;
      if (n < many) {
        place = object.fields.indexOf(name);
      } else {
        if (places === null) {
          places = new Map<string, i32>();
          for (let i = 0; i < n; i++) places.set(object.fields[i], i);
        }
        if (places.has(name)) place = places.get(name);
        else places.set(name, n);
      }
      if (place >= 0) object.items[place] = value;
      else object.append(name, value);
      this.space();
      if (this.take(0x7d)) return object;
      if (!this.take(0x2c)) return this.fail("want ',' or '}'");
      this.space();
    }
    return object;
  }

  private number(): Value {
    const start = this.at;
    const negative = this.take(0x2d);
    const first = this.at;
    if (!this.take(0x30) && this.digits() == 0) return this.fail("want a digit");
    const last = this.at;
    let whole = true;
    if (this.take(0x2e)) {
      whole = false;
      if (this.digits() == 0) return this.fail("want a digit");
    }
    if (this.take(0x65) || this.take(0x45)) {
      whole = false;
      if (!this.take(0x2b)) this.take(0x2d);
      if (this.digits() == 0) return this.fail("want a digit");
    }
    if (whole && last - first <= 20) {
      let n: u64 = 0;
      let fits = true;
      for (let at = first; at < last && fits; at++) {
        const add = <u64>(load<u8>(at) - 0x30);
        fits = n < 1844674407370955161 || (n == 1844674407370955161 && add <= 5);
        n = n * 10 + add;
      }
      if (fits && n <= <u64>i64.MAX_VALUE + (negative ? 1 : 0)) return Value.scalar(Kind.Int, negative ? 0 - n : n);
      if (fits && !negative) return Value.scalar(Kind.Unsigned, n);
    }
    const written = String.UTF8.decodeUnsafe(start, this.at - start);
    const n = parseFloat(written);
    if (!isFinite(n)) return this.failAt(start, "this number is too large");
    return Value.literal(n, written);
  }

  private digits(): i32 {
    const start = this.at;
    while (digit(this.peek())) this.at++;
    return <i32>(this.at - start);
  }

  /** Reads a text; "" if it fails. */
  private text(): string {
    const start = ++this.at; // after the quote
    let escapes = false;
    for (; this.at < this.end; this.at++) {
      const c = <u32>load<u8>(this.at);
      if (c == 0x22) {
        const length = this.at++ - start;
        return escapes ? this.unescaped(start, length) : String.UTF8.decodeUnsafe(start, length);
      }
      if (c == 0x5c) {
        escapes = true;
        this.at++; // what it stands before is looked at later
      } else if (c < 0x20) {
        break;
      }
    }
    if (this.at >= this.end) this.failAt(this.end, "the text does not end");
    else this.fail("a control character in a text; write it as an escape");
    return "";
  }

  /** Gives a text with escapes. It is never longer than what it is written as. */
  private unescaped(from: usize, n: usize): string {
    const buffer = new ArrayBuffer(<i32>n);
    const begin = changetype<usize>(buffer);
    let to = begin;
    const end = from + n;
    while (from < end) {
      const c = <u32>load<u8>(from++);
      if (c != 0x5c) {
        store<u8>(to++, c);
        continue;
      }
      const escape = <u32>load<u8>(from++);
      let plain = escape;
      switch (escape) {
        case 0x22: case 0x5c: case 0x2f: break;
        case 0x62: plain = 0x08; break;
        case 0x66: plain = 0x0c; break;
        case 0x6e: plain = 0x0a; break;
        case 0x72: plain = 0x0d; break;
        case 0x74: plain = 0x09; break;
        case 0x75: {
          let code = this.hex(from, end);
          from += 4;
          if (this.reason != "") return "";
          if ((code & 0xfc00) == 0xd800 && end - from >= 6 && load<u16>(from) == 0x755c) {
            const low = this.hex(from + 2, end);
            if (this.reason != "") return "";
            if ((low & 0xfc00) == 0xdc00) {
              code = 0x10000 + ((code & 0x3ff) << 10 | low & 0x3ff);
              from += 6;
            }
          }
          to = encode((code & 0xfffff800) == 0xd800 ? 0xfffd : code, to);
          continue;
        }
        default:
          this.failAt(from - 1, "there is no such escape");
          return "";
      }
      store<u8>(to++, plain);
    }
    return String.UTF8.decodeUnsafe(begin, to - begin);
  }

  private hex(at: usize, end: usize): u32 {
    let code: u32 = 0;
    for (let i = 0; i < 4; i++, at++) {
      const c = at < end ? <u32>load<u8>(at) : 0;
      const letter = (c | 0x20) - 0x61;
      if (digit(c)) code = code << 4 | (c - 0x30);
      else if (letter < 6) code = code << 4 | (letter + 10);
      else {
        this.failAt(at, "want four hexadecimal digits");
        return 0;
      }
    }
    return code;
  }
}

function digit(c: u32): bool {
  return c - 0x30 < 10;
}

/** Writes a character as UTF-8. */
function encode(code: u32, to: usize): usize {
  if (code < 0x80) {
    store<u8>(to, code);
    return to + 1;
  }
  if (code < 0x800) {
    store<u8>(to, code >> 6 | 0xc0);
    store<u8>(to, code & 0x3f | 0x80, 1);
    return to + 2;
  }
  if (code < 0x10000) {
    store<u8>(to, code >> 12 | 0xe0);
    store<u8>(to, code >> 6 & 0x3f | 0x80, 1);
    store<u8>(to, code & 0x3f | 0x80, 2);
    return to + 3;
  }
  store<u8>(to, code >> 18 | 0xf0);
  store<u8>(to, code >> 12 & 0x3f | 0x80, 1);
  store<u8>(to, code >> 6 & 0x3f | 0x80, 2);
  store<u8>(to, code & 0x3f | 0x80, 3);
  return to + 4;
}
