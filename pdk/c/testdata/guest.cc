// The header in C++: objects, virtual functions, new and delete without a
// library, and a global that is constructed before each call.
#include "trama.h"

namespace {

struct sum {
  int64_t total = 0;
  virtual ~sum() = default;
  virtual bool add(int64_t price, int64_t quantity) = 0;
};

struct checked : sum {
  bool add(int64_t price, int64_t quantity) override {
    int64_t both;
    return !__builtin_mul_overflow(price, quantity, &both) && !__builtin_add_overflow(total, both, &total);
  }
};

struct counter {
  int n;
  counter() : n(static_cast<int>(trama_str("four").size)) {}
  ~counter() { n = 0; }
};
counter made_before;

}  // namespace

TRAMA_DESCRIBE("{\"name\":\"guest\"}")

TRAMA_EXPORT(echo) { return trama_output(trama_input()); }

TRAMA_EXPORT(total) {
  trama_json input;
  if (!trama_input_json(&input)) return 1;
  trama_json items = trama_json_get(input, "items");
  if (trama_json_kind_of(items) != TRAMA_ARRAY) return trama_fail("invalid", "items: want a list");
  sum *all = new checked;
  size_t count = 0;
  for (auto i = trama_json_each(items); trama_json_next(&i); count++) {
    int64_t price, quantity;
    if (!trama_json_int(trama_json_get(i.value, "price"), &price)) return trama_fail("invalid", "items[%zu].price: want a whole number", i.index);
    if (!trama_json_int(trama_json_get(i.value, "quantity"), &quantity)) return trama_fail("invalid", "items[%zu].quantity: want a whole number", i.index);
    if (!all->add(price, quantity)) return trama_fail("invalid", "items[%zu]: too large", i.index);
  }
  trama_writer w{};
  trama_write_object(&w);
  trama_write_key(&w, "total");
  trama_write_int(&w, all->total);
  trama_write_key(&w, "items");
  trama_write_int(&w, static_cast<int64_t>(count));
  trama_write_object_end(&w);
  delete all;
  return trama_output(w.text);
}

TRAMA_EXPORT(fail) {
  if (made_before.n++ != 4) return trama_fail_text("the global is not as it was constructed");
  trama_text how = trama_input();
  if (trama_is(how, "plain")) return trama_fail_text("plain failure");
  if (trama_is(how, "panic")) trama_panic("oh no");
  trama_error e{};
  e.code = trama_str("teapot");
  e.message = trama_str("I'm a teapot");
  e.detail = trama_str("{\"short\":\"stout\"}");
  return trama_fail_with(&e);
}
