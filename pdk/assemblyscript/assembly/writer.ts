const HEX = "0123456789abcdef";

/** Bytes of JSON, in a buffer that grows. */
export class Writer {
  buffer: ArrayBuffer = new ArrayBuffer(256);
  length: i32 = 0;

  /** Makes room for n bytes and gives the address of the first. */
  private room(n: i32): usize {
    const need = this.length + n;
    if (need > this.buffer.byteLength) {
      // Its size counts at the end alone, so the buffer may be larger.
      const size = max(need, this.buffer.byteLength << 1);
      this.buffer = changetype<ArrayBuffer>(__renew(changetype<usize>(this.buffer), size));
    }
    return changetype<usize>(this.buffer) + this.length;
  }

  byte(value: u8): void {
    store<u8>(this.room(1), value);
    this.length++;
  }

  /** Writes text of ASCII as it is. */
  ascii(text: string): void {
    const n = text.length;
    const to = this.room(n);
    for (let i = 0; i < n; i++) store<u8>(to + i, <u8>load<u16>(changetype<usize>(text) + (i << 1)));
    this.length += n;
  }

  /** Writes text in quotes, as UTF-8; half of a surrogate pair becomes U+FFFD. */
  quoted(text: string): void {
    const n = text.length;
    const from = changetype<usize>(text);
    let need = 2;
    for (let i = 0; i < n; i++) need += sizeOf(load<u16>(from + (i << 1)));
    let to = this.room(need);
    this.length += need;
    store<u8>(to++, 0x22);
    for (let i = 0; i < n; i++) {
      const c = <u32>load<u16>(from + (i << 1));
      if (c < 0x80) {
        if (c >= 0x20 && c != 0x22 && c != 0x5c) store<u8>(to++, c);
        else to = escape(c, to);
      } else if (c < 0x800) {
        store<u8>(to++, c >> 6 | 0xc0);
        store<u8>(to++, c & 0x3f | 0x80);
      } else if ((c & 0xfc00) == 0xd800 && i + 1 < n && (load<u16>(from + (i << 1), 2) & 0xfc00) == 0xdc00) {
        const code = 0x10000 + ((c & 0x3ff) << 10 | <u32>load<u16>(from + (++i << 1)) & 0x3ff);
        store<u8>(to++, code >> 18 | 0xf0);
        store<u8>(to++, code >> 12 & 0x3f | 0x80);
        store<u8>(to++, code >> 6 & 0x3f | 0x80);
        store<u8>(to++, code & 0x3f | 0x80);
      } else {
        const code: u32 = (c & 0xf800) == 0xd800 ? 0xfffd : c;
        store<u8>(to++, code >> 12 | 0xe0);
        store<u8>(to++, code >> 6 & 0x3f | 0x80);
        store<u8>(to++, code & 0x3f | 0x80);
      }
    }
    store<u8>(to++, 0x22);
    this.length -= <i32>(this.start + this.length - to); // a pair counts six, and takes four
  }

  private get start(): usize {
    return changetype<usize>(this.buffer);
  }
}

/** The bytes that a unit of text needs, at most. */
function sizeOf(c: u32): i32 {
  if (c >= 0x800) return 3;
  if (c >= 0x80) return 2;
  if (c >= 0x20) return c == 0x22 || c == 0x5c ? 2 : 1;
  return shortEscape(c) != 0 ? 2 : 6;
}

/** The letter of a control character's short escape, or 0. */
function shortEscape(c: u32): u32 {
  switch (c) {
    case 0x08: return 0x62;
    case 0x09: return 0x74;
    case 0x0a: return 0x6e;
    case 0x0c: return 0x66;
    case 0x0d: return 0x72;
    default: return 0;
  }
}

function escape(c: u32, to: usize): usize {
  store<u8>(to, 0x5c);
  const letter = c >= 0x20 ? c : shortEscape(c);
  if (letter != 0) {
    store<u8>(to, letter, 1);
    return to + 2;
  }
  store<u32>(to, 0x30303075, 1); // u000
  store<u8>(to, 0x30 + (c >> 4), 4);
  store<u8>(to, HEX.charCodeAt(c & 15), 5);
  return to + 6;
}
