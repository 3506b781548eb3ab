;; It never says what it is.

(func (export "chore:peer/lifecycle@0.1.0#describe") (result i32)
  (loop $l (br $l))
  (unreachable))
