;; Its answer is neither a success nor a failure.

(func (export "chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (i32.store8 (i32.const 512) (i32.const 2))
  (i32.store (i32.const 516) (i32.const 0))
  (i32.store (i32.const 520) (i32.const 0))
  (i32.const 512))
