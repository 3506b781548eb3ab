;; It logs a text of 12 MB.

(import "chore:peer/log@0.1.0" "write" (func $log (param i32 i32 i32 i32 i32)))
(func (export "chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (drop (memory.grow (i32.const 190)))
  (call $log (i32.const 2) (i32.const 65536) (i32.const 12000000) (i32.const 0) (i32.const 0))
  (i32.const 512))
