//! The language {{.Name}}: texts with {words}. manifest.json says what it is;
//! `trama plugin build` puts that into the module.

use trama_pdk::{json::Value, Error};

trama_pdk::export!(run);

/// Gives the code with each {word} replaced by the input's field of that name.
fn run(call: Value) -> Result<Value, Error> {
    let fields = call["input"].as_object().ok_or_else(|| Error::invalid("input: want an object"))?;
    let mut rest = call["code"].as_str().unwrap_or("");
    let mut text = String::new();
    while let Some(open) = rest.find('{') {
        let (before, after) = (&rest[..open], &rest[open + 1..]);
        text.push_str(before);
        let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
        if end == 0 || !after[end..].starts_with('}') {
            text.push('{'); // no word
            rest = after;
            continue;
        }
        match fields.get(&after[..end]) {
            Some(Value::String(value)) => text.push_str(value),
            Some(value) => text.push_str(&value.to_string()),
            None => return Err(Error::invalid(format!("unknown word: {}", &after[..end]))),
        }
        rest = &after[end + 1..];
    }
    text.push_str(rest);
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use trama_pdk::{fake::Host, json};

    #[test]
    fn runs() {
        for (code, input, want) in [
            ("Hello, {name}!", json!({"name": "Ana"}), Ok("Hello, Ana!")),
            ("{n} {ok}", json!({"n": 7, "ok": true}), Ok("7 true")),
            ("{ name } {", json!({}), Ok("{ name } {")),
            ("{nme}", json!({"name": "Ana"}), Err("unknown word: nme")),
            ("x", json!(7), Err("input: want an object")),
        ] {
            let output = Host::new().call(run, json!({"code": code, "input": input}).to_vec());
            let want = want.map(|text| Value::from(text).to_string());
            assert_eq!(output.map_err(|error| error.message), want.map_err(String::from), "{}", code);
        }
    }
}
