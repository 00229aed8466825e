;; Never comes out of its initialiser.
(module
  (func (export "_initialize") (loop $again (br $again)))
  (func (export "run") (result i32) (i32.const 0)))
