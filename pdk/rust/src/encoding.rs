//! Bytes as text.

use alloc::string::String;
use alloc::vec::Vec;

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Standard base64 with padding (RFC 4648, section 4).
pub fn base64_encode(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity((bytes.len() + 2) / 3 * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0, |bits, byte| bits << 8 | *byte as usize) << (8 * (3 - group.len()));
        let digit = |shift: usize| BASE64[bits >> shift & 63];
        let mut digits = [digit(18), digit(12), digit(6), digit(0)];
        digits[group.len() + 1..].fill(b'=');
        out.extend_from_slice(&digits);
    }
    String::from_utf8(out).unwrap_or_default() // it is ASCII
}

/// Reads standard base64; None if it is anything else, or its padding lacks.
pub fn base64_decode(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    if text.len() % 4 != 0 {
        return None;
    }
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    for (i, group) in text.chunks_exact(4).enumerate() {
        let last = (i + 1) * 4 == text.len();
        let digits = match group {
            [_, _, b'=', b'='] if last => 2,
            [_, _, _, b'='] if last => 3,
            _ => 4,
        };
        let mut bits = 0;
        for byte in &group[..digits] {
            bits = bits << 6 | base64_digit(*byte)?;
        }
        bits <<= 6 * (4 - digits);
        out.extend_from_slice(&[(bits >> 16) as u8, (bits >> 8) as u8, bits as u8][..digits - 1]);
    }
    Some(out)
}

fn base64_digit(byte: u8) -> Option<u32> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    } as u32)
}

/// Lower-case hexadecimal digits, two a byte.
pub fn hex_encode(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from_digit(n as u32, 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Reads hexadecimal digits of either case; None if there is anything else.
pub fn hex_decode(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| (byte as char).to_digit(16);
    text.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some((digit(*high)? << 4 | digit(*low)?) as u8),
            _ => None,
        })
        .collect()
}
