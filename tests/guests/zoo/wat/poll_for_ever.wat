;; It looks for ever whether anything has happened.

(import "$root" "[waitable-set-new]" (func $set (result i32)))
(import "$root" "[waitable-set-poll]" (func $poll (param i32 i32) (result i32)))
(func (export "chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (local.set 0 (call $set))
  (loop $l (drop (call $poll (local.get 0) (i32.const 512))) (br $l))
  (i32.const 512))
