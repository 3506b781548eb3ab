;; It uses a transaction that it never got.

(import "chore:peer/sql@0.1.0" "[method]transaction.execute" (func $execute (param i32 i32 i32 i32 i32 i32)))
(func (export "chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (call $execute (i32.const 4242) (i32.const 1152) (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 512))
  (i32.const 512))
