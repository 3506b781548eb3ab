;; The help of its cycle has more than fits on a screen.

(func (export "chore:peer/lifecycle@0.1.0#describe") (result i32)
  (memory.fill (i32.const 65536) (i32.const 120) (i32.const 60000))
  (i32.store (i32.const 1096) (i32.const 65536))
  (i32.store (i32.const 1100) (i32.const 60000))
  (i32.const 1024))
