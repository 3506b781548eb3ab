;; Its run calls itself with frames of a kilobyte.

(func $run (result i64)
  (local $l0 i64)
  (local $l1 i64)
  (local $l2 i64)
  (local.set $l0 (i64.load (i32.const 0)))
  (local.set $l1 (call $run))
  (local.set $l2 (call $run))
  (i64.add (local.get $l0) (i64.add (local.get $l1) (local.get $l2))))
(func (export "chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (drop (call $run))
  (i32.const 512))
