;; Counts what ran before the first call: the start section adds 1, the
;; initialiser 10. "state" returns the sum as a character and adds 1 to it.
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (global $sum (mut i32) (i32.const 48))
  (func $start (global.set $sum (i32.add (global.get $sum) (i32.const 1))))
  (start $start)
  (func (export "_initialize") (global.set $sum (i32.add (global.get $sum) (i32.const 10))))
  (func (export "with_params") (param i32) (result i32) (local.get 0))
  (func (export "two_results") (result i32 i32) (i32.const 0) (i32.const 0))
  (func (export "state") (result i32)
    (local $out i64)
    (local.set $out (call $alloc (i64.const 1)))
    (call $store_u8 (local.get $out) (global.get $sum))
    (call $output_set (local.get $out) (i64.const 1))
    (global.set $sum (i32.add (global.get $sum) (i32.const 1)))
    (i32.const 0)))
