;; Its run never ends.

(func (export "chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (loop $l (br $l))
  (i32.const 512))
