//! From JSON to values.

use super::{Object, Value};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// How deep lists and objects may stand in each other: more would cost a
/// stack that no honest input needs.
pub const MAX_DEPTH: usize = 256;

/// Why bytes are not the JSON that was wanted, and where: "byte 12: want ',' or '}'".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The number of bytes before the fault.
    pub offset: usize,
    pub reason: &'static str,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "byte {}: {}", self.offset, self.reason)
    }
}

pub(super) fn parse(bytes: &[u8]) -> Result<Value, ParseError> {
    let text = core::str::from_utf8(bytes)
        .map_err(|fault| ParseError { offset: fault.valid_up_to(), reason: "these bytes are not UTF-8" })?;
    let mut parser = Parser { text, bytes, at: 0, depth: 0 };
    parser.space();
    let value = parser.value()?;
    parser.space();
    match parser.peek() {
        None => Ok(value),
        Some(_) => parser.fail("there is more after the JSON value"),
    }
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

type Parsed<T> = Result<T, ParseError>;

impl<'a> Parser<'a> {
    fn fail<T>(&self, reason: &'static str) -> Parsed<T> {
        Err(ParseError { offset: self.at, reason })
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += found as usize;
        found
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Parsed<Value> {
        match self.peek() {
            Some(b'{') => self.nested(Parser::object),
            Some(b'[') => self.nested(Parser::array),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => self.fail("want a JSON value"),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Parsed<Value> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return self.fail("want a JSON value");
        }
        self.at += word.len();
        Ok(value)
    }

    fn nested(&mut self, read: fn(&mut Self) -> Parsed<Value>) -> Parsed<Value> {
        if self.depth == MAX_DEPTH {
            return self.fail("lists and objects stand too deep in each other");
        }
        self.depth += 1;
        self.at += 1; // the bracket
        self.space();
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn array(&mut self) -> Parsed<Value> {
        let mut items = Vec::new();
        if self.take(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value()?);
            self.space();
            if self.take(b']') {
                return Ok(Value::Array(items));
            }
            if !self.take(b',') {
                return self.fail("want ',' or ']'");
            }
            self.space();
        }
    }

    fn object(&mut self) -> Parsed<Value> {
        let mut fields = Vec::new();
        if self.take(b'}') {
            return Ok(Value::Object(Object { fields }));
        }
        loop {
            if self.peek() != Some(b'"') {
                return self.fail("want the name of a field, in quotes");
            }
            let name = self.string()?;
            self.space();
            if !self.take(b':') {
                return self.fail("want ':'");
            }
            self.space();
            fields.push((name, self.value()?));
            self.space();
            if self.take(b'}') {
                return Ok(Value::Object(Object { fields: last_of_each(fields) }));
            }
            if !self.take(b',') {
                return self.fail("want ',' or '}'");
            }
            self.space();
        }
    }

    /// Reads a number. Its grammar is checked here: Rust's own parsers take
    /// more ("+1", "1.", "inf").
    fn number(&mut self) -> Parsed<Value> {
        let start = self.at;
        let negative = self.take(b'-');
        if !self.take(b'0') && self.digits() == 0 {
            return self.fail("want a digit");
        }
        let mut whole = true;
        if self.take(b'.') {
            whole = false;
            if self.digits() == 0 {
                return self.fail("want a digit");
            }
        }
        if self.take(b'e') || self.take(b'E') {
            whole = false;
            let _sign = self.take(b'+') || self.take(b'-');
            if self.digits() == 0 {
                return self.fail("want a digit");
            }
        }
        let text = &self.text[start..self.at];
        if whole {
            if let Ok(n) = text.parse() {
                return Ok(Value::Int(n));
            }
            if let (false, Ok(n)) = (negative, text.parse()) {
                return Ok(Value::Unsigned(n));
            }
        }
        match text.parse::<f64>() {
            Ok(n) if n.is_finite() => Ok(Value::Float(n)),
            _ => Err(ParseError { offset: start, reason: "this number is too large" }),
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        self.at - start
    }

    fn string(&mut self) -> Parsed<String> {
        self.at += 1; // the quote
        let mut out = String::new();
        loop {
            let start = self.at;
            while matches!(self.peek(), Some(byte) if byte >= b' ' && byte != b'"' && byte != b'\\') {
                self.at += 1;
            }
            out.push_str(&self.text[start..self.at]); // between ASCII, so between characters
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                Some(_) => return self.fail("a control character in a text; write it as an escape"),
                None => return self.fail("the text does not end"),
            }
        }
    }

    fn escape(&mut self) -> Parsed<char> {
        let escaped = match self.peek() {
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            Some(byte @ (b'"' | b'\\' | b'/')) => byte as char,
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            _ => return self.fail("there is no such escape"),
        };
        self.at += 1;
        Ok(escaped)
    }

    /// Reads the digits of \u, and the second half of a pair with them.
    fn unicode(&mut self) -> Parsed<char> {
        let first = self.hex()?;
        if (0xd800..0xdc00).contains(&first) && self.bytes[self.at..].starts_with(b"\\u") {
            let back = self.at;
            self.at += 2;
            let second = self.hex()?;
            if (0xdc00..0xe000).contains(&second) {
                let pair = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(pair).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = back; // it stands for itself
        }
        Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex(&mut self) -> Parsed<u32> {
        let mut code = 0;
        for _ in 0..4 {
            match self.peek().and_then(|byte| (byte as char).to_digit(16)) {
                Some(digit) => code = code << 4 | digit,
                None => return self.fail("want four hexadecimal digits"),
            }
            self.at += 1;
        }
        Ok(code)
    }
}

/// Keeps the last value of each name, at the place of the first, without
/// comparing every name with every other.
fn last_of_each(mut fields: Vec<(String, Value)>) -> Vec<(String, Value)> {
    const FEW: usize = 8;
    let repeats = |i: usize| fields[..i].iter().any(|earlier| earlier.0 == fields[i].0);
    if fields.len() <= FEW && !(1..fields.len()).any(repeats) {
        return fields;
    }
    let mut order: Vec<usize> = (0..fields.len()).collect();
    order.sort_unstable_by(|a, b| fields[*a].0.cmp(&fields[*b].0).then(a.cmp(b)));
    let mut gone = Vec::new();
    let mut first = order[0];
    for pair in order.windows(2) {
        if fields[pair[0]].0 != fields[pair[1]].0 {
            first = pair[1];
            continue;
        }
        gone.push(pair[1]);
        fields.swap(first, pair[1]);
        // The names are equal: what was swapped is the value.
    }
    gone.sort_unstable();
    let mut at = 0;
    fields.retain(|_| {
        at += 1;
        gone.binary_search(&(at - 1)).is_err()
    });
    fields
}
