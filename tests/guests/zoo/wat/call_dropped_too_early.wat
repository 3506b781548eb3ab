;; It drops a call that is in progress.

(import "[export]chore:peer/lifecycle@0.1.0" "[task-return]run" (func $answer (param i32 i32 i32)))
(import "chore:peer/cycle@0.1.0" "[async-lower]cancelled" (func $cancelled (result i32)))
(import "$root" "[subtask-drop]" (func $drop (param i32)))
(func (export "[async-lift]chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (call $drop (i32.shr_u (call $cancelled) (i32.const 4))) (i32.const 0))
(func (export "[callback][async-lift]chore:peer/lifecycle@0.1.0#run") (param i32 i32 i32) (result i32)
  (unreachable))
