// The suite: one connector that does the same in every language that has a
// PDK. What it does is said in ../../suite/manifest.json and tested by
// ../../suite/cases.yaml.
#include "trama.h"

TRAMA_EXPORT(echo) { return trama_output(trama_input()); }

// {"items":[{"price":INT,"quantity":INT},...]} -> {"total":INT,"items":COUNT}
TRAMA_EXPORT(total) {
  trama_json input;
  if (!trama_input_json(&input)) return 1;
  trama_json items = trama_json_get(input, "items");
  if (trama_json_kind_of(items) != TRAMA_ARRAY) return trama_fail("invalid", "items: want a list");
  int64_t total = 0, count = 0;
  trama_json_iterator i = trama_json_each(items);
  for (; trama_json_next(&i); count++) {
    int64_t price, quantity, both;
    if (!trama_json_int(trama_json_get(i.value, "price"), &price))
      return trama_fail("invalid", "items[%zu].price: want a whole number", i.index);
    if (!trama_json_int(trama_json_get(i.value, "quantity"), &quantity))
      return trama_fail("invalid", "items[%zu].quantity: want a whole number", i.index);
    if (__builtin_mul_overflow(price, quantity, &both) || __builtin_add_overflow(total, both, &total))
      return trama_fail("invalid", "items[%zu]: the total has more than 64 bits", i.index);
  }
  trama_writer w = {};
  trama_write_object(&w);
  trama_write_key(&w, "total");
  trama_write_int(&w, total);
  trama_write_key(&w, "items");
  trama_write_int(&w, count);
  trama_write_object_end(&w);
  return trama_output(w.text);
}

// {"name":TEXT} -> {"status":S,"id":ID}
TRAMA_EXPORT(fetch) {
  trama_json input;
  if (!trama_input_json(&input)) return 1;
  trama_text name = trama_json_text(trama_json_get(input, "name")), effect;
  trama_error error;
  if (!trama_effect_id(&effect, &error)) return trama_fail_with(&error);

  trama_http_request request = trama_http("POST", trama_str("/contacts"));
  trama_http_header(&request, "idempotency-key", effect);
  trama_writer body = {};
  trama_write_object(&body);
  trama_write_key(&body, "name");
  trama_write_text(&body, name);
  trama_write_object_end(&body);
  trama_http_json(&request, body.text);
  trama_http_response response;
  if (!trama_http_send(&request, &response, &error)) return trama_fail_with(&error);

  if (response.status == 404) return trama_fail("not_found", "no contact %.*s", TRAMA_TEXT(name));
  if (response.status != 200 && response.status != 201) {
    trama_error failure = {
        .code = trama_str("http_status"),
        .message = trama_format("status %d", response.status),
        .retryable = trama_http_may_retry(response.status),
        .retry_after_millis = trama_http_retry_after(&response),
    };
    return trama_fail_with(&failure);
  }
  trama_json answer;
  trama_text why;
  if (!trama_json_parse(response.body, &answer, &why))
    return trama_fail("error", "the service's answer: %.*s", TRAMA_TEXT(why));
  trama_writer w = {};
  trama_write_object(&w);
  trama_write_key(&w, "status");
  trama_write_int(&w, response.status);
  trama_write_key(&w, "id");
  trama_write_text(&w, trama_json_text(trama_json_get(answer, "id")));
  trama_write_object_end(&w);
  return trama_output(w.text);
}

// {"key":K} -> {"n":N}; {"key":K,"forget":true} -> {"n":0}; {"list":PREFIX} -> {"keys":[...]}
TRAMA_EXPORT(count) {
  trama_json input;
  if (!trama_input_json(&input)) return 1;
  trama_text key = trama_json_text(trama_json_get(input, "key")), value, prefix;
  trama_error error;
  trama_writer w = {};
  trama_write_object(&w);
  if (trama_json_string(trama_json_get(input, "list"), &prefix)) {
    trama_json keys;
    bool more = true;
    trama_text after = {};
    trama_write_key(&w, "keys");
    trama_write_array(&w);
    while (more) {
      if (!trama_kv_list(prefix, after, 0, &keys, &more, &error)) return trama_fail_with(&error);
      trama_json_iterator i = trama_json_each(keys);
      while (trama_json_next(&i)) trama_write_text(&w, after = trama_json_text(i.value));
    }
    trama_write_array_end(&w);
  } else {
    int64_t n = 0;
    bool found, forget = false;
    trama_json_bool(trama_json_get(input, "forget"), &forget);
    if (forget) {
      if (!trama_kv_delete(key, &error)) return trama_fail_with(&error);
    } else {
      if (!trama_kv_get(key, &value, &found, &error)) return trama_fail_with(&error);
      if (found && (!trama_text_int(value, &n) || n == INT64_MAX))
        return trama_fail("invalid", "%.*s: what is kept there is no number to add to", TRAMA_TEXT(key));
      if (!trama_kv_set(key, trama_format("%lld", (long long)++n), &error)) return trama_fail_with(&error);
    }
    trama_write_key(&w, "n");
    trama_write_int(&w, n);
  }
  trama_write_object_end(&w);
  return trama_output(w.text);
}

