//! What reaches outside of the plugin. Each function of Trama's own makes the
//! module import it, and so need a Trama host; what the host refuses comes
//! back as an [`Error`] with the host's code. [`config`] and [`log`] are
//! Extism's, and work in every host that speaks it.

use crate::encoding::{base64_decode, base64_encode};
use crate::error::{Error, ERROR};
use crate::json;
use crate::json::Value;
use crate::sys;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Gives a setting that the host has for this plugin.
pub fn config(key: &str) -> Option<String> {
    sys::config(key).map(|value| String::from_utf8_lossy(&value).into_owned())
}

/// Gives a handle that stands for the named secret in the requests of this
/// call, at the places that the manifest declares. It is text without
/// characters that an address or a header would need escaped.
pub fn secret_ref(name: &str) -> Result<String, Error> {
    text(&ask(sys::SECRET_REF, Some(json!({ "name": name })))?, "handle")
}

/// Gives the id of the effect that this call performs. It is the same when
/// the host repeats the call: an idempotency key.
pub fn effect_id() -> Result<String, Error> {
    text(&ask(sys::EFFECT_ID, None)?, "id")
}

/// Gives the instant at which the host stops the call, in milliseconds since
/// the Unix epoch.
pub fn deadline() -> Result<u64, Error> {
    let reply = ask(sys::DEADLINE, None)?;
    reply["unix_millis"].as_u64().ok_or_else(|| lacks("unix_millis"))
}

/// Gives the time of the host's clock, in milliseconds since the Unix epoch.
/// It is WASI's clock_time_get, on every target.
pub fn now() -> u64 {
    sys::now_millis()
}

/// Gives `n` bytes, at most 4096, from the host's cryptographic source. What
/// a plugin seeds by itself may repeat: calls start from an image of its memory.
pub fn random(n: usize) -> Result<Vec<u8>, Error> {
    bytes(&ask(sys::RANDOM, Some(json!({ "n": n })))?, "bytes")
}

/// How a signature is made (RFC 7518, RFC 8037). The key decides which one it
/// serves: a request that names another is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256, 384 or 512; the key is at least as long as the hash.
    HS256,
    HS384,
    HS512,
    /// RSASSA-PKCS1-v1_5 with these hashes.
    RS256,
    RS384,
    RS512,
    /// RSASSA-PSS with these hashes.
    PS256,
    PS384,
    PS512,
    /// ECDSA on P-256, P-384 and P-521; R and S, each as long as the curve's field.
    ES256,
    ES384,
    ES512,
    /// Ed25519.
    EdDSA,
}

impl Algorithm {
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::HS256 => "HS256",
            Algorithm::HS384 => "HS384",
            Algorithm::HS512 => "HS512",
            Algorithm::RS256 => "RS256",
            Algorithm::RS384 => "RS384",
            Algorithm::RS512 => "RS512",
            Algorithm::PS256 => "PS256",
            Algorithm::PS384 => "PS384",
            Algorithm::PS512 => "PS512",
            Algorithm::ES256 => "ES256",
            Algorithm::ES384 => "ES384",
            Algorithm::ES512 => "ES512",
            Algorithm::EdDSA => "EdDSA",
        }
    }
}

/// Signs data with a key that stays in the host.
pub fn sign(key: &str, algorithm: Algorithm, data: &[u8]) -> Result<Vec<u8>, Error> {
    let request = json!({"key": key, "algorithm": algorithm.name(), "data": base64_encode(data)});
    bytes(&ask(sys::SIGN, Some(request))?, "signature")
}

/// Checks a signature with a key that stays in the host.
pub fn verify(key: &str, algorithm: Algorithm, data: &[u8], signature: &[u8]) -> Result<bool, Error> {
    let request = json!({
        "key": key,
        "algorithm": algorithm.name(),
        "data": base64_encode(data),
        "signature": base64_encode(signature)
    });
    ask(sys::VERIFY, Some(request))?["valid"].as_bool().ok_or_else(|| lacks("valid"))
}

/// Lines for the run's trace.
pub mod log {
    use crate::sys;

    pub fn debug(text: &str) {
        sys::log(sys::LOG_DEBUG, text)
    }

    pub fn info(text: &str) {
        sys::log(sys::LOG_INFO, text)
    }

    pub fn warn(text: &str) {
        sys::log(sys::LOG_WARN, text)
    }

    pub fn error(text: &str) {
        sys::log(sys::LOG_ERROR, text)
    }
}

/// The plugin's own memory of the contact whose message is worked on. A
/// gateway run has no contact, so all of it is refused there. What a call
/// writes is kept together with its result, and forgotten if it fails.
pub mod kv {
    use super::{ask, bytes, lacks};
    use crate::encoding::base64_encode;
    use crate::error::Error;
    use crate::{json, sys};
    use alloc::string::String;
    use alloc::vec::Vec;

    /// Reads a value; None if there is none.
    pub fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
        let reply = ask(sys::KV_GET, Some(json!({ "key": key })))?;
        match reply["found"].as_bool() {
            Some(true) => bytes(&reply, "value").map(Some),
            Some(false) => Ok(None),
            None => Err(lacks("found")),
        }
    }

    /// Writes a value of at most 1 MiB. A key has at most 256 bytes.
    pub fn set(key: &str, value: &[u8]) -> Result<(), Error> {
        ask(sys::KV_SET, Some(json!({"key": key, "value": base64_encode(value)}))).map(drop)
    }

    /// Removes a value, if it is there.
    pub fn delete(key: &str) -> Result<(), Error> {
        ask(sys::KV_DELETE, Some(json!({ "key": key }))).map(drop)
    }

    /// Keys in ascending order of their bytes.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Keys {
        pub keys: Vec<String>,
        /// There are others after them.
        pub more: bool,
    }

    /// Lists keys that begin with `prefix`, after the key `after`, at most
    /// `limit` of them (0: as many as the host gives at once).
    pub fn list(prefix: &str, after: &str, limit: usize) -> Result<Keys, Error> {
        let reply = ask(sys::KV_LIST, Some(json!({"prefix": prefix, "after": after, "limit": limit})))?;
        let keys = reply["keys"].as_array().unwrap_or(&[]);
        Ok(Keys {
            keys: keys.iter().filter_map(|key| key.as_str().map(String::from)).collect(),
            more: reply["more"].as_bool().unwrap_or(false),
        })
    }
}

/// Calls a function of the host and takes its reply apart.
pub(crate) fn ask(function: sys::Function, request: Option<Value>) -> Result<Value, Error> {
    let reply = sys::exchange(function, &request.map_or_else(Vec::new, |value| value.to_vec()));
    let reply = Value::parse(&reply).map_err(|fault| Error::new(ERROR, format!("reply of the host: {}", fault)))?;
    match (reply.get("error"), reply.get("ok")) {
        (Some(error), _) if !error.is_null() => Err(Error::from_wire(error)),
        (_, Some(answer)) => Ok(answer.clone()),
        _ => Err(lacks("ok")),
    }
}

fn text(reply: &Value, field: &str) -> Result<String, Error> {
    reply[field].as_str().map(String::from).ok_or_else(|| lacks(field))
}

fn bytes(reply: &Value, field: &str) -> Result<Vec<u8>, Error> {
    let text = match &reply[field] {
        Value::Null => "", // as Go writes no bytes
        value => value.as_str().ok_or_else(|| lacks(field))?,
    };
    base64_decode(text).ok_or_else(|| lacks(field))
}

pub(crate) fn lacks(field: &str) -> Error {
    Error::new(ERROR, format!("reply of the host: it lacks {}", field))
}
