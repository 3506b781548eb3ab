;; It reads beyond its memory.

(func (export "chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (drop (i32.load (i32.const 0xfffffff0)))
  (i32.const 512))
