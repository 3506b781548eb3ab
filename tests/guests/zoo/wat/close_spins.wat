;; Its close never ends.

(func (export "chore:peer/lifecycle@0.1.0#close") (param i32) (result i32)
  (loop $l (br $l))
  (unreachable))
