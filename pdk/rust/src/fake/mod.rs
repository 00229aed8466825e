//! A host for tests on the build machine, without WebAssembly and network.
//!
//! ```
//! use trama_pdk::{effect_id, fake, http, json, json::Value, Error};
//!
//! fn create(input: Value) -> Result<Value, Error> {
//!     let response = http::Request::post("/contacts").header("Idempotency-Key", effect_id()?).json(&input).send()?;
//!     Ok(json!({"id": response.json()?["id"].clone()}))
//! }
//!
//! let host = fake::Host::new().answer(201, r#"{"id":"7"}"#);
//! assert_eq!(host.call(create, r#"{"name":"Ana"}"#).unwrap(), r#"{"id":"7"}"#);
//! let request = &host.requests()[0];
//! assert_eq!(request["url"].as_str(), Some("/contacts"));
//! assert_eq!(request["headers"]["Idempotency-Key"].as_str(), Some("test-effect"));
//! ```

mod sha256;
pub(crate) mod sys;

use crate::encoding::{base64_decode, base64_encode};
use crate::entry::{call, FromInput, IntoOutput};
use crate::json::{Object, Value};
use crate::{json, Error, DENIED};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::RefCell;
use std::rc::Rc;
use std::thread_local;

/// The id of the effect of every call.
pub const EFFECT_ID: &str = "test-effect";

/// The key that every name stands for, with HS256.
pub const HMAC_KEY: &[u8; 32] = b"trama-test-key-trama-test-key-32";

// What abi.MaxKVKey, MaxKVValue and MaxKVList say; bytes, and keys of an answer.
const MAX_KV_KEY: usize = 256;
const MAX_KV_VALUE: usize = 1 << 20;
const MAX_KV_LIST: i64 = 1000;

/// A host that answers as a test has told it. It keeps what plugins leave:
/// memory of the contact, requests and log lines.
#[derive(Clone, Debug, Default)]
pub struct Host {
    state: Rc<RefCell<State>>,
}

#[derive(Debug, Default)]
struct State {
    config: BTreeMap<String, String>,
    answers: VecDeque<Value>,
    requests: Vec<Value>,
    secrets: Vec<String>,
    kv: BTreeMap<String, Vec<u8>>,
    log: Vec<String>,
    drawn: u64,
}

thread_local! {
    /// The host of the call that runs on this thread.
    static CURRENT: RefCell<Option<Host>> = RefCell::new(None);
}


impl Host {
    pub fn new() -> Host {
        Host::default()
    }

    /// Gives plugins a setting.
    pub fn config(self, key: &str, value: &str) -> Host {
        self.state.borrow_mut().config.insert(key.into(), value.into());
        self
    }

    /// Lets plugins refer to a secret; others are denied.
    pub fn secret(self, name: &str) -> Host {
        self.state.borrow_mut().secrets.push(name.into());
        self
    }

    /// Answers the next request that has no answer yet.
    pub fn answer(self, status: u16, body: &str) -> Host {
        self.reply(json!({"ok": {"status": status, "body": body}}))
    }

    /// As [`Host::answer`], with headers; their names are in lower case.
    pub fn answer_with(self, status: u16, headers: &[(&str, &str)], body: &str) -> Host {
        let mut all = Object::new();
        for (name, value) in headers {
            all.insert(*name, *value);
        }
        self.reply(json!({"ok": {"status": status, "headers": all, "body": body}}))
    }

    /// Refuses the next request that has no answer yet.
    pub fn refuse(self, code: &str, message: &str) -> Host {
        self.reply(json!({"error": {"code": code, "message": message}}))
    }

    fn reply(self, reply: Value) -> Host {
        self.state.borrow_mut().answers.push_back(reply);
        self
    }

    /// Sets what the plugin remembers of the contact.
    pub fn remember(self, key: &str, value: impl Into<Vec<u8>>) -> Host {
        self.state.borrow_mut().kv.insert(key.into(), value.into());
        self
    }

