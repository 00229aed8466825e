;; A plugin that keeps something between the calls of one instance. Its manifest
;; asks for calls without an image, so that each begins anew in Trama.
(module
 (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
 (import "extism:host/env" "store_u8" (func $store (param i64 i32)))
 (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
 (memory (export "memory") 1)
 (global $calls (mut i32) (i32.const 0))
 (func $digit (param $n i32) (result i32) (local $b i64)
  (local.set $b (call $alloc (i64.const 1)))
  (call $store (local.get $b) (i32.add (i32.const 48) (local.get $n)))
  (call $output_set (local.get $b) (i64.const 1))
  (i32.const 0))
 ;; count gives how many calls there were, once crashes if there was one, and
 ;; nothing but the calls of others disturbs alone.
 (func (export "count") (result i32)
  (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
  (call $digit (global.get $calls)))
 (func (export "once") (result i32)
  (if (global.get $calls) (then unreachable))
  (global.set $calls (i32.const 1))
  (call $digit (i32.const 1)))
 (func (export "spoil") (result i32)
  (global.set $calls (i32.const 1))
  (call $digit (i32.const 1)))
 (func (export "alone") (result i32)
  (if (global.get $calls) (then unreachable))
  (call $digit (i32.const 1))))
