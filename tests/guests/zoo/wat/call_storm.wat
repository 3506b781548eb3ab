;; It calls its host for ever, without a pause.

(import "chore:peer/log@0.1.0" "enabled" (func $enabled (param i32) (result i32)))
(func (export "chore:peer/lifecycle@0.1.0#run") (param i32 i32 i64 i32 i64 i64 i32 i32) (result i32)
  (loop $l (drop (call $enabled (i32.const 0))) (br $l))
  (i32.const 512))
