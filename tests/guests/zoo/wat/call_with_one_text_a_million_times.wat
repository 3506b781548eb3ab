;; It logs a hundred thousand fields that are all the same text of 1 MB: 100 GB for a host that
;; copies.

(import "chore:peer/log@0.1.0" "write" (func $log (param i32 i32 i32 i32 i32)))
(func (export "chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (drop (memory.grow (i32.const 60)))
  (local.set 0 (i32.const 65536))
  (loop $l
    (i32.store (local.get 0) (i32.const 2000000))
    (i32.store offset=4 (local.get 0) (i32.const 1000000))
    (i32.store offset=8 (local.get 0) (i32.const 2000000))
    (i32.store offset=12 (local.get 0) (i32.const 1000000))
    (local.set 0 (i32.add (local.get 0) (i32.const 16)))
    (br_if $l (i32.lt_u (local.get 0) (i32.const 1665536))))
  (call $log (i32.const 2) (i32.const 1152) (i32.const 4) (i32.const 65536) (i32.const 100000))
  (i32.const 512))
