;; It fills all of its memory again and again.

(func (export "chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (drop (memory.grow (i32.const 190)))
  (loop $l (memory.fill (i32.const 65536) (i32.const 0xaa) (i32.const 12000000)) (br $l))
  (i32.const 512))
