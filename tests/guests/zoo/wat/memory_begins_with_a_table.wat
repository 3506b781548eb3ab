;; It begins with a table that is larger than its memory may be.

(table 100000000 funcref)
