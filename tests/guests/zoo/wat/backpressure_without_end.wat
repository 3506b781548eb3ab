;; It says more often that it is busy than can be counted.

(import "[export]chore:peer/lifecycle@0.1.0" "[task-return]run" (func $answer (param i32 i32 i32)))
(import "$root" "[backpressure-inc]" (func $busy))
(func (export "[async-lift]chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (loop $l (call $busy) (br $l)) (unreachable))
(func (export "[callback][async-lift]chore:peer/lifecycle@0.1.0#run") (param i32 i32 i32) (result i32)
  (unreachable))