    /// Calls a plugin's function as its export would. The output is text here,
    /// as that of most plugins is JSON.
    ///
    /// # Panics
    ///
    /// If the output is not UTF-8, or the function sends a request that has no
    /// answer.
    pub fn call<In: FromInput, Out: IntoOutput>(
        &self,
        function: impl FnOnce(In) -> Result<Out, Error>,
        input: impl Into<Vec<u8>>,
    ) -> Result<String, Error> {
        /// Takes the host away again, after a panic as well.
        struct Restore(Option<Host>);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.with(|current| *current.borrow_mut() = self.0.take());
            }
        }
        let _restore = Restore(CURRENT.with(|current| current.borrow_mut().replace(self.clone())));
        call(function, input.into()).map(|output| String::from_utf8(output).expect("the output is UTF-8"))
    }

    /// The requests that were sent, in the shape of `abi.HTTPRequest`.
    pub fn requests(&self) -> Vec<Value> {
        self.state.borrow().requests.clone()
    }

    /// What the plugin remembers of the contact under this key.
    pub fn remembered(&self, key: &str) -> Option<Vec<u8>> {
        self.state.borrow().kv.get(key).cloned()
    }

    /// The lines that were logged, as "info: text".
    pub fn log(&self) -> Vec<String> {
        self.state.borrow().log.clone()
    }

    /// Performs one function of Trama's namespace, in JSON as the real host.
    fn function(&self, name: &str, request: &[u8]) -> Vec<u8> {
        let request = match request {
            [] => Value::Null,
            bytes => Value::parse(bytes).expect("the PDK writes JSON"),
        };
        let reply = match self.state.borrow_mut().answer(name, &request) {
            Ok(value) if name != "http_send" => json!({ "ok": value }),
            Ok(reply) => reply,
            Err(error) => json!({"error": {"code": error.code, "message": error.message}}),
        };
        reply.to_vec()
    }
}

impl State {
    fn answer(&mut self, name: &str, request: &Value) -> Result<Value, Error> {
        let text = |field: &str| request[field].as_str().unwrap_or("").to_string();
        let bytes = |field: &str| base64_decode(&text(field)).ok_or_else(|| Error::invalid("want base64"));
        let key = || match text("key") {
            key if (1..=MAX_KV_KEY).contains(&key.len()) => Ok(key),
            key => Err(Error::invalid(std::format!("{}: the key has {} bytes, want 1 to {}", name, key.len(), MAX_KV_KEY))),
        };
        Ok(match name {
            "http_send" => {
                self.requests.push(request.clone());
                self.answers.pop_front().unwrap_or_else(|| {
                    panic!("the fake host has no answer to request {}: {}", self.requests.len(), request)
                })
            }
            "secret_ref" => {
                let name = text("name");
                if !self.secrets.contains(&name) {
                    return Err(Error::new(DENIED, std::format!("secret_ref: the secret \"{}\" is not granted", name)));
                }
                json!({"handle": std::format!("<secret:{}>", name)})
            }
            "effect_id" => json!({ "id": EFFECT_ID }),
            "deadline" => json!({"unix_millis": sys::now_millis() + 30_000}),
            "sign" => json!({"signature": base64_encode(&self.hmac(&text("algorithm"), &bytes("data")?)?)}),
            "verify" => json!({"valid": self.hmac(&text("algorithm"), &bytes("data")?)? [..] == bytes("signature")?[..]}),
            "random" => match request["n"].as_i64() {
                Some(n) if (1..=4096).contains(&n) => json!({"bytes": base64_encode(&self.draw(n as usize))}),
                _ => return Err(Error::invalid(std::format!("random: n is {}, want 1 to 4096", request["n"]))),
            },
            "kv_get" => match self.kv.get(&key()?) {
                Some(value) => json!({"found": true, "value": base64_encode(value)}),
                None => json!({"found": false, "value": null}),
            },
            "kv_set" => {
                let (key, value) = (key()?, bytes("value")?);
                if value.len() > MAX_KV_VALUE {
                    let told = std::format!("kv_set: the value has {} bytes, over the limit of {}", value.len(), MAX_KV_VALUE);
                    return Err(Error::new("limit", told));
                }
                self.kv.insert(key, value);
                json!({})
            }
            "kv_delete" => {
                self.kv.remove(&key()?);
                json!({})
            }
            "kv_list" => {
                let (prefix, after) = (text("prefix"), text("after"));
                let most = match request["limit"].as_i64() {
                    Some(n) if (1..=MAX_KV_LIST).contains(&n) => n as usize,
                    _ => MAX_KV_LIST as usize,
                };
                let mut keys: Vec<String> =
                    self.kv.keys().filter(|key| key.starts_with(&prefix) && **key > after).cloned().collect();
                let more = keys.len() > most;
                keys.truncate(most);
                json!({"keys": keys, "more": more})
            }
            other => return Err(Error::invalid(std::format!("the fake host has no {}", other))),
        })
    }

    fn hmac(&self, algorithm: &str, data: &[u8]) -> Result<[u8; 32], Error> {
        match algorithm {
            "HS256" => Ok(sha256::hmac(HMAC_KEY, data)),
            other => Err(Error::invalid(std::format!("the fake host's keys serve HS256, not {}", other))),
        }
    }

    /// Bytes that differ from draw to draw, and are the same in every test.
    fn draw(&mut self, n: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while all.len() < n {
            self.drawn += 1;
            all.extend_from_slice(&sha256::sum(&self.drawn.to_le_bytes()));
        }
        all.truncate(n);
        all
    }
}
