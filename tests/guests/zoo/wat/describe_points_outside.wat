;; Its descriptor is not in its memory.

(func (export "chore:peer/lifecycle@0.1.0#describe") (result i32) (i32.const 0xfffffff0))
