;; It never ends after it has said what it is.

(func (export "cabi_post_chore:peer/lifecycle@0.1.0#describe") (param i32) (loop $l (br $l)))
