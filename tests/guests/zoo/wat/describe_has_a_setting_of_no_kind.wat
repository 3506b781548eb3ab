;; A setting is of a kind that there is not.

(func (export "chore:peer/lifecycle@0.1.0#describe") (result i32)
  (i32.store (i32.const 1056) (i32.const 8192))
  (i32.store (i32.const 1060) (i32.const 1))
  (i32.store (i32.const 8192) (i32.const 1152))
  (i32.store (i32.const 8196) (i32.const 4))
  (i32.store8 (i32.const 8208) (i32.const 77))
  (i32.const 1024))
