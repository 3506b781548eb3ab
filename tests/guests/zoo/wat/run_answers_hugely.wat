;; It says in 12 MB what failed.

(func (export "chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (drop (memory.grow (i32.const 190)))
  (memory.fill (i32.const 65536) (i32.const 120) (i32.const 12000000))
  (i32.store8 (i32.const 512) (i32.const 1))
  (i32.store (i32.const 516) (i32.const 65536))
  (i32.store (i32.const 520) (i32.const 12000000))
  (i32.const 512))
