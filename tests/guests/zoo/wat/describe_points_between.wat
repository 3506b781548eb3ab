;; Its descriptor is at an odd address.

(func (export "chore:peer/lifecycle@0.1.0#describe") (result i32) (i32.const 1025))
