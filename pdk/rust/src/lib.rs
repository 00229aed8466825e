//! For writing [Trama](https://github.com/trama-run/trama) plugins in Rust.
//!
//! A plugin is a `cdylib` whose exports are named in one line. Each is an
//! ordinary function from what it takes to a [`Result`]:
//!
//! ```
//! use trama_pdk::{json, json::Value, Error};
//!
//! trama_pdk::export!(greet);
//!
//! fn greet(input: Value) -> Result<Value, Error> {
//!     let name = input["name"].as_str().ok_or_else(|| Error::invalid("name: want a text"))?;
//!     Ok(json!({"greeting": format!("Hello, {}!", name)}))
//! }
//! # fn main() {}
//! ```
//!
//! `trama plugin build` compiles it and puts `manifest.json` into the file.
//! Without that command, [`manifest!`] exports the manifest from the code.
//!
//! What a function takes and gives is a [`json::Value`], a `Vec<u8>` or a
//! `String` of the raw bytes, `()`, or with the feature `serde` a `Json<T>` of
//! the plugin's own types. What else the host offers:
//!
//! - [`http::Request`] reaches other systems; [`secret_ref`] stands for a secret in it.
//! - [`kv`] remembers things of a contact.
//! - [`sign`] and [`verify`] use keys that stay in the host.
//! - [`config`], [`log`], [`effect_id`], [`deadline`], [`now`], [`random`].
//!
//! A plugin that needs only [`config`] and [`log`] runs in any host that speaks
//! Extism. Times are milliseconds, sizes are bytes.
//!
//! # Errors
//!
//! A function fails with an [`Error`], which names a code for programs and a
//! sentence for people. A panic ends the call as the host's error "trap", with
//! the panic's text, file and line.
//!
//! # Calls start from an image
//!
//! The host may start every call from an image of the plugin's memory: what
//! one call leaves in a static no other sees. Random numbers are [`random`]'s;
//! a generator that a plugin keeps repeats itself.
//!
//! # Features
//!
//! - `std` (on unless `default-features = false`): panics reach the host by a
//!   hook. Without it the crate needs `alloc` alone; a plugin that is `no_std`
//!   takes `panic-handler` and `Bump`, or brings its own of either, and needs
//!   rustc 1.68.
//! - `serde`: `Json<T>`, by serde and serde_json.
//!
//! # Tests
//!
//! `cargo test` runs on the build machine, where [`fake::Host`] answers in the
//! host's place.

#![no_std]
#![warn(missing_debug_implementations)]

extern crate alloc;
#[cfg(any(feature = "std", not(target_arch = "wasm32")))]
extern crate std;

#[cfg(target_arch = "wasm32")]
mod bump;
pub mod encoding;
mod entry;
mod error;
#[cfg(not(target_arch = "wasm32"))]
pub mod fake;
mod host;
pub mod http;
pub mod json;
#[cfg(all(target_arch = "wasm32", any(feature = "std", feature = "panic-handler")))]
mod panic;
#[cfg(feature = "serde")]
mod typed;

#[cfg(target_arch = "wasm32")]
mod sys;
#[cfg(not(target_arch = "wasm32"))]
use fake::sys;

#[cfg(target_arch = "wasm32")]
pub use bump::Bump;
pub use entry::{call, finish, run, take_input, FromInput, IntoOutput};
pub use error::{Error, DENIED, ERROR, INVALID, UNSUPPORTED};
pub use host::{config, deadline, effect_id, kv, log, now, random, secret_ref, sign, verify, Algorithm};
#[cfg(feature = "serde")]
pub use typed::Json;

/// Exports functions of the module that it stands in, under their own names:
/// `trama_pdk::export!(greet, create);`. Each takes one [`FromInput`] and gives
/// `Result<impl IntoOutput, Error>`. One such line a plugin.
#[macro_export]
macro_rules! export {
    ($($name:ident),+ $(,)?) => {
        mod trama_exports {
            $(
                // On the build machine, names such as send are libc's.
                #[cfg_attr(target_arch = "wasm32", no_mangle)]
                #[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
                pub extern "C" fn $name() -> i32 {
                    $crate::run(super::$name)
                }
            )+
        }
    };
}

/// Exports `describe`, which gives the manifest that stands in a file beside
/// the source: `trama_pdk::manifest!("../manifest.json");`. A file made by
/// `trama plugin build` doesn't need it.
#[macro_export]
macro_rules! manifest {
    ($path:literal) => {
        #[cfg_attr(target_arch = "wasm32", no_mangle)]
        #[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
        pub extern "C" fn describe() -> i32 {
            $crate::finish(Ok(include_bytes!($path).to_vec()))
        }
    };
}
