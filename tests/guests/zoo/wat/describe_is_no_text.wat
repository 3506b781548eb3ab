;; Its name is no UTF-8.

(data (i32.const 8192) "\ff\fe\c0\80")
(func (export "chore:peer/lifecycle@0.1.0#describe") (result i32)
  (i32.store (i32.const 1024) (i32.const 8192))
  (i32.store (i32.const 1028) (i32.const 4))
  (i32.const 1024))
