;; It waits for a set that there is not.

(import "[export]chore:peer/lifecycle@0.1.0" "[task-return]run" (func $answer (param i32 i32 i32)))
(func (export "[async-lift]chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (i32.or (i32.const 2) (i32.shl (i32.const 999) (i32.const 4))))
(func (export "[callback][async-lift]chore:peer/lifecycle@0.1.0#run") (param i32 i32 i32) (result i32)
  (unreachable))
