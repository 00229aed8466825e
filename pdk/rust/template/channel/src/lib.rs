//! The channel adapter {{.Name}}. manifest.json says what it is;
//! `trama plugin build` puts that into the module.

use trama_pdk::encoding::base64_decode;
use trama_pdk::{http, json, json::Object, json::Value, Error, UNSUPPORTED};

trama_pdk::export!(receive, send);

/// Names the address space of the service's contacts.
const SCHEME: &str = "{{.Scheme}}";

/// Gives a unit for each message of a webhook, and says of one that it can't
/// read what it lacks; a webhook about something else has none. The host has
/// checked the signature and stored the request before; it takes a unit with a
/// known id once.
fn receive(input: Value) -> Result<Value, Error> {
    let body = input["body"].as_str().and_then(base64_decode).ok_or_else(|| Error::invalid("body: want base64"))?;
    let body = Value::parse(&body).map_err(|fault| Error::invalid(format!("webhook body: {}", fault)))?;
    let (mut units, mut unread) = (Vec::new(), Vec::new());
    for (i, message) in body["messages"].as_array().unwrap_or(&[]).iter().enumerate() {
        match unit(message) {
            Some(unit) => units.push(unit),
            None => unread.push(format!("messages[{}]: want id, from and text", i).into()),
        }
    }
    let mut received = Object::new();
    received.insert("units", units);
    if !unread.is_empty() {
        received.insert("unread", Value::Array(unread));
    }
    Ok(Value::Object(received))
}

fn unit(message: &Value) -> Option<Value> {
    let text = |field: &str| message[field].as_str().filter(|text| !text.is_empty());
    Some(json!({
        "id": text("id")?,
        "from": {"scheme": SCHEME, "path": text("from")?},
        "name": text("name").unwrap_or(""),
        "message": {"type": "text", "text": text("text")?}
    }))
}

/// Sends one text. The effect's id is the same when the host has to repeat the
/// call, so the service sends no second one.
fn send(input: Value) -> Result<Value, Error> {
    let message = &input["message"];
    if message["type"].as_str() != Some("text") {
        let kind = message["type"].as_str().unwrap_or("a message without a type");
        return Err(Error::new(UNSUPPORTED, format!("{}: this channel sends text alone", kind)));
    }
    let response = http::Request::post("/messages") // of the channel's connection, which adds the credentials
        .header("Idempotency-Key", input["effect_id"].as_str().unwrap_or(""))
        .json(&json!({"to": &input["to"]["path"], "text": &message["text"]}))
        .send()?;
    if response.status != 200 && response.status != 201 {
        return Err(response.error());
    }
    match response.json().unwrap_or(Value::Null)["id"].as_str() {
        Some(id) if !id.is_empty() => Ok(json!({ "message_id": id })),
        _ => Err(Error::new("bad_answer", format!("the service answered {} without the id of the message", response.status))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trama_pdk::{encoding::base64_encode, fake::Host};

    #[test]
    fn receives() {
        let body = base64_encode(br#"{"messages":[{"id":"m1","from":"5511","name":"Ana","text":"Oi"}]}"#);
        let output = Host::new().call(receive, json!({ "body": body }).to_vec()).unwrap();
        let unit = &Value::parse(output.as_bytes()).unwrap()["units"][0];
        assert_eq!(unit["id"].as_str(), Some("m1"));
        assert_eq!(unit["from"]["path"].as_str(), Some("5511"));
        assert_eq!(unit["message"]["text"].as_str(), Some("Oi"));
        let half = json!({"body": base64_encode(b"{")});
        assert_eq!(Host::new().call(receive, half.to_vec()).unwrap_err().code, "invalid");
    }

    // The host gives the answers of the service, and keeps what was sent.
    #[test]
    fn sends() {
        let host = Host::new().answer(201, r#"{"id":"m2"}"#);
        let text = json!({"to": {"path": "5511"}, "message": {"type": "text", "text": "Oi"}, "effect_id": "e1"});
        assert_eq!(host.call(send, text.to_vec()).unwrap(), r#"{"message_id":"m2"}"#);
        let sent = &host.requests()[0];
        assert_eq!(sent["headers"]["Idempotency-Key"].as_str(), Some("e1"));
        assert_eq!(sent["body"].as_str(), Some(r#"{"to":"5511","text":"Oi"}"#));
        let place = json!({"message": {"type": "location"}});
        assert_eq!(host.call(send, place.to_vec()).unwrap_err().code, "unsupported");
    }
}
