;; Never comes out of its start section.
(module
  (func $spin (loop $again (br $again)))
  (start $spin)
  (func (export "run") (result i32) (i32.const 0)))
