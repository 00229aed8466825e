//! Between the host's entries and the plugin's functions.

use crate::error::{Error, INVALID};
use crate::json::Value;
use crate::sys;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// What a plugin's function takes: made from the bytes of the input.
pub trait FromInput: Sized {
    /// Fails with [`INVALID`] if the bytes are not of this kind.
    fn from_input(bytes: Vec<u8>) -> Result<Self, Error>;
}

/// What a plugin's function gives.
pub trait IntoOutput {
    fn into_output(self) -> Result<Vec<u8>, Error>;
}

/// JSON, whatever it is.
impl FromInput for Value {
    fn from_input(bytes: Vec<u8>) -> Result<Value, Error> {
        Value::parse(&bytes).map_err(|fault| Error::new(INVALID, format!("input: JSON, {}", fault)))
    }
}

impl IntoOutput for Value {
    fn into_output(self) -> Result<Vec<u8>, Error> {
        Ok(self.to_vec())
    }
}

/// The bytes as they are.
impl FromInput for Vec<u8> {
    fn from_input(bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
        Ok(bytes)
    }
}

impl IntoOutput for Vec<u8> {
    fn into_output(self) -> Result<Vec<u8>, Error> {
        Ok(self)
    }
}

/// Text in UTF-8.
impl FromInput for String {
    fn from_input(bytes: Vec<u8>) -> Result<String, Error> {
        String::from_utf8(bytes)
            .map_err(|fault| Error::new(INVALID, format!("input: byte {} is not UTF-8", fault.utf8_error().valid_up_to())))
    }
}

impl IntoOutput for String {
    fn into_output(self) -> Result<Vec<u8>, Error> {
        Ok(self.into_bytes())
    }
}

impl IntoOutput for &str {
    fn into_output(self) -> Result<Vec<u8>, Error> {
        Ok(self.into())
    }
}

/// The input is of no interest.
impl FromInput for () {
    fn from_input(_: Vec<u8>) -> Result<(), Error> {
        Ok(())
    }
}

/// No output.
impl IntoOutput for () {
    fn into_output(self) -> Result<Vec<u8>, Error> {
        Ok(Vec::new())
    }
}

/// Calls a plugin's function without a host: from input bytes to output bytes.
pub fn call<In: FromInput, Out: IntoOutput>(
    function: impl FnOnce(In) -> Result<Out, Error>,
    input: Vec<u8>,
) -> Result<Vec<u8>, Error> {
    function(In::from_input(input)?)?.into_output()
}

/// Answers a call of an export: what [`export!`](crate::export) makes of it. The result is
/// what the export returns: 0 for success.
pub fn run<In: FromInput, Out: IntoOutput>(function: impl FnOnce(In) -> Result<Out, Error>) -> i32 {
    #[cfg(all(feature = "std", target_arch = "wasm32"))]
    crate::panic::tell_host();
    finish(call(function, sys::take_input()))
}

/// Sets the call's output or its error, and gives what the export returns.
pub fn finish(result: Result<Vec<u8>, Error>) -> i32 {
    match result {
        Ok(output) => {
            sys::set_output(output);
            0
        }
        Err(error) => {
            sys::set_error(&error.wire());
            1
        }
    }
}

/// Gives the call's input, for exports that are written without
/// [`export!`](crate::export). It is handed over: ask for it once.
pub fn take_input() -> Vec<u8> {
    sys::take_input()
}
