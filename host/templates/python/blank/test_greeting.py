"""The greeting without a peer: `python3 -m unittest` in this folder."""

import unittest

from greeting import greeting


class Greeting(unittest.TestCase):
    def test_it_greets(self) -> None:
        for whom, expected in [("world", "hello world"), ("you", "hello you")]:
            self.assertEqual(greeting(whom), expected)


if __name__ == "__main__":
    unittest.main()
