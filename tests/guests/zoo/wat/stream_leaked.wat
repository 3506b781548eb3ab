;; It opens streams, reads none and closes none, until it gets no more.

(import "chore:peer/sql@0.1.0" "stream" (func $stream (param i32 i32 i32 i32 i32)))
(import "chore:peer/cycle@0.1.0" "cancelled" (func $wait))
(data (i32.const 8192) "SELECT 1")
(func (export "chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (loop $l
   (call $stream (i32.const 8192) (i32.const 8) (i32.const 0) (i32.const 0) (i32.const 512))
    (br_if $l (i32.eqz (i32.load8_u (i32.const 512)))))
  (i32.store8 (i32.const 512) (i32.const 0))
  (call $wait)
  (i32.const 512))
