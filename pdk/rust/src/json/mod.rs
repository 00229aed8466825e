//! JSON (RFC 8259) in values, without dependencies.
//!
//! ```
//! use trama_pdk::json::Value;
//! let order = Value::parse(br#"{"id": 9007199254740993, "items": [{"price": 1.5}]}"#).unwrap();
//! assert_eq!(order["id"].as_i64(), Some(9007199254740993));
//! assert_eq!(order["items"][0]["price"].as_f64(), Some(1.5));
//! assert!(order["absent"].is_null());
//! assert_eq!(order.to_string(), r#"{"id":9007199254740993,"items":[{"price":1.5}]}"#);
//! ```

mod convert;
mod parse;
mod write;

use crate::error::Error;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Index;

pub use parse::{ParseError, MAX_DEPTH};

/// A JSON value. Whole numbers keep all their digits: those of 64 bits are
/// [`Value::Int`], or [`Value::Unsigned`] where they need the 64th; all other
/// numbers are [`Value::Float`].
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    /// More than `i64::MAX`.
    Unsigned(u64),
    Float(f64),
    String(String),
    Array(Vec<Value>),
    Object(Object),
}

static NULL: Value = Value::Null;

impl Value {
    /// Reads one JSON value that is the whole of `bytes`. Of fields with one
    /// name the last counts; half of a surrogate pair becomes U+FFFD. Bytes
    /// that are not UTF-8 are an error, and so are lists and objects more than
    /// [`MAX_DEPTH`] deep.
    pub fn parse(bytes: &[u8]) -> Result<Value, ParseError> {
        parse::parse(bytes)
    }

    /// The field `name`, if this is an object that has it.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.as_object().and_then(|object| object.get(name))
    }

    /// Fails with the code "invalid" if this object has a field of another name,
    /// so that a misspelt setting is not passed over in silence.
    pub fn only(&self, names: &[&str]) -> Result<(), Error> {
        let mut fields = self.as_object().into_iter().flat_map(Object::iter);
        match fields.find(|(name, _)| !names.contains(name)) {
            Some((name, _)) => Err(Error::invalid(format!("unknown field \"{:.40}\"; there are {}", name, names.join(", ")))),
            None => Ok(()),
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// The number, if it was written as a whole one (`2`, not `2.0` or `2e0`)
    /// and fits.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Int(n) => Some(*n),
            _ => None,
        }
    }

    /// As [`Value::as_i64`], for numbers from 0 to `u64::MAX`.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Value::Int(n) => u64::try_from(*n).ok(),
            Value::Unsigned(n) => Some(*n),
            _ => None,
        }
    }

    /// Any number, to the 53 bits that a float holds.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Int(n) => Some(*n as f64),
            Value::Unsigned(n) => Some(*n as f64),
            Value::Float(n) => Some(*n),
            _ => None,
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }

    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The value as compact JSON.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write::value(self, &mut out);
        out
    }
}

/// `value["name"]` is that field, or null where there is none.
impl Index<&str> for Value {
    type Output = Value;

    fn index(&self, name: &str) -> &Value {
        self.get(name).unwrap_or(&NULL)
    }
}

/// `value[0]` is that item, or null where there is none.
impl Index<usize> for Value {
    type Output = Value;

    fn index(&self, index: usize) -> &Value {
        self.as_array().and_then(|items| items.get(index)).unwrap_or(&NULL)
    }
}

/// The fields of a JSON object, in the order in which they were put in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object {
    fields: Vec<(String, Value)>,
}

impl Object {
    pub fn new() -> Object {
        Object::default()
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, value)| value)
    }

    /// Sets the field `name`; one that is there keeps its place.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        let (name, value) = (name.into(), value.into());
        match self.fields.iter_mut().find(|(n, _)| *n == name) {
            Some(field) => field.1 = value,
            None => self.fields.push((name, value)),
        }
    }

    pub fn len(&self) -> usize {
        self.fields.len()
    }

    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value))
    }
}

/// Makes a [`Value`] of what looks like JSON; other expressions stand for
/// their value.
///
/// ```
/// use trama_pdk::json;
/// let name = "Ana";
/// let value = json!({"greeting": format!("Hello, {}!", name), "tags": ["new", null], "n": 1 + 1});
/// assert_eq!(value.to_string(), r#"{"greeting":"Hello, Ana!","tags":["new",null],"n":2}"#);
/// ```
#[macro_export]
macro_rules! json {
    (@object $object:ident) => {};
    (@object $object:ident $name:literal : null $(, $($rest:tt)*)?) => {
        $object.insert($name, $crate::json::Value::Null);
        $($crate::json!(@object $object $($rest)*);)?
    };
    (@object $object:ident $name:literal : {$($inner:tt)*} $(, $($rest:tt)*)?) => {
        $object.insert($name, $crate::json!({$($inner)*}));
        $($crate::json!(@object $object $($rest)*);)?
    };
    (@object $object:ident $name:literal : [$($inner:tt)*] $(, $($rest:tt)*)?) => {
        $object.insert($name, $crate::json!([$($inner)*]));
        $($crate::json!(@object $object $($rest)*);)?
    };
    (@object $object:ident $name:literal : $value:expr $(, $($rest:tt)*)?) => {
        $object.insert($name, $value);
        $($crate::json!(@object $object $($rest)*);)?
    };
    (@array $items:ident) => {};
    (@array $items:ident null $(, $($rest:tt)*)?) => {
        $items.push($crate::json::Value::Null);
        $($crate::json!(@array $items $($rest)*);)?
    };
    (@array $items:ident {$($inner:tt)*} $(, $($rest:tt)*)?) => {
        $items.push($crate::json!({$($inner)*}));
        $($crate::json!(@array $items $($rest)*);)?
    };
    (@array $items:ident [$($inner:tt)*] $(, $($rest:tt)*)?) => {
        $items.push($crate::json!([$($inner)*]));
        $($crate::json!(@array $items $($rest)*);)?
    };
    (@array $items:ident $value:expr $(, $($rest:tt)*)?) => {
        $items.push($crate::json::Value::from($value));
        $($crate::json!(@array $items $($rest)*);)?
    };
    (null) => { $crate::json::Value::Null };
    ({$($fields:tt)*}) => {{
        #[allow(unused_mut)]
        let mut object = $crate::json::Object::new();
        $crate::json!(@object object $($fields)*);
        $crate::json::Value::Object(object)
    }};
    ([$($list:tt)*]) => {{
        #[allow(unused_mut)]
        let mut items = $crate::json::Array::new();
        $crate::json!(@array items $($list)*);
        $crate::json::Value::Array(items)
    }};
    ($value:expr) => { $crate::json::Value::from($value) };
}

/// The items of a JSON array.
pub type Array = Vec<Value>;
