;; A plugin that gives the day, as the number of days since 1970.
(module
 (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
 (import "extism:host/env" "store_u8" (func $store (param i64 i32)))
 (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
 (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
 (memory (export "memory") 1)
 (func (export "today") (result i32) (local $days i64) (local $b i64) (local $i i64)
  (drop (call $clock (i32.const 0) (i64.const 1) (i32.const 0)))
  (local.set $days (i64.div_u (i64.load (i32.const 0)) (i64.const 86400000000000)))
  (local.set $b (call $alloc (i64.const 5)))
  (local.set $i (i64.const 5))
  (loop $digit
   (local.set $i (i64.sub (local.get $i) (i64.const 1)))
   (call $store (i64.add (local.get $b) (local.get $i)) (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $days) (i64.const 10)))))
   (local.set $days (i64.div_u (local.get $days) (i64.const 10)))
   (br_if $digit (i64.gt_u (local.get $i) (i64.const 0))))
  (call $output_set (local.get $b) (i64.const 5))
  (i32.const 0)))
