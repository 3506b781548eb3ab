;; It logs more fields than its memory has room for.

(import "chore:peer/log@0.1.0" "write" (func $log (param i32 i32 i32 i32 i32)))
(func (export "chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (call $log (i32.const 2) (i32.const 1152) (i32.const 4) (i32.const 1152) (i32.const 0x0fffffff))
  (i32.const 512))
