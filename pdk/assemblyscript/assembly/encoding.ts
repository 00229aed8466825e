/** Text as UTF-8; half of a surrogate pair becomes U+FFFD. */
export function utf8(text: string): Uint8Array {
  return Uint8Array.wrap(String.UTF8.encode(text, false, String.UTF8.ErrorMode.REPLACE));
}

/** UTF-8 as text, or null if it is none. */
export function textOf(bytes: Uint8Array): string | null {
  if (invalidAt(bytes.dataStart, bytes.length) >= 0) return null;
  return String.UTF8.decodeUnsafe(bytes.dataStart, bytes.length);
}

/** The number of bytes before the first that is no UTF-8 (RFC 3629); -1 if all are. */
export function invalidAt(from: usize, n: i32): i32 {
  const end = from + n;
  let at = from;
  while (at < end) {
    const c = <u32>load<u8>(at);
    if (c < 0x80) {
      at++;
      continue;
    }
    // The second byte's range excludes what has a shorter form, surrogates and
    // what lies past U+10FFFF.
    let more: u32 = 1, low: u32 = 0x80, high: u32 = 0xbf;
    if (c >= 0xc2 && c <= 0xdf) {
      more = 1;
    } else if (c >= 0xe0 && c <= 0xef) {
      more = 2;
      if (c == 0xe0) low = 0xa0;
      if (c == 0xed) high = 0x9f;
    } else if (c >= 0xf0 && c <= 0xf4) {
      more = 3;
      if (c == 0xf0) low = 0x90;
      if (c == 0xf4) high = 0x8f;
    } else {
      return <i32>(at - from);
    }
    if (end - at <= more) return <i32>(at - from);
    for (let i: u32 = 1; i <= more; i++) {
      const next = <u32>load<u8>(at + i);
      if (next < low || next > high) return <i32>(at - from);
      low = 0x80;
      high = 0xbf;
    }
    at += more + 1;
  }
  return -1;
}

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// @ts-ignore: decorator
@inline
function digitOf(n: u32): u16 {
  return load<u16>(changetype<usize>(BASE64) + (n << 1));
}

/** Standard base64 with padding (RFC 4648, section 4). */
export function base64Encode(bytes: Uint8Array): string {
  const n = bytes.length, from = bytes.dataStart;
  const size = (n + 2) / 3 * 4;
  const out = changetype<string>(__new(<usize>size << 1, idof<string>()));
  let to = changetype<usize>(out);
  for (let i = 0; i < n; i += 3) {
    const left = n - i;
    let bits = <u32>load<u8>(from + i) << 16;
    if (left > 1) bits |= <u32>load<u8>(from + i, 1) << 8;
    if (left > 2) bits |= <u32>load<u8>(from + i, 2);
    store<u16>(to, digitOf(bits >> 18));
    store<u16>(to, digitOf(bits >> 12 & 63), 2);
    store<u16>(to, left > 1 ? digitOf(bits >> 6 & 63) : 0x3d, 4);
    store<u16>(to, left > 2 ? digitOf(bits & 63) : 0x3d, 6);
    to += 8;
  }
  return out;
}

/** Reads standard base64; null if it is anything else, or its padding lacks. */
export function base64Decode(text: string): Uint8Array | null {
  const n = text.length;
  if (n % 4 != 0) return null;
  if (n == 0) return new Uint8Array(0);
  let padding = 0;
  if (text.charCodeAt(n - 1) == 0x3d) padding = text.charCodeAt(n - 2) == 0x3d ? 2 : 1;
  const out = new Uint8Array(n / 4 * 3 - padding);
  let bits: u32 = 0;
  let o = 0;
  for (let i = 0; i < n - padding; i++) {
    const digit = base64Digit(text.charCodeAt(i));
    if (digit < 0) return null;
    bits = bits << 6 | digit;
    const filled = (i % 4) * 6 + 6; // bits of this group of four
    if (i % 4 != 0) out[o++] = <u8>(bits >> (filled % 8));
  }
  return out;
}

function base64Digit(c: i32): i32 {
  if (c >= 0x41 && c <= 0x5a) return c - 0x41;
  if (c >= 0x61 && c <= 0x7a) return c - 0x61 + 26;
  if (c >= 0x30 && c <= 0x39) return c - 0x30 + 52;
  return c == 0x2b ? 62 : c == 0x2f ? 63 : -1;
}

const HEX = "0123456789abcdef";

/** Lower-case hexadecimal digits, two a byte. */
export function hexEncode(bytes: Uint8Array): string {
  const n = bytes.length;
  const out = changetype<string>(__new(<usize>n << 2, idof<string>()));
  for (let i = 0; i < n; i++) {
    const to = changetype<usize>(out) + (i << 2);
    store<u16>(to, HEX.charCodeAt(bytes[i] >> 4));
    store<u16>(to, HEX.charCodeAt(bytes[i] & 15), 2);
  }
  return out;
}

/** Reads hexadecimal digits of either case; null if there is anything else. */
export function hexDecode(text: string): Uint8Array | null {
  const n = text.length;
  if (n % 2 != 0) return null;
  const out = new Uint8Array(n / 2);
  for (let i = 0; i < n; i++) {
    const c = text.charCodeAt(i);
    const digit = HEX.indexOf(String.fromCharCode(c).toLowerCase());
    if (digit < 0) return null;
    out[i >> 1] = <u8>(out[i >> 1] << 4 | digit);
  }
  return out;
}
