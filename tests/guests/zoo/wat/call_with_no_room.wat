;; It asks for an answer where it has no memory.

(import "chore:peer/sql@0.1.0" "begin" (func $begin (param i32)))
(func (export "chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (call $begin (i32.const 0xfffffff0))
  (i32.const 512))
