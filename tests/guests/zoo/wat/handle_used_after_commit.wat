;; It uses a transaction that it has committed.

(import "chore:peer/sql@0.1.0" "begin" (func $begin (param i32)))
(import "chore:peer/sql@0.1.0" "[static]transaction.commit" (func $commit (param i32 i32)))
(func (export "chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (call $begin (i32.const 512))
  (local.set 0 (i32.load (i32.const 516)))
  (call $commit (local.get 0) (i32.const 512))
  (call $commit (local.get 0) (i32.const 512))
  (i32.const 512))
