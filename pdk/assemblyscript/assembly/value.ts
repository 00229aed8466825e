import { Failure, Result } from "./failure";
import { parse } from "./parse";
import { Writer } from "./writer";

/** How deep lists and objects may stand in each other. */
export const MAX_DEPTH: i32 = 256;

export const enum Kind { Null, Bool, Int, Unsigned, Float, Text, Array, Object }

// What fields of values without text, items or names refer to.
const noItems: Value[] = [];
const noNames: string[] = [];
const nothing: Value = new Value(Kind.Null);

/**
 * A JSON value. Whole numbers keep all their digits: those of 64 bits are
 * ints, or unsigned where they need the 64th; all other numbers are floats.
 */
export class Value {
  private bits: u64 = 0;
  private held: string = "";
  private list: Value[] = noItems;
  private names: string[] = noNames;

  constructor(readonly kind: Kind) {}

  /**
   * Reads one JSON value that is the whole of bytes. Of fields with one name
   * the last counts; half of a surrogate pair becomes U+FFFD. Bytes that are
   * no UTF-8 fail, and so do lists and objects more than MAX_DEPTH deep.
   */
  static parse(bytes: Uint8Array): Result<Value> {
    return parse(bytes.dataStart, bytes.length);
  }

  /** As parse, of text. */
  static parseText(text: string): Result<Value> {
    const bytes = String.UTF8.encode(text, false, String.UTF8.ErrorMode.REPLACE);
    return parse(changetype<usize>(bytes), bytes.byteLength);
  }

  /** Makes a value of a text, a number, a bool, a Value, or a null of these. */
  static of<T>(value: T): Value {
    if (isNullable<T>()) {
      if (changetype<usize>(value) == 0) return nothing;
    }
    if (isString<T>()) {
      const made = new Value(Kind.Text);
      // @ts-ignore: T is a string here
      made.held = <string>value;
      return made;
    } else if (isBoolean<T>()) {
      return Value.scalar(Kind.Bool, <u64>value);
    } else if (isFloat<T>()) {
      // JSON has no number for what isn't finite.
      return isFinite(<f64>value) ? Value.scalar(Kind.Float, reinterpret<u64>(<f64>value)) : nothing;
    } else if (isInteger<T>()) {
      const large = !isSigned<T>() && <u64>value > <u64>i64.MAX_VALUE;
      return Value.scalar(large ? Kind.Unsigned : Kind.Int, <u64>value);
    } else {
      // @ts-ignore: T is a Value here, or the compiler says that it is not
      return <Value>value;
    }
  }

  static scalar(kind: Kind, bits: u64): Value {
    const made = new Value(kind);
    made.bits = bits;
    return made;
  }

  /** A float as it was written. */
  static literal(n: f64, written: string): Value {
    const made = Value.scalar(Kind.Float, reinterpret<u64>(n));
    made.held = written;
    return made;
  }

  static null(): Value {
    return nothing;
  }

  static object(): Value {
    const made = new Value(Kind.Object);
    made.list = [];
    made.names = [];
    return made;
  }

  static array(): Value {
    const made = new Value(Kind.Array);
    made.list = [];
    return made;
  }

  get isNull(): bool { return this.kind == Kind.Null; }
  get isText(): bool { return this.kind == Kind.Text; }
  get isArray(): bool { return this.kind == Kind.Array; }
  get isObject(): bool { return this.kind == Kind.Object; }
  /** A number that was written as a whole one (2, not 2.0) and is an i64. */
  get isInt(): bool { return this.kind == Kind.Int; }
  get isNumber(): bool { return this.kind >= Kind.Int && this.kind <= Kind.Float; }
  get isTrue(): bool { return this.kind == Kind.Bool && this.bits != 0; }

