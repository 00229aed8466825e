//! A plugin without std, with nothing outside but Extism's ABI.
#![no_std]
// The compiler before 1.68 wants to be told.
#![cfg_attr(old, feature(default_alloc_error_handler))]

extern crate alloc;

use alloc::{format, string::String, vec::Vec};
use trama_pdk::{config, json, json::Value, log, Error};

#[global_allocator]
static ALLOCATOR: trama_pdk::Bump = trama_pdk::Bump::new();

trama_pdk::export!(echo, parse, color, boom);
trama_pdk::manifest!("manifest.json");

fn echo(input: Vec<u8>) -> Result<Vec<u8>, Error> {
    Ok(input)
}

fn parse(input: Value) -> Result<Value, Error> {
    Ok(input)
}

fn color(name: String) -> Result<Value, Error> {
    log::info(&name);
    Ok(json!({ "value": config(&name) }))
}

fn boom(input: Vec<u8>) -> Result<String, Error> {
    Ok(format!("{}", input[5]))
}
