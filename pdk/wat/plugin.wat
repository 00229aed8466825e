;; A plugin in WebAssembly's own text format: the contract with nothing around it.
;;
;; Its operation "shout" takes a JSON text and gives it in capitals. It uses the
;; eight imports that suffice for anything that only computes, so it runs in any
;; host that speaks Extism's ABI. Its manifest is manifest.json beside it.
;;
;;     wat2wasm plugin.wat -o build/shout.wasm
;;     trama plugin pack .
(module
  (import "extism:host/env" "input_length"   (func $input_length (result i64)))
  (import "extism:host/env" "input_load_u8"  (func $input_load_u8 (param i64) (result i32)))
  (import "extism:host/env" "input_load_u64" (func $input_load_u64 (param i64) (result i64)))
  (import "extism:host/env" "alloc"          (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8"       (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "store_u64"      (func $store_u64 (param i64 i64)))
  (import "extism:host/env" "output_set"     (func $output_set (param i64 i64)))
  (import "extism:host/env" "error_set"      (func $error_set (param i64)))

  (memory 1)
  (data (i32.const 16) "{\"code\":\"invalid\",\"message\":\"want a text\"}")
  (global $wrong i32 (i32.const 16))
  (global $wrong_length i32 (i32.const 42))
  (global $buffer i32 (i32.const 1024)) ;; the input, from here to the end of memory

  ;; makes the buffer large enough, and copies the input into it: eight bytes at
  ;; a time, then the rest one by one, because a load may not pass the end
  (func $read_input (result i32)
    (local $n i64) (local $i i64) (local $at i32) (local $pages i32)
    (local.set $n (call $input_length))
    (local.set $at (global.get $buffer))
    (local.set $pages
      (i32.sub
        (i32.wrap_i64 (i64.shr_u (i64.add (local.get $n) (i64.const 66559)) (i64.const 16)))
        (memory.size)))
    (if (i32.gt_s (local.get $pages) (i32.const 0))
      (then (if (i32.eq (memory.grow (local.get $pages)) (i32.const -1)) (then (unreachable)))))
    (block $words_done
      (loop $words
        (br_if $words_done (i64.gt_u (i64.add (local.get $i) (i64.const 8)) (local.get $n)))
        (i64.store (local.get $at) (call $input_load_u64 (local.get $i)))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (local.set $i (i64.add (local.get $i) (i64.const 8)))
        (br $words)))
    (block $bytes_done
      (loop $bytes
        (br_if $bytes_done (i64.ge_u (local.get $i) (local.get $n)))
        (i32.store8 (local.get $at) (call $input_load_u8 (local.get $i)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $i (i64.add (local.get $i) (i64.const 1)))
        (br $bytes)))
    (i32.wrap_i64 (local.get $n)))

  ;; copies bytes of memory into a new block, and gives its offset
  (func $block (param $at i32) (param $n i32) (result i64)
    (local $block i64) (local $to i64) (local $end i32)
    (local.set $block (call $alloc (i64.extend_i32_u (local.get $n))))
    (local.set $to (local.get $block))
    (local.set $end (i32.add (local.get $at) (local.get $n)))
    (block $words_done
      (loop $words
        (br_if $words_done (i32.gt_u (i32.add (local.get $at) (i32.const 8)) (local.get $end)))
        (call $store_u64 (local.get $to) (i64.load (local.get $at)))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (local.set $to (i64.add (local.get $to) (i64.const 8)))
        (br $words)))
    (block $bytes_done
      (loop $bytes
        (br_if $bytes_done (i32.ge_u (local.get $at) (local.get $end)))
        (call $store_u8 (local.get $to) (i32.load8_u (local.get $at)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $to (i64.add (local.get $to) (i64.const 1)))
        (br $bytes)))
    (local.get $block))

  (func (export "shout") (result i32)
    (local $n i32) (local $at i32) (local $end i32) (local $c i32)
    (local.set $n (call $read_input))
    (local.set $at (global.get $buffer))
    (local.set $end (i32.add (local.get $at) (local.get $n)))
    (if (i32.or (i32.lt_u (local.get $n) (i32.const 2))
                (i32.ne (i32.load8_u (local.get $at)) (i32.const 34))) ;; a quotation mark
      (then
        (call $error_set (call $block (global.get $wrong) (global.get $wrong_length)))
        (return (i32.const 1)))) ;; anything but 0 is a failure
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $c (i32.load8_u (local.get $at)))
        (if (i32.eq (local.get $c) (i32.const 92)) ;; a backslash: what follows is its own
          (then (local.set $at (i32.add (local.get $at) (i32.const 1))))
          (else
            (if (i32.lt_u (i32.sub (local.get $c) (i32.const 97)) (i32.const 26))
              (then (i32.store8 (local.get $at) (i32.sub (local.get $c) (i32.const 32)))))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (call $output_set (call $block (global.get $buffer) (local.get $n)) (i64.extend_i32_u (local.get $n)))
    (i32.const 0)))
