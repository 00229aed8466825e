//! What plugins ask of a host, as the wire has it.

use trama_pdk::encoding::{base64_decode, base64_encode, hex_decode, hex_encode};
use trama_pdk::fake::Host;
use trama_pdk::json::Value;
use trama_pdk::{config, deadline, effect_id, http, json, kv, log, now, random, secret_ref, sign, verify};
use trama_pdk::{Algorithm, Error};

/// Runs a piece of a plugin in a host.
fn within<T>(host: &Host, piece: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let mut result = None;
    host.call(
        |(): ()| {
            result = Some(piece());
            Ok(())
        },
        "",
    )?;
    result.unwrap()
}

#[test]
fn requests() {
    let host = Host::new()
        .answer_with(201, &[("retry-after", "x"), ("content-type", "text/plain")], "é")
        .answer_with(429, &[("retry-after", " 2 ")], "")
        .refuse("denied", "not granted")
        .answer(200, "");
    within(&host, || {
        let made = http::Request::post("/a").header("X-A", "1").header("X-A", "2").body("<ç>").timeout_millis(5).send()?;
        assert_eq!((made.status, made.text().as_ref(), made.header("content-type")), (201, "é", Some("text/plain")));
        assert_eq!((made.may_retry(), made.retry_after_millis()), (false, 0));
        let busy = http::Request::new("PUT", "/b").body(vec![0xff, 0]).into_blob().send()?;
        let error = busy.error();
        assert_eq!((error.code.as_str(), error.retryable, error.retry_after_millis), ("http_status", true, 2000));
        assert_eq!(http::Request::get("/c").send().unwrap_err(), Error::new("denied", "not granted"));
        http::Request::post("/d").field("a", "é").file("f", "1.bin", "", &[0xff, 0]).file_blob("g", "2", "text/plain", "b").send()?;
        Ok(())
    })
    .unwrap();
    let sent: Vec<String> = host.requests().iter().map(Value::to_string).collect();
    assert_eq!(
        sent,
        [
            r#"{"method":"POST","url":"/a","body":"<ç>","timeout_millis":5,"headers":{"X-A":"2"}}"#,
            r#"{"method":"PUT","url":"/b","body_base64":"/wA=","response":"blob"}"#,
            r#"{"method":"GET","url":"/c"}"#,
            r#"{"method":"POST","url":"/d","parts":[{"name":"a","text":"é"},{"name":"f","filename":"1.bin","type":"","base64":"/wA="},{"name":"g","filename":"2","type":"text/plain","blob":"b"}]}"#,
        ]
    );
}

#[test]
fn memory() {
    let host = Host::new().remember("b", "2").remember("a/1", "");
    within(&host, || {
        assert_eq!((kv::get("b")?, kv::get("a/1")?, kv::get("absent")?), (Some(b"2".to_vec()), Some(vec![]), None));
        kv::set("a/2", &[0, 255])?;
        kv::delete("b")?;
        kv::delete("absent")?;
        assert_eq!(kv::list("a/", "", 1)?, kv::Keys { keys: vec!["a/1".into()], more: true });
        assert_eq!(kv::list("a/", "a/1", 0)?, kv::Keys { keys: vec!["a/2".into()], more: false });
        Ok(())
    })
    .unwrap();
    assert_eq!((host.remembered("a/2"), host.remembered("b")), (Some(vec![0, 255]), None));
}

/// The fake host refuses what a real one would.
#[test]
fn refusals() {
    let host = Host::new();
    within(&host, || {
        assert_eq!(secret_ref("token").unwrap_err(), Error::new("denied", "secret_ref: the secret \"token\" is not granted"));
        for (n, good) in [(0, false), (1, true), (4096, true), (4097, false)] {
            assert_eq!(random(n).map_err(|error| error.code).err(), if good { None } else { Some("invalid".to_string()) }, "{}", n);
        }
        for (length, good) in [(0, false), (1, true), (256, true), (257, false)] {
            let key = "k".repeat(length);
            let results = [kv::get(&key).map(drop), kv::set(&key, b""), kv::delete(&key)];
            for result in results {
                assert_eq!(result.map_err(|error| error.code).err(), if good { None } else { Some("invalid".to_string()) }, "{}", length);
            }
        }
        kv::set("k", &vec![0; 1 << 20])?;
        assert_eq!(kv::set("k", &vec![0; (1 << 20) + 1]).unwrap_err().code, "limit");
        let left = deadline()? - now();
        assert!((29_000..=30_000).contains(&left), "{}", left);
        Ok(())
    })
    .unwrap();
}

