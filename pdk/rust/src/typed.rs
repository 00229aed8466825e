//! Input and output in types of the plugin's own, by serde.

use crate::entry::{FromInput, IntoOutput};
use crate::error::{Error, ERROR, INVALID};
use alloc::format;
use alloc::vec::Vec;
use serde::{de::DeserializeOwned, Serialize};

/// JSON in the shape of a type. A field that the type lacks is passed over,
/// unless it says `#[serde(deny_unknown_fields)]`, as the input of an
/// operation should.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use trama_pdk::{Error, Json};
///
/// #[derive(Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct New {
///     name: String,
/// }
///
/// #[derive(Serialize)]
/// struct Greeting {
///     greeting: String,
/// }
///
/// fn greet(Json(new): Json<New>) -> Result<Json<Greeting>, Error> {
///     Ok(Json(Greeting { greeting: format!("Hello, {}!", new.name) }))
/// }
///
/// let output = trama_pdk::call(greet, br#"{"name":"Ana"}"#.to_vec()).unwrap();
/// assert_eq!(output, br#"{"greeting":"Hello, Ana!"}"#);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromInput for Json<T> {
    fn from_input(bytes: Vec<u8>) -> Result<Json<T>, Error> {
        match serde_json::from_slice(&bytes) {
            Ok(value) => Ok(Json(value)),
            Err(fault) => Err(Error::new(INVALID, format!("input: {}", fault))),
        }
    }
}

impl<T: Serialize> IntoOutput for Json<T> {
    fn into_output(self) -> Result<Vec<u8>, Error> {
        serde_json::to_vec(&self.0).map_err(|fault| Error::new(ERROR, format!("output: {}", fault)))
    }
}
