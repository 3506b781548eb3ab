"""The report without a peer: `python3 -m unittest` in this folder."""

import unittest

from report import Line, compare, load, save


class Report(unittest.TestCase):
    def test_each_satellite_has_a_line(self) -> None:
        for waiting, before, expected in [
            ({}, {}, []),
            ({"a": 1}, {}, [("a", "1 orders wait", False)]),
            ({"a": 1}, {"a": 1}, [("a", "1 orders wait, +0 since the last report", False)]),
            ({"a": 3}, {"a": 1}, [("a", "3 orders wait, +2 since the last report", True)]),
            ({}, {"a": 5}, [("a", "0 orders wait, -5 since the last report", False)]),
            (
                {"b": 1, "a": 2},
                {"b": 0},
                [
                    ("a", "2 orders wait", False),
                    ("b", "1 orders wait, +1 since the last report", True),
                ],
            ),
        ]:
            lines = compare(waiting, before)
            found = [(line.satellite, line.text(), line.grows()) for line in lines]
            self.assertEqual(found, expected, (waiting, before))

    def test_what_is_saved_is_loaded_and_anything_else_is_nothing(self) -> None:
        self.assertEqual(load(save({"a": 1, "b": 2})), {"a": 1, "b": 2})
        for data in [b"", b"x", b"\xff\xfe", b"[1]", b"1", b'{"a": "x"}', b'{"a": 1, "b": null}']:
            self.assertEqual(load(data), {}, data)


if __name__ == "__main__":
    unittest.main()
