;; It says what failed in bytes that are no UTF-8.

(data (i32.const 8192) "ab\ff\fe\ed\a0")
(func (export "chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (i32.store8 (i32.const 512) (i32.const 1))
  (i32.store (i32.const 516) (i32.const 8192))
  (i32.store (i32.const 520) (i32.const 6))
  (i32.const 512))
