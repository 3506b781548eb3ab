;; It calls an element of a table that is null.

(table 1 funcref)
(func (export "chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (call_indirect (i32.const 0))
  (i32.const 512))
