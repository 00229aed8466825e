//! The host's functions on the build machine: those of the [`Host`] whose
//! call runs on this thread.

use super::{Host, CURRENT};
use alloc::string::String;
use alloc::vec::Vec;
use std::time::{SystemTime, UNIX_EPOCH};

pub type Function = &'static str;

pub const HTTP_SEND: Function = "http_send";
pub const SECRET_REF: Function = "secret_ref";
pub const SIGN: Function = "sign";
pub const VERIFY: Function = "verify";
pub const EFFECT_ID: Function = "effect_id";
pub const DEADLINE: Function = "deadline";
pub const RANDOM: Function = "random";
pub const KV_GET: Function = "kv_get";
pub const KV_SET: Function = "kv_set";
pub const KV_DELETE: Function = "kv_delete";
pub const KV_LIST: Function = "kv_list";

pub type Log = &'static str;

pub const LOG_DEBUG: Log = "debug";
pub const LOG_INFO: Log = "info";
pub const LOG_WARN: Log = "warn";
pub const LOG_ERROR: Log = "error";

const NO_HOST: &str = "there is no host outside WebAssembly; call the function by trama_pdk::fake::Host::call";

fn host() -> Host {
    CURRENT.with(|current| current.borrow().clone()).expect(NO_HOST)
}

pub fn exchange(function: Function, request: &[u8]) -> Vec<u8> {
    host().function(function, request)
}

pub fn config(key: &str) -> Option<Vec<u8>> {
    host().state.borrow().config.get(key).map(|value| value.clone().into_bytes())
}

pub fn log(level: Log, text: &str) {
    let line = std::format!("{}: {}", level, text);
    host().state.borrow_mut().log.push(line);
}

pub fn now_millis() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

pub fn take_input() -> Vec<u8> {
    panic!("{}", NO_HOST)
}

pub fn set_output(_: Vec<u8>) {
    panic!("{}", NO_HOST)
}

pub fn set_error(_: &str) {
    panic!("{}", NO_HOST)
}
