;; It copies its memory over itself again and again.

(func (export "chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (drop (memory.grow (i32.const 190)))
  (loop $l (memory.copy (i32.const 65537) (i32.const 65536) (i32.const 12000000)) (br $l))
  (i32.const 512))
