//! From values to compact JSON.

use super::Value;
use alloc::format;
use alloc::vec::Vec;
use core::fmt;

pub(super) fn value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int(n) => whole(n.unsigned_abs(), *n < 0, out),
        Value::Unsigned(n) => whole(*n, false, out),
        Value::Float(n) => float(*n, out),
        Value::String(text) => string(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                self::value(item, out);
            }
            out.push(b']');
        }
        Value::Object(object) => {
            out.push(b'{');
            for (i, (name, field)) in object.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                string(name, out);
                out.push(b':');
                self::value(field, out);
            }
            out.push(b'}');
        }
    }
}

fn whole(mut n: u64, negative: bool, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    if negative {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

/// Writes the shortest text that reads back as n, as JavaScript does: with an
/// exponent for the very large and small ones, and no sign of zero.
fn float(n: f64, out: &mut Vec<u8>) {
    let size = if n < 0.0 { -n } else { n };
    if !n.is_finite() {
        out.extend_from_slice(b"null");
    } else if size == 0.0 {
        out.push(b'0');
    } else if !(1e-6..1e21).contains(&size) {
        out.extend_from_slice(format!("{:e}", n).as_bytes());
    } else {
        out.extend_from_slice(format!("{}", n).as_bytes());
    }
}

fn string(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes = text.as_bytes();
    out.push(b'"');
    let mut plain = 0; // the start of what needs no escape
    for (i, byte) in bytes.iter().enumerate() {
        if *byte >= b' ' && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[plain..i]);
        plain = i + 1;
        match *byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            8 => out.extend_from_slice(b"\\b"),
            12 => out.extend_from_slice(b"\\f"),
            other => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[HEX[(other >> 4) as usize], HEX[(other & 15) as usize]]);
            }
        }
    }
    out.extend_from_slice(&bytes[plain..]);
    out.push(b'"');
}

/// Compact JSON.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&alloc::string::String::from_utf8_lossy(&self.to_vec()))
    }
}