  /** The text; "" if this is none. */
  get text(): string { return this.kind == Kind.Text ? this.held : ""; }
  /** The whole number; 0 if this is none. */
  get int(): i64 { return this.kind == Kind.Int ? <i64>this.bits : 0; }
  /** The number from 0 to the largest of 64 bits; 0 if this is none. */
  get unsigned(): u64 {
    return this.kind == Kind.Unsigned || (this.kind == Kind.Int && <i64>this.bits >= 0) ? this.bits : 0;
  }
  /** Any number, to the 53 bits that a float holds; 0 if this is none. */
  get float(): f64 {
    if (this.kind == Kind.Float) return reinterpret<f64>(this.bits);
    return this.kind == Kind.Unsigned ? <f64>this.bits : <f64>this.int;
  }
  /** The items of an array, or the values of an object's fields. */
  get items(): Value[] { return this.list; }
  /** The names of an object's fields, in the order in which they were set. */
  get fields(): string[] { return this.names; }
  get length(): i32 { return this.list.length; }

  /** The field of that name; null's value where there is none. */
  get(name: string): Value {
    const i = this.names.indexOf(name);
    return i < 0 ? nothing : unchecked(this.list[i]);
  }

  has(name: string): bool {
    return this.names.includes(name);
  }

  /**
   * The failure "invalid" if this object has a field of another name, so that a
   * misspelt setting is not passed over in silence; else null.
   */
  only(names: string[]): Failure | null {
    for (let i = 0; i < this.names.length; i++) {
      const name = this.names[i];
      if (!names.includes(name)) return new Failure("invalid", 'unknown field "' + name.substring(0, 40) + '"; there are ' + names.join(", "));
    }
    return null;
  }

  /** The item of that index; null's value where there is none. */
  at(index: i32): Value {
    return this.kind == Kind.Array && <u32>index < <u32>this.list.length ? unchecked(this.list[index]) : nothing;
  }

  /** Sets a field of an object; one that is there keeps its place. */
  set<T>(name: string, value: T): Value {
    assert(this.kind == Kind.Object, "a field is set of what is no JSON object");
    const i = this.names.indexOf(name);
    if (i >= 0) {
      this.list[i] = Value.of<T>(value);
      return this;
    }
    return this.append(name, Value.of<T>(value));
  }

  /** Adds a field that is not there yet. */
  append(name: string, value: Value): Value {
    this.names.push(name);
    this.list.push(value);
    return this;
  }

  /** Adds an item to an array. */
  push<T>(value: T): Value {
    assert(this.kind == Kind.Array, "an item is added to what is no JSON array");
    this.list.push(Value.of<T>(value));
    return this;
  }

  /** Compact JSON. */
  toString(): string {
    const writer = new Writer();
    this.write(writer);
    return String.UTF8.decodeUnsafe(changetype<usize>(writer.buffer), writer.length);
  }

  write(writer: Writer): void {
    switch (this.kind) {
      case Kind.Null: return writer.ascii("null");
      case Kind.Bool: return writer.ascii(this.bits != 0 ? "true" : "false");
      case Kind.Int: return writer.ascii((<i64>this.bits).toString());
      case Kind.Unsigned: return writer.ascii(this.bits.toString());
      case Kind.Float: return writer.ascii(this.held != "" ? this.held : floatText(reinterpret<f64>(this.bits)));
      case Kind.Text: return writer.quoted(this.held);
      default:
    }
    const object = this.kind == Kind.Object;
    writer.byte(object ? 0x7b : 0x5b);
    for (let i = 0, n = this.list.length; i < n; i++) {
      if (i > 0) writer.byte(0x2c);
      if (object) {
        writer.quoted(unchecked(this.names[i]));
        writer.byte(0x3a);
      }
      unchecked(this.list[i]).write(writer);
    }
    writer.byte(object ? 0x7d : 0x5d);
  }
}

/** A whole float is written without ".0", as JavaScript does. */
function floatText(n: f64): string {
  const text = n.toString();
  return text.endsWith(".0") ? text.substring(0, text.length - 2) : text;
}