#[test]
fn the_rest() {
    let host = Host::new().config("currency", "BRL").secret("token");
    within(&host, || {
        assert_eq!((config("currency"), config("absent")), (Some("BRL".to_string()), None));
        assert_eq!((effect_id()?, secret_ref("token")?), ("test-effect".to_string(), "<secret:token>".to_string()));
        assert!(deadline()? > now());
        assert!(random(40)?.len() == 40 && random(16)? != random(16)?);
        log::info("one");
        log::error("two");
        // openssl dgst -sha256 -hmac trama-test-key-trama-test-key-32
        let signature = sign("k", Algorithm::HS256, b"hello")?;
        assert_eq!(hex_encode(&signature), "1ab1ee1b1acc718b5c9f40a4b209e84bc98e68dbc30432065b278061eaed259c");
        assert_eq!(
            (verify("k", Algorithm::HS256, b"hello", &signature)?, verify("k", Algorithm::HS256, b"Hello", &signature)?),
            (true, false)
        );
        assert_eq!(sign("k", Algorithm::EdDSA, b"").unwrap_err().code, "invalid");
        Ok(())
    })
    .unwrap();
    assert_eq!(host.log(), ["info: one", "error: two"]);
}

#[test]
fn input_and_output() {
    let host = Host::new();
    let upper = |text: String| Ok(text.to_uppercase());
    assert_eq!(host.call(upper, "é").unwrap(), "É");
    assert_eq!(host.call(upper, vec![b'a', 0xff]).unwrap_err(), Error::invalid("input: byte 1 is not UTF-8"));
    let same = |value: Value| Ok(value);
    assert_eq!(host.call(same, " [1]").unwrap(), "[1]");
    assert_eq!(host.call(same, "[1").unwrap_err(), Error::invalid("input: JSON, byte 2: want ',' or ']'"));
    let fails = |(): ()| -> Result<(), Error> { Err("plain".into()) };
    assert_eq!(host.call(fails, "").unwrap_err().to_string(), "plain");
    let coded = Error::new("teapot", "short").retry_after(5).detail(json!({"a": 1}));
    assert_eq!((coded.retryable, coded.to_string().as_str()), (true, "teapot: short"));
}

#[test]
fn a_plugin_outside_a_host_is_told_so() {
    let panic = std::panic::catch_unwind(|| effect_id().map(drop)).unwrap_err();
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    assert!(text.unwrap().contains("there is no host outside WebAssembly"), "{:?}", text);
}

#[test]
fn bytes_as_text() {
    for (bytes, base64, hex) in
        [(&b""[..], "", ""), (b"f", "Zg==", "66"), (b"fo", "Zm8=", "666f"), (b"foo", "Zm9v", "666f6f"), (b"\xff\xfe\xfd\xfc", "//79/A==", "fffefdfc")]
    {
        assert_eq!((base64_encode(bytes).as_str(), hex_encode(bytes).as_str()), (base64, hex));
        assert_eq!((base64_decode(base64).as_deref(), hex_decode(hex).as_deref()), (Some(bytes), Some(bytes)));
    }
    for bad in ["Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Zm9\n", "-_-_"] {
        assert_eq!(base64_decode(bad), None, "{}", bad);
    }
    for bad in ["f", "fff", "gg", "0x"] {
        assert_eq!(hex_decode(bad), None, "{}", bad);
    }
    assert_eq!(hex_decode("AbCd"), Some(vec![0xab, 0xcd]));
}
