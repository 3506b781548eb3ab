;; Its data has no place in its memory.

(data (i32.const 131070) "too long")
