;; It takes elements of a table until it gets no more.

(table $t 1 funcref)
(func (export "chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (loop $l (br_if $l (i32.ne (table.grow $t (ref.null func) (i32.const 10000)) (i32.const -1))))
  (unreachable)
  (i32.const 512))
