;; A guest that changes its table: it can't go back to an image, so each call
;; starts from nothing.
(module
  (table $t 2 funcref)
  (elem (i32.const 0) $one)
  (func $one (result i32) (i32.const 1))
  (export "memory" (memory 0))
  (memory 1)
  (func (export "grow") (result i32)
    (loop $l (br_if $l (i32.ne (table.grow $t (ref.null func) (i32.const 4096)) (i32.const -1))))
    (i32.ne (table.size $t) (i32.const 61442))) ;; 0: stopped at the last step below 65,536
  (func (export "leave") (result i32)
    (table.set $t (i32.const 1) (table.get $t (i32.const 0))) (i32.const 0))
  (func (export "find") (result i32) ;; 0: nothing was left
    (i32.eqz (ref.is_null (table.get $t (i32.const 1)))))
)
