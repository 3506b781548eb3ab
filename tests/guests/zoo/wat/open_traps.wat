;; It traps when it is opened.

(func (export "chore:peer/lifecycle@0.1.0#open") (param i32) (result i32) (unreachable))
