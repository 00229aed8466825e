//! The parser against what people and attackers send.

use trama_pdk::json;
use trama_pdk::json::{Value, MAX_DEPTH};

fn written(text: &str) -> String {
    match Value::parse(text.as_bytes()) {
        Ok(value) => value.to_string(),
        Err(fault) => fault.to_string(),
    }
}

#[test]
fn reads_and_writes() {
    for (text, want) in [
        ("null", "null"),
        (" \t\r\n[ true , false ] \n", "[true,false]"),
        ("{}", "{}"),
        ("[]", "[]"),
        (r#"{"b":1,"a":{"c":[]}}"#, r#"{"b":1,"a":{"c":[]}}"#),
        // Numbers: whole ones keep their digits.
        ("0", "0"),
        ("-0", "0"),
        ("9223372036854775807", "9223372036854775807"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("9223372036854775808", "9223372036854775808"),
        ("18446744073709551615", "18446744073709551615"),
        ("18446744073709551616", "18446744073709552000"),
        ("123456789012345678901234567890", "1.2345678901234568e29"),
        ("1.5", "1.5"),
        ("-0.0", "0"),
        ("2.0", "2"),
        ("1E2", "100"),
        ("1e-7", "1e-7"),
        ("1e21", "1e21"),
        ("1.7976931348623157e308", "1.7976931348623157e308"),
        ("5e-324", "5e-324"),
        ("1e-999", "0"),
        ("1e999", "byte 0: this number is too large"),
        // Texts.
        (r#""\"\\\/\b\f\n\r\t\u0001""#, r#""\"\\/\b\f\n\r\t\u0001""#),
        (r#""\u00e9\u20AC\ud83d\ude00é😀\u007f""#, "\"é€😀é😀\u{7f}\""),
        (r#""\ud83d""#, "\"\u{fffd}\""),
        (r#""\ud83dx""#, "\"\u{fffd}x\""),
        (r#""\ude00\ud83d""#, "\"\u{fffd}\u{fffd}\""),
        (r#""\ud83d\ud83d\ude00""#, "\"\u{fffd}😀\""),
        (r#""\ud83d\u0041""#, "\"\u{fffd}A\""),
        (r#""\ud83d\n""#, "\"\u{fffd}\\n\""),
        (r#""\u0000""#, r#""\u0000""#),
        // Of fields with one name the last counts, at the place of the first.
        (r#"{"a":1,"b":2,"a":3,"\u0061":4}"#, r#"{"a":4,"b":2}"#),
        (r#"{"a":0,"b":1,"c":2,"d":3,"e":4,"f":5,"g":6,"h":7,"i":8,"c":9}"#,
         r#"{"a":0,"b":1,"c":9,"d":3,"e":4,"f":5,"g":6,"h":7,"i":8}"#),
        (r#"{"":{"":1}}"#, r#"{"":{"":1}}"#),
        // What is no JSON.
        ("", "byte 0: want a JSON value"),
        ("  ", "byte 2: want a JSON value"),
        ("nul", "byte 0: want a JSON value"),
        ("nulll", "byte 4: there is more after the JSON value"),
        ("True", "byte 0: want a JSON value"),
        ("NaN", "byte 0: want a JSON value"),
        ("+1", "byte 0: want a JSON value"),
        ("-", "byte 1: want a digit"),
        ("01", "byte 1: there is more after the JSON value"),
        ("1.", "byte 2: want a digit"),
        (".5", "byte 0: want a JSON value"),
        ("1e", "byte 2: want a digit"),
        ("1e+", "byte 3: want a digit"),
        ("0x10", "byte 1: there is more after the JSON value"),
        ("1 2", "byte 2: there is more after the JSON value"),
        ("{} x", "byte 3: there is more after the JSON value"),
        ("[1,]", "byte 3: want a JSON value"),
        ("[1 2]", "byte 3: want ',' or ']'"),
        ("[", "byte 1: want a JSON value"),
        ("]", "byte 0: want a JSON value"),
        (r#"{"a"}"#, "byte 4: want ':'"),
        (r#"{"a":1,}"#, "byte 7: want the name of a field, in quotes"),
        (r#"{a:1}"#, "byte 1: want the name of a field, in quotes"),
        (r#"{"a":1"#, "byte 6: want ',' or '}'"),
        ("'a'", "byte 0: want a JSON value"),
        ("\"a", "byte 2: the text does not end"),
        ("\"a\nb\"", "byte 2: a control character in a text; write it as an escape"),
        (r#""\x41""#, "byte 2: there is no such escape"),
        (r#""\u12g4""#, "byte 5: want four hexadecimal digits"),
        (r#""\u12"#, "byte 5: want four hexadecimal digits"),
        (r#""\ud83d\u12""#, "byte 11: want four hexadecimal digits"),
        ("// a\n1", "byte 0: want a JSON value"),
        ("\u{feff}1", "byte 0: want a JSON value"),
        ("\u{a0}1", "byte 0: want a JSON value"),
    ] {
        assert_eq!(written(text), want, "{}", text);
    }
}

#[test]
fn bytes_that_are_no_text() {
    for (bytes, at) in [(&b"\"a\xff\""[..], 2), (b"\"\xc0\x80\"", 1), (b"\"\xed\xa0\x80\"", 1), (b"\"\xf0\x9f\x98\"", 1), (b"\xfe", 0)] {
        let fault = Value::parse(bytes).unwrap_err();
        assert_eq!((fault.offset, fault.reason), (at, "these bytes are not UTF-8"));
    }
}

#[test]
fn depth_is_bounded() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        assert_eq!(written(&nested(MAX_DEPTH)), nested(MAX_DEPTH));
        assert!(written(&nested(MAX_DEPTH + 1)).ends_with("too deep in each other"));
        assert!(written(&open.repeat(1_000_000)).ends_with("too deep in each other"));
    }
    // Side by side is no depth.
    assert!(Value::parse(format!("[{}[]]", "[],".repeat(10_000)).as_bytes()).is_ok());
}

#[test]
fn many_fields_take_no_square_of_time() {
    let fields: Vec<String> = (0..200_000).map(|i| format!("\"{}\":{}", i % 100_000, i)).collect();
    let value = Value::parse(format!("{{{}}}", fields.join(",")).as_bytes()).unwrap();
    assert_eq!(value.as_object().unwrap().len(), 100_000);
    assert_eq!(value["99999"].as_i64(), Some(199_999));
}

#[test]
fn looks_into_values() {
    let value = Value::parse(br#"{"n":-1,"u":18446744073709551615,"f":2.5,"w":2.0,"t":"x","b":true,"l":[1]}"#).unwrap();
    assert_eq!((value["n"].as_i64(), value["n"].as_u64(), value["n"].as_f64()), (Some(-1), None, Some(-1.0)));
    assert_eq!((value["u"].as_i64(), value["u"].as_u64()), (None, Some(u64::MAX)));
    assert_eq!((value["f"].as_i64(), value["w"].as_i64(), value["w"].as_f64()), (None, None, Some(2.0)));
    assert_eq!((value["t"].as_str(), value["b"].as_bool(), value["l"][0].as_i64()), (Some("x"), Some(true), Some(1)));
    assert!(value["l"][1].is_null() && value["t"]["x"].is_null() && value[0].is_null());
    assert!(value.get("absent").is_none());
}

#[test]
fn makes_values() {
    let (none, list): (Option<&str>, _) = (None, vec!["a", "b"]);
    let value = json!({
        "null": null, "none": none, "some": Some(1u8), "list": list, "big": u64::MAX, "nan": f64::NAN,
        "nested": {"array": [[], {}, null, 1 + 1, "x"], "empty": {}}, "text": String::from("é"),
    });
    assert_eq!(
        value.to_string(),
        r#"{"null":null,"none":null,"some":1,"list":["a","b"],"big":18446744073709551615,"nan":null,"nested":{"array":[[],{},null,2,"x"],"empty":{}},"text":"é"}"#
    );
    assert_eq!((json!(null), json!([]).to_string(), json!("x").as_str()), (Value::Null, "[]".to_string(), Some("x")));
}

/// Whatever arrives, the parser ends, and what it takes it writes so that it
/// reads the same again.
#[test]
fn random_mutations() {
    let seeds = [
        r#"{"items":[{"price":250,"quantity":2.5e-3},{"a":null,"b":[true,false]}],"text":"é\ud83d\ude00\n"}"#,
        r#"[[[{"":{"x":[-0.0,18446744073709551615,1e308]}}]],"\u0000\"\\"]"#,
    ];
    let mut state = 0x9e3779b97f4a7c15u64;
    let mut random = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % n as u64) as usize
    };
    let pieces = b"{}[]\",:\\u0123456789eE+-.ntf \xff\xc3\xf0\0\n";
    let mut taken = 0;
    for round in 0..40_000 {
        let mut bytes = seeds[round % 2].as_bytes().to_vec();
        for _ in 0..1 + random(3) {
            if bytes.is_empty() {
                break;
            }
            let at = random(bytes.len());
            match random(4) {
                0 => bytes[at] = pieces[random(pieces.len())],
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, pieces[random(pieces.len())]),
                _ => bytes.truncate(at + 1),
            }
        }
        if let Ok(value) = Value::parse(&bytes) {
            taken += 1;
            let written = value.to_vec();
            let again = Value::parse(&written).unwrap_or_else(|fault| panic!("{:?} is written as {}: {}", bytes, value, fault));
            assert_eq!(again.to_vec(), written, "{:?}", bytes);
        }
    }
    assert!(taken > 500, "only {} of the mutations are JSON", taken);
}
