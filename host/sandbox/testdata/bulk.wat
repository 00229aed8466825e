;; Takes its input and gives its output in one piece where the host does that,
;; and by Extism's calls elsewhere. The length of the input, which is all that
;; trama_input is told, chooses what it does wrong, from 1001 on.
(module
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_load_u8" (func $input_load_u8 (param i64) (result i32)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (import "extism:host/env" "error_set" (func $error_set (param i64)))
  (memory (export "memory") 4 16)
  (global $bulk (mut i32) (i32.const 0))
  (global $length (mut i32) (i32.const 0))
  (global $address (mut i32) (i32.const 0))
  (global $result (mut i64) (i64.const 0))

  (func (export "trama_input") (param $n i32) (result i32)
    (global.set $result (i64.const 0))
    (global.set $length (local.get $n))
    (global.set $bulk (i32.const 1))
    (if (i32.eq (local.get $n) (i32.const 1001)) (then (return (i32.const -1))))
    (if (i32.eq (local.get $n) (i32.const 1002)) (then (global.set $bulk (i32.const 0)) (return (i32.const 0))))
    (if (i32.eq (local.get $n) (i32.const 1003)) (then (unreachable)))
    (if (i32.eq (local.get $n) (i32.const 1004)) ;; in a page that is new
      (then
        (global.set $address (i32.mul (memory.grow (i32.const 1)) (i32.const 65536)))
        (return (global.get $address))))
    (if (i32.eq (local.get $n) (i32.const 1005)) (then (return (i32.const 261140)))) ;; one byte of it is outside
    (if (i32.eq (local.get $n) (i32.const 1006)) (then (loop $on (br $on))))
    (global.set $address (i32.const 1024))
    (global.get $address))

  (func (export "trama_output") (result i64)
    (if (i64.eq (global.get $result) (i64.const -1)) (then (unreachable)))
    (if (i64.eq (global.get $result) (i64.const -2)) (then (loop $on (br $on))))
    (global.get $result))

  (func $range (param $address i32) (param $n i32) (result i64)
    (i64.or (i64.shl (i64.extend_i32_u (local.get $address)) (i64.const 32)) (i64.extend_i32_u (local.get $n))))

  ;; a block of one byte
  (func $block (param $byte i32) (result i64)
    (local $at i64)
    (local.set $at (call $alloc (i64.const 1)))
    (call $store_u8 (local.get $at) (local.get $byte))
    (local.get $at))

  (func (export "echo") (result i32)
    (local $n i64) (local $i i64) (local $out i64)
    (if (global.get $bulk)
      (then
        (global.set $result (call $range (global.get $address) (global.get $length)))
        (return (i32.const 0))))
    (local.set $n (call $input_length))
    (local.set $out (call $alloc (local.get $n)))
    (block $done
      (loop $bytes
        (br_if $done (i64.ge_u (local.get $i) (local.get $n)))
        (call $store_u8 (i64.add (local.get $out) (local.get $i)) (call $input_load_u8 (local.get $i)))
        (local.set $i (i64.add (local.get $i) (i64.const 1)))
        (br $bytes)))
    (call $output_set (local.get $out) (local.get $n))
    (i32.const 0))

  ;; what Extism's calls say that the input is
  (func (export "extism_length") (result i32)
    (call $output_set (call $block (i32.add (i32.const 48) (i32.wrap_i64 (call $input_length)))) (i64.const 1))
    (i32.const 0))

  (func (export "outside") (result i32)
    (global.set $result (call $range (i32.const 262140) (i32.const 5))) (i32.const 0))
  (func (export "at_the_end") (result i32)
    (i32.store8 (i32.const 262143) (i32.const 122))
    (global.set $result (call $range (i32.const 262143) (i32.const 1))) (i32.const 0))
  (func (export "around") (result i32)
    (global.set $result (call $range (i32.const -1) (i32.const 2))) (i32.const 0))
  (func (export "from_zero") (result i32)
    (global.set $result (call $range (i32.const 0) (i32.const 5))) (i32.const 0))
  (func (export "all") (result i32)
    (global.set $result (call $range (i32.const 1) (i32.const 262143))) (i32.const 0))
  (func (export "grown") (result i32)
    (local $at i32)
    (local.set $at (i32.mul (memory.grow (i32.const 1)) (i32.const 65536)))
    (i32.store8 (local.get $at) (i32.const 103))
    (global.set $result (call $range (local.get $at) (i32.const 1))) (i32.const 0))
  (func (export "empty") (result i32)
    (call $output_set (call $block (i32.const 120)) (i64.const 1))
    (global.set $result (call $range (i32.const 1) (i32.const 0))) (i32.const 0))
  (func (export "unset") (result i32)
    (call $output_set (call $block (i32.const 120)) (i64.const 1)) (i32.const 0))
  (func (export "output_trap") (result i32) (global.set $result (i64.const -1)) (i32.const 0))
  (func (export "output_loop") (result i32) (global.set $result (i64.const -2)) (i32.const 0))
  (func (export "error") (result i32)
    (global.set $result (i64.const -1)) ;; trama_output is not asked
    (call $error_set (call $block (i32.const 101))) (i32.const 0))
  (func (export "code") (result i32) (global.set $result (i64.const -1)) (i32.const 3)))
