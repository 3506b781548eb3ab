;; It drops a transaction twice.

(import "chore:peer/sql@0.1.0" "begin" (func $begin (param i32)))
(import "chore:peer/sql@0.1.0" "[resource-drop]transaction" (func $drop (param i32)))
(func (export "chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (call $begin (i32.const 512))
  (call $drop (i32.load (i32.const 516)))
  (call $drop (i32.load (i32.const 516)))
  (i32.const 512))
