;; It divides by zero.

(func (export "chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (drop (i32.div_u (i32.const 1) (i32.const 0)))
  (i32.const 512))
