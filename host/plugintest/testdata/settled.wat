;; A plugin that reads the setting "k" as it starts, and crashes without it; go
;; gives how many bytes it has.
(module
 (import "extism:host/env" "config_get" (func $cfg (param i64) (result i64)))
 (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
 (import "extism:host/env" "length" (func $length (param i64) (result i64)))
 (import "extism:host/env" "store_u8" (func $st (param i64 i32)))
 (import "extism:host/env" "output_set" (func $out (param i64 i64)))
 (memory (export "memory") 1)
 (global $g (mut i32) (i32.const 0))
 (func (export "_initialize") (local $k i64)
   (local.set $k (call $alloc (i64.const 1)))
   (call $st (local.get $k) (i32.const 107)) ;; "k"
   (local.set $k (call $cfg (local.get $k)))
   (if (i64.eqz (local.get $k)) (then unreachable))
   (global.set $g (i32.wrap_i64 (call $length (local.get $k)))))
 (func (export "go") (result i32) (local $k i64)
   (local.set $k (call $alloc (i64.const 1)))
   (call $st (local.get $k) (i32.add (i32.const 48) (global.get $g)))
   (call $out (local.get $k) (i64.const 1))
   (i32.const 0)))
