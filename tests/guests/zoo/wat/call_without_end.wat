;; It makes calls that do not end, until it gets no more.

(import "[export]chore:peer/lifecycle@0.1.0" "[task-return]run" (func $answer (param i32 i32 i32)))
(import "chore:peer/cycle@0.1.0" "[async-lower]cancelled" (func $cancelled (result i32)))
(func (export "[async-lift]chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (loop $l (drop (call $cancelled)) (br $l)) (unreachable))
(func (export "[callback][async-lift]chore:peer/lifecycle@0.1.0#run") (param i32 i32 i32) (result i32)
  (unreachable))