// {"text":T} -> {"signature":HEX}; {"text":T,"signature":HEX} -> {"valid":BOOL}
TRAMA_EXPORT(sign) {
  trama_json input;
  if (!trama_input_json(&input)) return 1;
  trama_text text = trama_json_text(trama_json_get(input, "text")), hex, signature;
  trama_error error;
  trama_writer w = {};
  trama_write_object(&w);
  if (trama_json_string(trama_json_get(input, "signature"), &hex)) {
    bool valid;
    if (!trama_hex_decode(hex, &signature)) return trama_fail("invalid", "signature: want hexadecimal digits");
    if (!trama_verify("suite", "HS256", text, signature, &valid, &error)) return trama_fail_with(&error);
    trama_write_key(&w, "valid");
    trama_write_bool(&w, valid);
  } else {
    if (!trama_sign("suite", "HS256", text, &signature, &error)) return trama_fail_with(&error);
    trama_write_key(&w, "signature");
    trama_write_text(&w, trama_hex_encode(signature));
  }
  trama_write_object_end(&w);
  return trama_output(w.text);
}

// {"key":K} -> {"value":TEXT or null}
TRAMA_EXPORT(settings) {
  trama_json input;
  if (!trama_input_json(&input)) return 1;
  trama_text key = trama_json_text(trama_json_get(input, "key")), value;
  trama_log_info("config %.*s", TRAMA_TEXT(key));
  trama_log_warn("config %.*s", TRAMA_TEXT(key));
  trama_writer w = {};
  trama_write_object(&w);
  trama_write_key(&w, "value");
  if (trama_config(key, &value)) trama_write_text(&w, value);
  else trama_write_null(&w);
  trama_write_object_end(&w);
  return trama_output(w.text);
}

// {} -> {"status":S}
TRAMA_EXPORT(secret) {
  trama_text handle;
  trama_error error;
  if (!trama_secret_ref("token", &handle, &error)) return trama_fail_with(&error);
  trama_http_request request = trama_http("GET", trama_str("/me"));
  trama_http_header(&request, "Authorization", trama_format("Bearer %.*s", TRAMA_TEXT(handle)));
  trama_http_response response;
  if (!trama_http_send(&request, &response, &error)) return trama_fail_with(&error);
  return trama_output(trama_format("{\"status\":%d}", response.status));
}

// {} -> {"random":16,"deadline":true}
TRAMA_EXPORT(clock) {
  char first[16], second[16];
  trama_error error;
  int64_t deadline;
  if (!trama_random(first, sizeof first, &error) || !trama_random(second, sizeof second, &error) ||
      !trama_deadline(&deadline, &error))
    return trama_fail_with(&error);
  trama_text a = {first, sizeof first}, b = {second, sizeof second};
  bool later = deadline > trama_now();
  return trama_output(trama_format("{\"random\":%d,\"deadline\":%s}", trama_equal(a, b) ? 0 : 16, later ? "true" : "false"));
}

// {"how":"plain" | "coded" | "panic" | "trap" | "silent"}
TRAMA_EXPORT(fail) {
  trama_json input;
  if (!trama_input_json(&input)) return 1;
  trama_text how = trama_json_text(trama_json_get(input, "how"));
  if (trama_is(how, "plain")) return trama_fail_text("plain failure");
  if (trama_is(how, "coded")) {
    trama_error e = {
        .code = trama_str("teapot"),
        .message = trama_str("I'm a teapot"),
        .retryable = true,
        .retry_after_millis = 1500,
        .detail = trama_str("{\"short\":\"stout\"}"),
    };
    return trama_fail_with(&e);
  }
  if (trama_is(how, "panic")) trama_panic("oh no");
  if (trama_is(how, "trap")) __builtin_trap();
  if (trama_is(how, "silent")) return 1;
  return trama_fail("invalid", "how: want plain, coded, panic, trap or silent");
}
