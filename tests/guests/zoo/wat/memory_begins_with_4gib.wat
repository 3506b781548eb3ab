;; It begins with more memory than it may have.

(memory (export "memory") 65536)
