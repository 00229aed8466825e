//! The suite: one connector that uses the whole PDK, the same in every
//! language. What it does stands in the manifest and the cases that all of
//! them share.

use trama_pdk::encoding::{hex_decode, hex_encode};
use trama_pdk::json::Value;
use trama_pdk::{config, deadline, effect_id, http, json, kv, log, now, random, secret_ref, verify};
use trama_pdk::{Algorithm, Error};

trama_pdk::export!(echo, total, fetch, count, sign, settings, secret, clock);

/// What a float holds exactly, and so JSON in every language.
const MOST: f64 = 9007199254740991.0;

fn whole(n: f64) -> Option<i64> {
    Some(n as i64).filter(|whole| *whole as f64 == n && n.abs() <= MOST)
}

fn echo(input: Vec<u8>) -> Result<Vec<u8>, Error> {
    Ok(input)
}

fn total(input: Value) -> Result<Value, Error> {
    let items = input["items"].as_array().ok_or_else(|| Error::invalid("items: want a list"))?;
    let mut total = 0.0;
    for (i, item) in items.iter().enumerate() {
        let field = |name: &str| {
            let number = item[name].as_f64().filter(|n| whole(*n).is_some());
            number.ok_or_else(|| Error::invalid(format!("items[{}].{}: want a whole number", i, name)))
        };
        let product = field("price")? * field("quantity")?;
        total += product;
        if whole(product).and(whole(total)).is_none() {
            return Err(Error::invalid(format!("items[{}]: the total is beyond 9007199254740991", i)));
        }
    }
    Ok(json!({"total": whole(total), "items": items.len()}))
}

fn fetch(input: Value) -> Result<Value, Error> {
    let name = text(&input, "name")?;
    let mut request = http::Request::post("/contacts").header("idempotency-key", effect_id()?);
    if !input["type"].is_null() {
        request = request.header("content-type", text(&input, "type")?);
    }
    let mut request = request.json(&json!({ "name": name }));
    if flag(&input, "secured")? {
        request = request.ws_security(1, false, "http://www.w3.org/2003/05/soap-envelope");
    }
    let response = request.send()?;
    match response.status {
        200 | 201 => match response.json()?["id"].as_str() {
            Some(id) => Ok(json!({"status": response.status, "id": id})),
            None => Err(Error::new("error", "the service's answer: id: want a text")),
        },
        404 => Err(Error::new("not_found", format!("no contact {}", name))),
        status => {
            let mut error = Error::new("http_status", format!("status {}", status)).retryable(response.may_retry());
            error.retry_after_millis = response.retry_after_millis();
            Err(error)
        }
    }
}

fn count(input: Value) -> Result<Value, Error> {
    if !input["list"].is_null() {
        return Ok(json!({"keys": kv::list(text(&input, "list")?, "", 0)?.keys}));
    }
    let key = text(&input, "key")?;
    if flag(&input, "forget")? {
        kv::delete(key)?;
        return Ok(json!({"n": 0}));
    }
    let before = kv::get(key)?.unwrap_or_else(|| b"0".to_vec());
    let before = Value::parse(&before).ok().and_then(|kept| kept.as_f64()).filter(|n| *n < MOST).and_then(whole);
    let n = 1 + before.ok_or_else(|| Error::invalid(format!("{}: what is kept there is no number to add to", key)))?;
    kv::set(key, n.to_string().as_bytes())?;
    Ok(json!({ "n": n }))
}

fn sign(input: Value) -> Result<Value, Error> {
    let data = text(&input, "text")?.as_bytes();
    let algorithm = match (&input["algorithm"], input["algorithm"].as_str()) {
        (Value::Null, _) | (_, Some("HS256")) => Algorithm::HS256,
        (_, Some("HS512")) => Algorithm::HS512,
        _ => return Err(Error::invalid("algorithm: want HS256 or HS512")),
    };
    match &input["signature"] {
        Value::Null => Ok(json!({"signature": hex_encode(&trama_pdk::sign("suite", algorithm, data)?)})),
        _ => {
            let given = hex_decode(text(&input, "signature")?).ok_or_else(|| Error::invalid("signature: want hexadecimal digits"))?;
            Ok(json!({"valid": verify("suite", algorithm, data, &given)?}))
        }
    }
}

fn settings(input: Value) -> Result<Value, Error> {
    let key = text(&input, "key")?;
    log::info(&format!("config {}", key));
    log::warn(&format!("config {}", key));
    let value = config(key);
    log::debug(value.as_deref().unwrap_or(""));
    Ok(json!({ "value": value }))
}

fn secret(_: Value) -> Result<Value, Error> {
    let token = secret_ref("token")?;
    let response = http::Request::get("/me").header("Authorization", format!("Bearer {}", token)).send()?;
    Ok(json!({"status": response.status}))
}

fn clock(_: Value) -> Result<Value, Error> {
    let (one, other) = (random(16)?, random(16)?);
    let length = if one == other { 0 } else { one.len() };
    Ok(json!({"random": length, "deadline": deadline()? > now()}))
}

/// This export is written out, since one of its ways to fail is to return
/// without an error.
#[no_mangle]
pub extern "C" fn fail() -> i32 {
    let input = trama_pdk::take_input();
    if let Ok(Value::String(how)) = Value::parse(&input).map(|value| value["how"].clone()) {
        if how == "silent" {
            return 1;
        }
    }
    trama_pdk::finish(trama_pdk::call(fails, input))
}

fn fails(input: Value) -> Result<Value, Error> {
    match text(&input, "how")? {
        "plain" => Err("plain failure".into()),
        "coded" => Err(Error::new("teapot", "I'm a teapot").retry_after(1500).detail(json!({"short": "stout"}))),
        "panic" => panic!("oh no"),
        "trap" => core::arch::wasm32::unreachable(),
        _ => Err(Error::invalid("how: want plain, coded, panic, trap or silent")),
    }
}

/// A flag that is left out, or null, is false.
fn flag(input: &Value, field: &str) -> Result<bool, Error> {
    match &input[field] {
        Value::Null => Ok(false),
        value => value.as_bool().ok_or_else(|| Error::invalid(format!("{}: want true or false", field))),
    }
}

fn text<'a>(input: &'a Value, field: &str) -> Result<&'a str, Error> {
    input[field].as_str().ok_or_else(|| Error::invalid(format!("{}: want a text", field)))
}
