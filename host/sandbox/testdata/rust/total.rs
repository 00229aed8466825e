// testdata/json.c in Rust: total adds up an order. It reads the whole of its
// input into a tree, as plugins with a JSON library do, and stands for the
// small JSON calls of a real plugin in Rust.

#[link(wasm_import_module = "extism:host/env")]
extern "C" {
    fn input_length() -> u64;
    fn input_load_u8(index: u64) -> u32;
    fn input_load_u64(index: u64) -> u64;
    fn alloc(length: u64) -> u64;
    fn store_u8(offset: u64, byte: u32);
    fn store_u64(offset: u64, word: u64);
    fn output_set(offset: u64, length: u64);
    fn error_set(offset: u64);
}

fn input() -> Vec<u8> {
    let length = unsafe { input_length() };
    let mut bytes = Vec::with_capacity(length as usize);
    let mut i = 0;
    while i + 8 <= length {
        bytes.extend_from_slice(&unsafe { input_load_u64(i) }.to_le_bytes());
        i += 8;
    }
    while i < length {
        bytes.push(unsafe { input_load_u8(i) } as u8);
        i += 1;
    }
    bytes
}

fn block(text: &str) -> u64 {
    let offset = unsafe { alloc(text.len() as u64) };
    let mut at = offset;
    let words = text.as_bytes().chunks_exact(8);
    let rest = words.remainder();
    for word in words {
        unsafe { store_u64(at, u64::from_le_bytes(word.try_into().unwrap())) };
        at += 8;
    }
    for byte in rest {
        unsafe { store_u8(at, *byte as u32) };
        at += 1;
    }
    offset
}

// Value is JSON, as far as an order needs it.
enum Value {
    Object(Vec<(String, Value)>),
    Array(Vec<Value>),
    Text(String),
    Number(u64),
    Word, // true, false and null
}

impl Value {
    fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Object(fields) => fields.iter().find(|(n, _)| n == name).map(|(_, v)| v),
            _ => None,
        }
    }

    fn number(&self, name: &str) -> u64 {
        match self.get(name) {
            Some(Value::Number(n)) => *n,
            _ => 0,
        }
    }
}

struct Parser {
    bytes: Vec<u8>,
    at: usize,
}

impl Parser {
    fn next(&mut self) -> Option<u8> {
        while self.bytes.get(self.at)?.is_ascii_whitespace() {
            self.at += 1;
        }
        Some(self.bytes[self.at])
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.next() == Some(byte);
        self.at += found as usize;
        found
    }

    // list reads what item reads, between commas and up to end.
    fn list<T>(&mut self, end: u8, item: fn(&mut Parser) -> Option<T>) -> Option<Vec<T>> {
        let mut all = Vec::new();
        self.at += 1;
        while !self.take(end) {
            all.push(item(self)?);
            if !self.take(b',') && self.next() != Some(end) {
                return None;
            }
        }
        Some(all)
    }

    fn text(&mut self) -> Option<String> {
        let start = self.at + 1;
        let length = self.bytes[start..].iter().position(|b| *b == b'"')?;
        self.at = start + length + 1;
        String::from_utf8(self.bytes[start..start + length].to_vec()).ok()
    }

    fn field(&mut self) -> Option<(String, Value)> {
        if self.next()? != b'"' {
            return None;
        }
        let name = self.text()?;
        if !self.take(b':') {
            return None;
        }
        Some((name, self.value()?))
    }

    fn value(&mut self) -> Option<Value> {
        match self.next()? {
            b'{' => self.list(b'}', Parser::field).map(Value::Object),
            b'[' => self.list(b']', Parser::value).map(Value::Array),
            b'"' => self.text().map(Value::Text),
            first => {
                let start = self.at;
                while self.bytes.get(self.at).map_or(false, u8::is_ascii_alphanumeric) {
                    self.at += 1;
                }
                let token = std::str::from_utf8(&self.bytes[start..self.at]).ok()?;
                match first.is_ascii_digit() {
                    true => token.parse().ok().map(Value::Number),
                    false if token.is_empty() => None,
                    false => Some(Value::Word),
                }
            }
        }
    }
}

#[no_mangle]
pub extern "C" fn total() -> i32 {
    let mut parser = Parser { bytes: input(), at: 0 };
    let order = match parser.value() {
        Some(order @ Value::Object(_)) => order,
        _ => {
            unsafe { error_set(block("{\"code\":\"bad_input\",\"message\":\"input is not an object\"}")) };
            return 1;
        }
    };
    let (mut sum, mut count) = (0, 0);
    if let Some(Value::Array(items)) = order.get("items") {
        count = items.len();
        sum = items.iter().map(|item| item.number("price") * item.number("quantity")).sum();
    }
    let output = format!("{{\"total\":{},\"items\":{}}}", sum, count);
    unsafe { output_set(block(&output), output.len() as u64) };
    0
}
