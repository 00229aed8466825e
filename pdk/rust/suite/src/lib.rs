//! The suite: one connector that uses the whole PDK, the same in every
//! language. What it does stands in the manifest and the cases that all of
//! them share.

use trama_pdk::encoding::{hex_decode, hex_encode};
use trama_pdk::json::Value;
use trama_pdk::{config, deadline, effect_id, http, json, kv, log, now, random, secret_ref, verify};
use trama_pdk::{Algorithm, Error};

trama_pdk::export!(echo, total, fetch, count, sign, settings, secret, clock);

fn echo(input: Vec<u8>) -> Result<Vec<u8>, Error> {
    Ok(input)
}

fn total(input: Value) -> Result<Value, Error> {
    let items = input["items"].as_array().ok_or_else(|| Error::invalid("items: want a list"))?;
    let mut total = 0i64;
    for (i, item) in items.iter().enumerate() {
        let field = |name: &str| {
            item[name].as_i64().ok_or_else(|| Error::invalid(format!("items[{}].{}: want a whole number", i, name)))
        };
        total += field("price")? * field("quantity")?;
    }
    Ok(json!({"total": total, "items": items.len()}))
}

fn fetch(input: Value) -> Result<Value, Error> {
    let name = text(&input, "name")?;
    let response = http::Request::post("/contacts")
        .header("content-type", "application/json")
        .header("idempotency-key", effect_id()?)
        .body(json!({ "name": name }).to_vec())
        .send()?;
    match response.status {
        200 | 201 => Ok(json!({"status": response.status, "id": &response.json()?["id"]})),
        404 => Err(Error::new("not_found", format!("no contact {}", name))),
        status => {
            let mut error = Error::new("http_status", format!("status {}", status)).retryable(response.may_retry());
            error.retry_after_millis = response.retry_after_millis();
            Err(error)
        }
    }
}

fn count(input: Value) -> Result<Value, Error> {
    if let Some(prefix) = input["list"].as_str() {
        return Ok(json!({"keys": kv::list(prefix, "", 0)?.keys}));
    }
    let key = text(&input, "key")?;
    if input["forget"].as_bool() == Some(true) {
        kv::delete(key)?;
        return Ok(json!({"n": 0}));
    }
    let before = kv::get(key)?.unwrap_or_else(|| b"0".to_vec());
    let before: i64 = String::from_utf8_lossy(&before).parse().map_err(|_| Error::invalid("the value is no number"))?;
    kv::set(key, (before + 1).to_string().as_bytes())?;
    Ok(json!({"n": before + 1}))
}

fn sign(input: Value) -> Result<Value, Error> {
    let data = text(&input, "text")?.as_bytes();
    match input["signature"].as_str() {
        None => Ok(json!({"signature": hex_encode(&trama_pdk::sign("suite", Algorithm::HS256, data)?)})),
        Some(hex) => {
            let given = hex_decode(hex).ok_or_else(|| Error::invalid("signature: want hexadecimal digits"))?;
            Ok(json!({"valid": verify("suite", Algorithm::HS256, data, &given)?}))
        }
    }
}

fn settings(input: Value) -> Result<Value, Error> {
    let key = text(&input, "key")?;
    log::info(&format!("config {}", key));
    log::warn(&format!("config {}", key));
    Ok(json!({ "value": config(key) }))
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
        _ => Err(Error::invalid("how: unknown way to fail")),
    }
}

fn text<'a>(input: &'a Value, field: &str) -> Result<&'a str, Error> {
    input[field].as_str().ok_or_else(|| Error::invalid(format!("{}: want a text", field)))
}
