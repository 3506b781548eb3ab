;; It answers as if it had been opened.

(import "[export]chore:peer/lifecycle@0.1.0" "[task-return]open" (func $other (param i32 i32 i32)))
(func (export "[async-lift]chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (call $other (i32.const 1) (i32.const 1152) (i32.const 4)) (i32.const 0))
(func (export "[callback][async-lift]chore:peer/lifecycle@0.1.0#run") (param i32 i32 i32) (result i32)
  (unreachable))
(func (export "[async-lift]chore:peer/lifecycle@0.1.0#open") (param i32) (result i32)
  (call $other (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const 0))
(func (export "[callback][async-lift]chore:peer/lifecycle@0.1.0#open") (param i32 i32 i32) (result i32) (unreachable))
