"""The report without a peer: `python3 -m unittest` in this folder."""

import unittest

from backlog import Line, report


def total(count: int, satellites: int) -> Line:
    fields = [("total", str(count)), ("satellites", str(satellites))]
    return Line("orders wait to be sent", fields)


def many(satellite: str, count: int) -> Line:
    fields = [("satellite", satellite), ("count", str(count))]
    return Line("many orders wait for one satellite", fields, warns=True)


class Report(unittest.TestCase):
    def test_all_is_summed_and_much_is_a_warning(self) -> None:
        for waiting, expected in [
            ({}, [total(0, 0)]),
            ({"a": 5}, [total(5, 1)]),
            ({"b": 6, "a": 2}, [total(8, 2), many("b", 6)]),
            ({"b": 6, "a": 7}, [total(13, 2), many("a", 7), many("b", 6)]),
        ]:
            self.assertEqual(report(waiting, alarm=5), expected, waiting)


if __name__ == "__main__":
    unittest.main()
