;; A plugin that does what its author did not think of.
(module
 (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
 (import "extism:host/env" "store_u8" (func $store (param i64 i32)))
 (import "extism:host/env" "load_u8" (func $load (param i64) (result i32)))
 (import "extism:host/env" "length" (func $length (param i64) (result i64)))
 (import "extism:host/env" "input_length" (func $input_length (result i64)))
 (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
 (import "extism:host/env" "error_set" (func $error_set (param i64)))
 (import "trama:host/v1" "http_send" (func $http_send (param i64) (result i64)))
 (memory (export "memory") 1)
 (data (i32.const 0) "{\22url\22:\22/\22}")                    ;; 11 bytes
 (data (i32.const 16) "{\22units\22:[]}")                      ;; 12
 (data (i32.const 32) "{\22message_id\22:7}")                  ;; 16
 (data (i32.const 48) "{\22error\22:\22it did not work\22}")   ;; 27
 (data (i32.const 80) "{\22code\22:\22trap\22,\22message\22:\22it did not work\22}") ;; 43
 (func $block (param $at i32) (param $n i32) (result i64) (local $b i64) (local $i i32)
  (local.set $b (call $alloc (i64.extend_i32_u (local.get $n))))
  (loop $next
   (call $store (i64.add (local.get $b) (i64.extend_i32_u (local.get $i))) (i32.load8_u (i32.add (local.get $at) (local.get $i))))
   (local.set $i (i32.add (local.get $i) (i32.const 1)))
   (br_if $next (i32.lt_u (local.get $i) (local.get $n))))
  (local.get $b))
 (func $give (param $at i32) (param $n i32) (result i32)
  (call $output_set (call $block (local.get $at) (local.get $n)) (i64.extend_i32_u (local.get $n)))
  (i32.const 0))
 ;; It takes whatever comes back for an answer: {"ok" or {"error".
 (func $ask (result i32) (local $reply i64)
  (local.set $reply (call $http_send (call $block (i32.const 0) (i32.const 11))))
  (if (i32.ne (call $load (i64.add (local.get $reply) (i64.const 2))) (i32.const 111)) (then unreachable))
  (call $output_set (local.get $reply) (call $length (local.get $reply)))
  (i32.const 0))
 (func (export "ask") (result i32) (call $ask))
 (func (export "receive") (result i32) (call $give (i32.const 16) (i32.const 12)))
 (func (export "send") (result i32) (call $give (i32.const 32) (i32.const 16)))
 (func (export "fetch") (result i32) (drop (call $ask)) (call $give (i32.const 16) (i32.const 12)))
 ;; What is not empty is no surprise to it.
 (func (export "connect") (result i32)
  (if (i64.eqz (call $input_length)) (then unreachable))
  (call $give (i32.const 16) (i32.const 12)))
 (func (export "check") (result i32)
  (if (i64.gt_u (call $input_length) (i64.const 40)) (then unreachable))
  (call $give (i32.const 16) (i32.const 12)))
 (func (export "run") (result i32) (call $give (i32.const 16) (i32.const 12)))
 (func (export "prepare") (result i32)
  (if (i64.eqz (call $input_length)) (then unreachable))
  (i32.const 0))
 (func (export "fail_shape") (result i32) (call $error_set (call $block (i32.const 48) (i32.const 27))) (i32.const 1))
 (func (export "fail_code") (result i32) (call $error_set (call $block (i32.const 80) (i32.const 43))) (i32.const 1)))
