;; Its start function takes memory until it gets no more.

(func $start (loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))))
(start $start)
