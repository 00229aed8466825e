// The suite: one connector that does the same in every language that has a
// PDK. What it does is said in ../../suite/manifest.json and tested by
// ../../suite/cases.yaml.
#include "trama.h"

// What a double holds exactly, and so JSON in every language.
static const double most = 9007199254740991;

static bool whole(double n) { return n >= -most && n <= most && (double)(int64_t)n == n; }

// has takes null for a field that is left out.
static bool has(trama_json object, const char *name) { return trama_json_kind_of(trama_json_get(object, name)) > TRAMA_NULL; }

// text gives a field that must be there; else the call has failed.
static bool text(trama_json input, const char *name, trama_text *into) {
  if (trama_json_string(trama_json_get(input, name), into)) return true;
  trama_fail("invalid", "%s: want a text", name);
  return false;
}

// flag gives a field that may be left out; else the call has failed.
static bool flag(trama_json input, const char *name, bool *into) {
  *into = false;
  if (!has(input, name) || trama_json_bool(trama_json_get(input, name), into)) return true;
  trama_fail("invalid", "%s: want true or false", name);
  return false;
}

TRAMA_EXPORT(echo) { return trama_output(trama_input()); }

// {"items":[{"price":INT,"quantity":INT},...]} -> {"total":INT,"items":COUNT}
TRAMA_EXPORT(total) {
  trama_json input;
  if (!trama_input_json(&input)) return 1;
  trama_json items = trama_json_get(input, "items");
  if (trama_json_kind_of(items) != TRAMA_ARRAY) return trama_fail("invalid", "items: want a list");
  double total = 0;
  int64_t count = 0;
  trama_json_iterator i = trama_json_each(items);
  for (; trama_json_next(&i); count++) {
    double price, quantity;
    if (!trama_json_double(trama_json_get(i.value, "price"), &price) || !whole(price))
      return trama_fail("invalid", "items[%zu].price: want a whole number", i.index);
    if (!trama_json_double(trama_json_get(i.value, "quantity"), &quantity) || !whole(quantity))
      return trama_fail("invalid", "items[%zu].quantity: want a whole number", i.index);
    total += price * quantity;
    if (!whole(price * quantity) || !whole(total))
      return trama_fail("invalid", "items[%zu]: the total is beyond 9007199254740991", i.index);
  }
  trama_writer w = {};
  trama_write_object(&w);
  trama_write_key(&w, "total");
  trama_write_int(&w, (int64_t)total);
  trama_write_key(&w, "items");
  trama_write_int(&w, count);
  trama_write_object_end(&w);
  return trama_output(w.text);
}

// {"name":TEXT} or {"name":TEXT,"type":MIME} -> {"status":S,"id":ID}
TRAMA_EXPORT(fetch) {
  trama_json input;
  if (!trama_input_json(&input)) return 1;
  trama_text name, type, effect, id;
  trama_error error;
  if (!text(input, "name", &name)) return 1;
  if (!trama_effect_id(&effect, &error)) return trama_fail_with(&error);

  trama_http_request request = trama_http("POST", trama_str("/contacts"));
  trama_http_header(&request, "idempotency-key", effect);
  if (has(input, "type")) {
    if (!text(input, "type", &type)) return 1;
    trama_http_header(&request, "content-type", type);
  }
  trama_writer body = {};
  trama_write_object(&body);
  trama_write_key(&body, "name");
  trama_write_text(&body, name);
  trama_write_object_end(&body);
  trama_http_json(&request, body.text);
  bool secured;
  if (!flag(input, "secured", &secured)) return 1;
  if (secured) request.ws_security = (trama_ws_security){.at = 1, .no_header = true, .envelope = "http://www.w3.org/2003/05/soap-envelope"};
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
  if (!trama_json_string(trama_json_get(answer, "id"), &id)) return trama_fail("error", "the service's answer: id: want a text");
  trama_writer w = {};
  trama_write_object(&w);
  trama_write_key(&w, "status");
  trama_write_int(&w, response.status);
  trama_write_key(&w, "id");
  trama_write_text(&w, id);
  trama_write_object_end(&w);
  return trama_output(w.text);
}

// {"key":K} -> {"n":N}; {"key":K,"forget":true} -> {"n":0}; {"list":PREFIX} -> {"keys":[...]}
TRAMA_EXPORT(count) {
  trama_json input;
  if (!trama_input_json(&input)) return 1;
  trama_text key, value, prefix;
  trama_error error;
  trama_writer w = {};
  trama_write_object(&w);
  if (has(input, "list")) {
    if (!text(input, "list", &prefix)) return 1;
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
    double n = 0;
    bool found, forget;
    trama_json kept;
    if (!text(input, "key", &key)) return 1;
    if (!flag(input, "forget", &forget)) return 1;
    if (forget) {
      if (!trama_kv_delete(key, &error)) return trama_fail_with(&error);
    } else {
      if (!trama_kv_get(key, &value, &found, &error)) return trama_fail_with(&error);
      if (found && (!trama_json_parse(value, &kept, NULL) || !trama_json_double(kept, &n) || !whole(n) || n == most))
        return trama_fail("invalid", "%.*s: what is kept there is no number to add to", TRAMA_TEXT(key));
      if (!trama_kv_set(key, trama_format("%lld", (long long)++n), &error)) return trama_fail_with(&error);
    }
    trama_write_key(&w, "n");
    trama_write_int(&w, (int64_t)n);
  }
  trama_write_object_end(&w);
  return trama_output(w.text);
}

// {"text":T} -> {"signature":HEX}; {"text":T,"signature":HEX} -> {"valid":BOOL}
TRAMA_EXPORT(sign) {
  trama_json input;
  if (!trama_input_json(&input)) return 1;
  trama_text data, hex, signature;
  trama_error error;
  trama_writer w = {};
  trama_write_object(&w);
  if (!text(input, "text", &data)) return 1;
  const char *algorithm = "HS256";
  if (has(input, "algorithm")) {
    trama_text given = trama_json_text(trama_json_get(input, "algorithm"));
    if (trama_is(given, "HS512")) algorithm = "HS512";
    else if (!trama_is(given, "HS256")) return trama_fail("invalid", "algorithm: want HS256 or HS512");
  }
  if (has(input, "signature")) {
    bool valid;
    if (!text(input, "signature", &hex)) return 1;
    if (!trama_hex_decode(hex, &signature)) return trama_fail("invalid", "signature: want hexadecimal digits");
    if (!trama_verify("suite", algorithm, data, signature, &valid, &error)) return trama_fail_with(&error);
    trama_write_key(&w, "valid");
    trama_write_bool(&w, valid);
  } else {
    if (!trama_sign("suite", algorithm, data, &signature, &error)) return trama_fail_with(&error);
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
  trama_text key, value = {};
  if (!text(input, "key", &key)) return 1;
  trama_log_info("config %.*s", TRAMA_TEXT(key));
  trama_log_warn("config %.*s", TRAMA_TEXT(key));
  trama_writer w = {};
  trama_write_object(&w);
  trama_write_key(&w, "value");
  if (trama_config(key, &value)) trama_write_text(&w, value);
  else trama_write_null(&w);
  trama_log_debug("%.*s", TRAMA_TEXT(value));
  trama_write_object_end(&w);
  return trama_output(w.text);
}

// {} -> {"status":S}
TRAMA_EXPORT(secret) {
  trama_json input;
  if (!trama_input_json(&input)) return 1;
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
  trama_json input;
  if (!trama_input_json(&input)) return 1;
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
