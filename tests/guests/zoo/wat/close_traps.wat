;; It traps when it is closed.

(func (export "chore:peer/lifecycle@0.1.0#close") (param i32) (result i32) (unreachable))
