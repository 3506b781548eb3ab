;; It logs bytes that are no UTF-8.

(import "chore:peer/log@0.1.0" "write" (func $log (param i32 i32 i32 i32 i32)))
(data (i32.const 8192) "\ff\fe\c0\80")
(func (export "chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (call $log (i32.const 2) (i32.const 8192) (i32.const 4) (i32.const 0) (i32.const 0))
  (i32.const 512))
