//! HTTP through the host's egress: only where the plugin was granted to, and
//! with the authentication of the connection that the node uses it with.
//!
//! ```no_run
//! # fn main() -> Result<(), trama_pdk::Error> {
//! use trama_pdk::{effect_id, http, json};
//! let response = http::Request::post("/contacts")
//!     .header("Idempotency-Key", effect_id()?)
//!     .json(&json!({"name": "Ana"}))
//!     .send()?;
//! if response.status != 201 {
//!     return Err(response.error());
//! }
//! let id = response.json()?["id"].clone();
//! # Ok(())
//! # }
//! ```

use crate::encoding::{base64_decode, base64_encode};
use crate::error::Error;
use crate::host::{ask, lacks};
use crate::json;
use crate::json::{Object, ParseError, Value};
use crate::sys;
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// One request: made by [`Request::get`], [`Request::post`] or
/// [`Request::new`], sent by [`Request::send`].
#[derive(Clone, Debug)]
pub struct Request {
    fields: Object,
    headers: Object,
    parts: Vec<Value>,
    json: bool,
}

impl Request {
    /// A request with any method, in upper case. The address is absolute, or
    /// starts with "/" or "?" (or is empty) and is appended to the base URL of
    /// the call's connection.
    pub fn new(method: &str, url: impl Into<String>) -> Request {
        let mut fields = Object::new();
        fields.insert("method", method);
        fields.insert("url", url.into());
        Request { fields, headers: Object::new(), parts: Vec::new(), json: false }
    }

    pub fn get(url: impl Into<String>) -> Request {
        Request::new("GET", url)
    }

    pub fn post(url: impl Into<String>) -> Request {
        Request::new("POST", url)
    }

    /// Sets a header. Host, Content-Length, Accept-Encoding and those of the
    /// connection's own authentication are the host's to set.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Request {
        self.headers.insert(name, value.into());
        self
    }

    /// Sets the body; bytes that are no UTF-8 travel as base64.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        match String::from_utf8(body.into()) {
            Ok(text) => self.fields.insert("body", text),
            Err(bytes) => self.fields.insert("body_base64", base64_encode(bytes.as_bytes())),
        }
        self
    }

    /// Sets a JSON body, with its Content-Type unless a header says another.
    pub fn json(mut self, body: &Value) -> Request {
        self.json = true;
        self.body(body.to_vec())
    }

    /// Sends the bytes of a blob of this contact or run as the body.
    pub fn body_blob(mut self, id: impl Into<String>) -> Request {
        self.fields.insert("body_blob", id.into());
        self
    }

    /// Adds a field to a body of the type multipart/form-data, whose
    /// Content-Type is the host's to set.
    pub fn field(mut self, name: &str, text: impl Into<String>) -> Request {
        self.parts.push(json!({"name": name, "text": text.into()}));
        self
    }

    /// Adds a file to such a body; an empty kind is application/octet-stream.
    pub fn file(mut self, name: &str, filename: &str, kind: &str, bytes: &[u8]) -> Request {
        self.parts.push(json!({"name": name, "filename": filename, "type": kind, "base64": base64_encode(bytes)}));
        self
    }

    /// Adds a blob of this contact or run as a file; an empty kind is the blob's.
    pub fn file_blob(mut self, name: &str, filename: &str, kind: &str, id: impl Into<String>) -> Request {
        self.parts.push(json!({"name": name, "filename": filename, "type": kind, "blob": id.into()}));
        self
    }

    /// Has the host keep the answer's body as a [`Blob`], whatever the status.
    pub fn into_blob(mut self) -> Request {
        self.fields.insert("response", "blob");
        self
    }

    /// Says where the body, a SOAP envelope, may get the credentials of a
    /// connection whose auth is ws_security, which refuses requests without
    /// it: `at` counts bytes, into the envelope's header, or to where one
    /// could begin if it has none. `envelope` is the envelope's namespace.
    pub fn ws_security(mut self, at: usize, has_header: bool, envelope: &str) -> Request {
        self.fields.insert("ws_security", json!({"at": at, "no_header": !has_header, "envelope": envelope}));
        self
    }

    /// Bounds this request; without it the call's deadline does.
    pub fn timeout_millis(mut self, millis: u64) -> Request {
        self.fields.insert("timeout_millis", millis);
        self
    }

    /// Sends the request. Any status is an answer, not an error.
    pub fn send(mut self) -> Result<Response, Error> {
        if self.json && !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            self.headers.insert("Content-Type", "application/json");
        }
        if !self.headers.is_empty() {
            self.fields.insert("headers", self.headers);
        }
        if !self.parts.is_empty() {
            self.fields.insert("parts", self.parts);
        }
        let reply = ask(sys::HTTP_SEND, Some(Value::Object(self.fields)))?;
        let status = reply["status"].as_u64().and_then(|n| u16::try_from(n).ok()).ok_or_else(|| lacks("status"))?;
        let body = match reply["body_base64"].as_str() {
            Some(text) => base64_decode(text).ok_or_else(|| lacks("body_base64"))?,
            None => reply["body"].as_str().unwrap_or("").into(),
        };
        let headers = match &reply["headers"] {
            Value::Object(headers) => headers.clone(),
            _ => Object::new(),
        };
        Ok(Response { status, headers, body, blob: reply.get("blob").map(Blob::from_wire) })
    }
}

/// The answer to a [`Request`].
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    headers: Object,
    /// The body's bytes; empty if they went into a blob.
    pub body: Vec<u8>,
    pub blob: Option<Blob>,
}

/// Refers to bytes that the host keeps, so that they need not pass through
/// the plugin: worth something for the same contact or run alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    pub id: String,
    /// In bytes.
    pub size: u64,
    /// Hexadecimal.
    pub sha256: String,
    /// Content-Type, as the sender gave it; may be empty.
    pub mime: String,
}

impl Blob {
    fn from_wire(value: &Value) -> Blob {
        let text = |field: &str| String::from(value[field].as_str().unwrap_or(""));
        Blob { id: text("id"), size: value["size"].as_u64().unwrap_or(0), sha256: text("sha256"), mime: text("mime") }
    }
}

impl Response {
    /// A header by its lower-case name; repeated ones are joined by ", ".
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(Value::as_str)
    }

    /// The body as text; bytes that are no UTF-8 become U+FFFD.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    pub fn json(&self) -> Result<Value, ParseError> {
        Value::parse(&self.body)
    }

    /// Whether the status means that the same request may succeed later: 429,
    /// 502, 503 and 504 (RFC 6585, RFC 9110).
    pub fn may_retry(&self) -> bool {
        matches!(self.status, 429 | 502..=504)
    }

    /// How long the answer asks to wait, if Retry-After gives seconds
    /// (RFC 9110, 10.2.3); 0 if it doesn't, or gives a date.
    pub fn retry_after_millis(&self) -> u64 {
        let seconds = self.header("retry-after").unwrap_or("").trim();
        match seconds.bytes().all(|byte| byte.is_ascii_digit()) {
            true => seconds.parse::<i32>().map_or(0, |n| n as u64 * 1000),
            false => 0,
        }
    }

    /// The error that most plugins make of a status that they didn't want:
    /// code "http_status", retryable where the status says so, after the time
    /// that the answer names.
    pub fn error(&self) -> Error {
        let mut error = Error::new("http_status", format!("the service answered {}", self.status));
        error.retryable = self.may_retry();
        if error.retryable {
            error.retry_after_millis = self.retry_after_millis();
        }
        error
    }
}
