;; Its start function never ends.

(func $start (loop $l (br $l)))
(start $start)
