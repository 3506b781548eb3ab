;; It waits for what comes at its end, and then for nothing.

(import "[export]chore:peer/lifecycle@0.1.0" "[task-return]run" (func $answer (param i32 i32 i32)))
(import "$root" "[waitable-set-new]" (func $set (result i32)))
(import "$root" "[waitable-join]" (func $join (param i32 i32)))
(import "chore:peer/cycle@0.1.0" "[async-lower]cancelled" (func $cancelled (result i32)))
(func (export "[async-lift]chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (local.set 0 (call $set)) (call $join (i32.shr_u (call $cancelled) (i32.const 4)) (local.get 0)) (i32.or (i32.const 2) (i32.shl (local.get 0) (i32.const 4))))
(func (export "[callback][async-lift]chore:peer/lifecycle@0.1.0#run") (param i32 i32 i32) (result i32)
  (i32.or (i32.const 2) (i32.shl (call $set) (i32.const 4))))
