;; It drops the end of a future that it owes a value.

(import "chore:peer/sql@0.1.0" "[future-new-1]stream" (func $new (result i64)))
(import "chore:peer/sql@0.1.0" "[future-drop-writable-1]stream" (func $drop (param i32)))
(func (export "chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (call $drop (i32.wrap_i64 (i64.shr_u (call $new) (i64.const 32))))
  (i32.const 512))
