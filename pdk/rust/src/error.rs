//! How an operation fails.

use crate::json::{Object, ParseError, Value};
use alloc::string::{String, ToString};
use core::fmt;

/// The code of an error of which the host says only a text.
pub const ERROR: &str = "error";
/// The request, or the input, is malformed.
pub const INVALID: &str = "invalid";
/// No grant covers it.
pub const DENIED: &str = "denied";
/// The plugin has no form for it, such as an adapter for a kind of message.
pub const UNSUPPORTED: &str = "unsupported";

const MAX_MESSAGE: usize = 4 << 10;

/// How an operation fails, and how the host refuses something. Flows see its
/// fields on their error port; `retryable` lets the host try again.
///
/// ```
/// use trama_pdk::{json, Error};
/// let error = Error::new("teapot", "I'm a teapot").retry_after(1500).detail(json!({"short": "stout"}));
/// assert_eq!(error.to_string(), "teapot: I'm a teapot");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    /// A stable word for programs, in snake_case. If it is empty, the message
    /// goes out as plain text, and the host gives it the code "error".
    pub code: String,
    /// A sentence for people: cause, place and remedy.
    pub message: String,
    /// The same call may succeed later.
    pub retryable: bool,
    /// How long to wait before it, in milliseconds; 0 if that is not known.
    pub retry_after_millis: u64,
    pub detail: Option<Value>,
}

impl Error {
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Error {
        Error { code: code.into(), message: message.into(), retryable: false, retry_after_millis: 0, detail: None }
    }

    /// An error with the code [`INVALID`].
    pub fn invalid(message: impl Into<String>) -> Error {
        Error::new(INVALID, message)
    }

    /// Says whether the same call may succeed later.
    pub fn retryable(mut self, retryable: bool) -> Error {
        self.retryable = retryable;
        self
    }

    /// Says that the same call may succeed after so many milliseconds.
    pub fn retry_after(mut self, millis: u64) -> Error {
        self.retryable = true;
        self.retry_after_millis = millis;
        self
    }

    pub fn detail(mut self, detail: impl Into<Value>) -> Error {
        self.detail = Some(detail.into());
        self
    }

    /// What Extism's error_set gets: JSON in the shape of `abi.Error`, or the
    /// plain message of an error without a code. Of a message, the first 4 KiB
    /// are sent: one that quotes what was given may be longer than a host takes.
    pub(crate) fn wire(&self) -> String {
        let mut message = self.message.clone();
        if message.len() > MAX_MESSAGE {
            let end = (0..=MAX_MESSAGE).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
            message.truncate(end);
            message.push_str("...");
        }
        if self.code.is_empty() && !self.retryable && self.detail.is_none() {
            return message;
        }
        let mut object = Object::new();
        object.insert("code", if self.code.is_empty() { ERROR } else { self.code.as_str() });
        object.insert("message", message);
        if self.retryable {
            object.insert("retryable", true);
        }
        if self.retry_after_millis > 0 {
            object.insert("retry_after_millis", self.retry_after_millis);
        }
        if let Some(detail) = &self.detail {
            object.insert("detail", detail);
        }
        Value::Object(object).to_string()
    }

    /// The error of a reply of the host.
    pub(crate) fn from_wire(value: &Value) -> Error {
        Error {
            code: value["code"].as_str().unwrap_or(ERROR).into(),
            message: value["message"].as_str().unwrap_or("the host gives no reason").into(),
            retryable: value["retryable"].as_bool().unwrap_or(false),
            retry_after_millis: value["retry_after_millis"].as_u64().unwrap_or(0),
            detail: value.get("detail").cloned(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.code.as_str() {
            "" => f.write_str(&self.message),
            code => write!(f, "{}: {}", code, self.message),
        }
    }
}

/// An error without a code: the message goes out as plain text.
impl From<&str> for Error {
    fn from(message: &str) -> Error {
        Error::new("", message)
    }
}

/// An error without a code: the message goes out as plain text.
impl From<String> for Error {
    fn from(message: String) -> Error {
        Error::new("", message)
    }
}

/// JSON from elsewhere that can't be read has the code "error"; the plugin's
/// own input has [`INVALID`].
impl From<ParseError> for Error {
    fn from(fault: ParseError) -> Error {
        Error::new(ERROR, "JSON, ".to_string() + &fault.to_string())
    }
}

#[cfg(any(feature = "std", not(target_arch = "wasm32")))]
impl std::error::Error for Error {}
