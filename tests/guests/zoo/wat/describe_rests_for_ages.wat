;; Its interval is five hundred years.

(func (export "chore:peer/lifecycle@0.1.0#describe") (result i32)
  (i64.store (i32.const 1104) (i64.const -1))
  (i32.const 1024))
