;; Guests that do what a hostile plugin would: each export is one attack that
;; the checks before compiling let pass, so that limits must stop it.
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "free" (func $free (param i64)))
  (import "extism:host/env" "store_u64" (func $store (param i64 i64)))
  (import "extism:host/env" "log_info" (func $log (param i64)))
  (import "extism:host/env" "var_set" (func $var_set (param i64 i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (import "extism:host/env" "input_set" (func $input_set (param i64 i64)))
  (import "extism:host/env" "reset" (func $reset))
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_renumber" (func $fd_renumber (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $fd_fdstat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (memory (export "memory") 16)
  (global $left (mut i32) (i32.const 42))

  ;; an endless loop, and one whose only instruction is the branch
  (func (export "spin") (result i32) (loop $l (br $l)) (unreachable))

  ;; 2^40 calls without a single loop: a tree of calls, forty levels deep
  (func $t0 (param i64) (result i64) (i64.add (local.get 0) (i64.const 1)))
  (func $tree (param $depth i32) (param $n i64) (result i64)
    (if (result i64) (i32.eqz (local.get $depth))
      (then (call $t0 (local.get $n)))
      (else (call $tree (i32.sub (local.get $depth) (i32.const 1))
              (call $tree (i32.sub (local.get $depth) (i32.const 1)) (local.get $n))))))
  (func (export "tree") (result i32) (i32.wrap_i64 (call $tree (i32.const 40) (i64.const 0))))

  ;; calls nested without end, with and without many locals
  (func $deep (param i32) (result i32) (i32.add (i32.const 1) (call $deep (i32.add (local.get 0) (i32.const 1)))))
  (func (export "recurse") (result i32) (call $deep (i32.const 0)))
  (func $wide (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64) (result i64)
    (local i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64)
    (local.set 16 (i64.add (local.get 0) (i64.const 1)))
    (local.set 17 (i64.add (local.get 1) (i64.const 1)))
    (i64.add (i64.add (local.get 16) (local.get 17))
      (call $wide (local.get 16) (local.get 17) (local.get 2) (local.get 3) (local.get 4) (local.get 5) (local.get 6) (local.get 7)
        (local.get 8) (local.get 9) (local.get 10) (local.get 11) (local.get 12) (local.get 13) (local.get 14) (local.get 15))))
  (func (export "recurse_wide") (result i32)
    (i32.wrap_i64 (call $wide (i64.const 0) (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7)
      (i64.const 8) (i64.const 9) (i64.const 10) (i64.const 11) (i64.const 12) (i64.const 13) (i64.const 14) (i64.const 15))))

  ;; work behind the last place where fuel is looked at
  (func (export "tail") (result i32) (local $x i32)
    (block $b (br_if $b (i32.const 1)))
    (local.set $x (i32.add (local.get $x) (i32.const 1)))
    (local.set $x (i32.add (local.get $x) (i32.const 1)))
    (local.set $x (i32.add (local.get $x) (i32.const 1)))
    (local.set $x (i32.add (local.get $x) (i32.const 1)))
    (local.set $x (i32.add (local.get $x) (i32.const 1)))
    (local.set $x (i32.add (local.get $x) (i32.const 1)))
    (local.set $x (i32.add (local.get $x) (i32.const 1)))
    (local.set $x (i32.add (local.get $x) (i32.const 1)))
    (local.set $x (i32.add (local.get $x) (i32.const 1)))
    (local.set $x (i32.add (local.get $x) (i32.const 1)))
    (local.set $x (i32.add (local.get $x) (i32.const 1)))
    (local.set $x (i32.add (local.get $x) (i32.const 1)))
    (i32.const 0))

  ;; few instructions, much work
  (func (export "fill") (result i32)
    (loop $l (memory.fill (i32.const 0) (i32.const 7) (i32.const 1048576)) (br $l)) (unreachable))
  (func (export "copy") (result i32)
    (loop $l (memory.copy (i32.const 8) (i32.const 0) (i32.const 1048568)) (br $l)) (unreachable))
  (func (export "divide") (result i32) (local $x i64)
    (local.set $x (i64.const 0x7fffffffffffffff))
    (loop $l (local.set $x (i64.or (i64.div_u (i64.const -1) (local.get $x)) (i64.const 0x7fffffffffffffff))) (br $l)) (unreachable))
  (func (export "miss") (result i32) (local $at i32)
    (loop $l ;; a cache line for each step
      (i32.store (local.get $at) (local.get $at))
      (local.set $at (i32.and (i32.add (local.get $at) (i32.const 4160)) (i32.const 0xffffc)))
      (br $l)) (unreachable))

  ;; memory until it is refused, then on
  (func (export "grow") (result i32)
    (loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (unreachable))

  ;; the host does the work: a full arena, and a search through all of it for each block
  (func (export "search") (result i32) (local $i i32) (local $last i64)
    (loop $fill
      (local.set $last (call $alloc (i64.const 64)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $fill (i32.lt_u (local.get $i) (i32.const 409598)))) ;; all of 25 MiB
    (loop $l (call $free (local.get $last)) (local.set $last (call $alloc (i64.const 64))) (br $l)) (unreachable))
  (func (export "log") (result i32)
    (loop $l (call $log (call $alloc (i64.const 100000))) (br $l)) (unreachable))
  (func (export "variables") (result i32) (local $i i64) (local $key i64)
    (loop $l
      (local.set $key (call $alloc (i64.const 8)))
      (call $store (local.get $key) (i64.rem_u (local.get $i) (i64.const 20000)))
      (call $var_set (local.get $key) (call $alloc (i64.const 1)))
      (local.set $i (i64.add (local.get $i) (i64.const 1)))
      (br $l)) (unreachable))
  (func (export "resets") (result i32)
    (loop $l
      (call $output_set (call $alloc (i64.const 1000000)) (i64.const 1000000))
      (call $input_set (i64.const 64) (i64.const 1000000))
      (call $reset) (br $l)) (unreachable))

  ;; stdout without end, and without a line's end
  (func (export "stdout") (result i32) (local $i i32)
    (loop $vectors ;; a hundred, each of a million bytes
      (i32.store (local.get $i) (i32.const 1000)) (i32.store offset=4 (local.get $i) (i32.const 1000000))
      (local.set $i (i32.add (local.get $i) (i32.const 8)))
      (br_if $vectors (i32.lt_u (local.get $i) (i32.const 800))))
    (loop $l (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 100) (i32.const 900))) (br $l)) (unreachable))

  ;; what a call could leave to the next one: memory, a global, the open files
  (func (export "leave") (result i32)
    (i32.store (i32.const 500000) (i32.const 1))
    (global.set $left (i32.const 1))
    (drop (call $fd_close (i32.const 1)))
    (drop (call $fd_renumber (i32.const 2) (i32.const 1)))
    (i32.const 0))
  (func (export "find") (result i32) ;; 0: nothing was left
    (i32.or (i32.or (i32.load (i32.const 500000)) (i32.ne (global.get $left) (i32.const 42)))
      (i32.or (call $fd_fdstat_get (i32.const 1) (i32.const 1024)) (call $fd_fdstat_get (i32.const 2) (i32.const 1024)))))
)
