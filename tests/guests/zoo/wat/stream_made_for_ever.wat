;; It makes streams of its own until it gets no more.

(import "chore:peer/sql@0.1.0" "[stream-new-0]stream" (func $new (result i64)))
(func (export "chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (loop $l (drop (call $new)) (br $l))
  (i32.const 512))
