;; Its name leads out of the directory.

(data (i32.const 8192) "../../etc/pass")
(func (export "chore:peer/lifecycle@0.1.0#describe") (result i32)
  (i32.store (i32.const 1024) (i32.const 8192))
  (i32.store (i32.const 1028) (i32.const 14))
  (i32.const 1024))
