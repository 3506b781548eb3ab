;; It waits for a future that only it could resolve.

(import "chore:peer/sql@0.1.0" "[future-new-1]stream" (func $new (result i64)))
(import "chore:peer/sql@0.1.0" "[async-lower][future-read-1]stream" (func $read (param i32 i32) (result i32)))
(import "$root" "[waitable-set-new]" (func $set (result i32)))
(import "$root" "[waitable-join]" (func $join (param i32 i32)))
(import "$root" "[waitable-set-wait]" (func $wait (param i32 i32) (result i32)))
(func (export "chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (local.set 0 (i32.wrap_i64 (call $new)))
  (local.set 1 (call $set))
  (drop (call $read (local.get 0) (i32.const 512)))
  (call $join (local.get 0) (local.get 1))
  (drop (call $wait (local.get 1) (i32.const 512)))
  (i32.const 512))
