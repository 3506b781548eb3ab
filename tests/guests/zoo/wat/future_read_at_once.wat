;; It blocks all of itself on a future.

(import "chore:peer/sql@0.1.0" "[future-new-1]stream" (func $new (result i64)))
(import "chore:peer/sql@0.1.0" "[future-read-1]stream" (func $read (param i32 i32) (result i32)))
(func (export "chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (drop (call $read (i32.wrap_i64 (call $new)) (i32.const 512)))
  (i32.const 512))
