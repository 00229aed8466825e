//! The plugin {{.Name}}. manifest.json says what it is; `trama plugin build`
//! puts that into the module.

use trama_pdk::{effect_id, http, json, json::Value, Error};

// Each operation of the manifest is an exported function, which the tests
// below call without WebAssembly.
trama_pdk::export!(greet, create);

fn greet(input: Value) -> Result<Value, Error> {
    Ok(json!({"greeting": format!("Hello, {}!", name(&input)?)}))
}

/// Makes a contact. The effect's id is the same when the host has to repeat
/// the call, so the service makes no second one.
fn create(input: Value) -> Result<Value, Error> {
    let response = http::Request::post("/contacts") // of the node's connection, which adds the credentials
        .header("Idempotency-Key", effect_id()?)
        .json(&json!({"name": name(&input)?}))
        .send()?;
    if response.status != 200 && response.status != 201 {
        return Err(response.error());
    }
    match response.json()?["id"].as_str() {
        Some(id) if !id.is_empty() => Ok(json!({"id": id})),
        _ => Err(Error::new("error", "answer of the service: it has no id")),
    }
}

/// The input of both operations: {"name":TEXT} and nothing else.
fn name(input: &Value) -> Result<&str, Error> {
    input.only(&["name"])?;
    match input["name"].as_str() {
        Some(name) if !name.is_empty() => Ok(name),
        _ => Err(Error::invalid("name: want a text that is not empty")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trama_pdk::fake::Host;

    #[test]
    fn greets() {
        let host = Host::new();
        assert_eq!(host.call(greet, r#"{"name":"Ana"}"#).unwrap(), r#"{"greeting":"Hello, Ana!"}"#);
        assert_eq!(host.call(greet, "{}").unwrap_err().code, "invalid");
        assert_eq!(host.call(greet, r#"{"name":"Ana","nmae":"Bia"}"#).unwrap_err().code, "invalid");
    }

    // The host gives the answers of the service, and keeps what was sent.
    #[test]
    fn creates() {
        let host = Host::new().answer(201, r#"{"id":"7"}"#).answer(503, "");
        assert_eq!(host.call(create, r#"{"name":"Ana"}"#).unwrap(), r#"{"id":"7"}"#);
        let sent = &host.requests()[0];
        assert_eq!(sent["url"].as_str(), Some("/contacts"));
        assert_eq!(sent["headers"]["Idempotency-Key"].as_str(), Some("test-effect"));
        assert_eq!(sent["body"].as_str(), Some(r#"{"name":"Ana"}"#));
        assert!(host.call(create, r#"{"name":"Ana"}"#).unwrap_err().retryable);
    }
}
