;; It says what it is by asking itself.

(func $describe (export "chore:peer/lifecycle@0.1.0#describe") (result i32) (call $describe))
