;; It makes a call and gives it up, for ever.

(import "[export]chore:peer/lifecycle@0.1.0" "[task-return]run" (func $answer (param i32 i32 i32)))
(import "chore:peer/cycle@0.1.0" "[async-lower]cancelled" (func $cancelled (result i32)))
(import "$root" "[subtask-cancel]" (func $cancel (param i32) (result i32)))
(import "$root" "[subtask-drop]" (func $drop (param i32)))
(func (export "[async-lift]chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (loop $l (local.set 0 (i32.shr_u (call $cancelled) (i32.const 4))) (br_if $l (i32.eqz (local.get 0))) (drop (call $cancel (local.get 0))) (call $drop (local.get 0)) (br $l)) (unreachable))
(func (export "[callback][async-lift]chore:peer/lifecycle@0.1.0#run") (param i32 i32 i32) (result i32)
  (unreachable))
