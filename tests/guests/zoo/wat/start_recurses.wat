;; Its start function calls itself.

(func $start (call $start))
(start $start)
