//! What becomes a [`Value`] by itself.

use super::{Object, Value};
use alloc::string::String;
use alloc::vec::Vec;

macro_rules! whole {
    ($($kind:ty),+) => { $(
        impl From<$kind> for Value {
            fn from(n: $kind) -> Value {
                match i64::try_from(n) {
                    Ok(n) => Value::Int(n),
                    Err(_) => Value::Unsigned(n as u64),
                }
            }
        }
    )+ };
}

whole!(i8, i16, i32, i64, u8, u16, u32, u64, usize);

impl From<bool> for Value {
    fn from(b: bool) -> Value {
        Value::Bool(b)
    }
}

/// What JSON has no number for (infinities and NaN) becomes null.
impl From<f64> for Value {
    fn from(n: f64) -> Value {
        if n.is_finite() {
            Value::Float(n)
        } else {
            Value::Null
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::String(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::String(text)
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Value {
        Value::String(text.clone())
    }
}

impl From<&Value> for Value {
    fn from(value: &Value) -> Value {
        value.clone()
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Value {
        Value::Object(object)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Value {
        Value::Array(items.into_iter().map(Into::into).collect())
    }
}

/// None becomes null.
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}
