;; It reads a stream into what is not its memory.

(import "chore:peer/sql@0.1.0" "stream" (func $stream (param i32 i32 i32 i32 i32)))
(import "chore:peer/sql@0.1.0" "[async-lower][stream-read-0]stream" (func $read (param i32 i32 i32) (result i32)))
(data (i32.const 8192) "SELECT 1")
(func (export "chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (call $stream (i32.const 8192) (i32.const 8) (i32.const 0) (i32.const 0) (i32.const 512))
  (drop (call $read (i32.load (i32.const 516)) (i32.const 0xfffffff0) (i32.const 1000)))
  (i32.const 512))
