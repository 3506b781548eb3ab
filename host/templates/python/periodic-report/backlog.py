"""What is said about orders that wait. It knows no peer, so that any Python tests it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One line of the log, with its fields."""

    text: str
    fields: list[tuple[str, str]]
    warns: bool = False


def report(waiting: dict[str, int], alarm: int) -> list[Line]:
    """All of it on one line, and a warning for each satellite for which more than `alarm` wait."""
    fields = [("total", str(sum(waiting.values()))), ("satellites", str(len(waiting)))]
    lines = [Line("orders wait to be sent", fields)]
    for satellite, count in sorted(waiting.items()):
        if count > alarm:
            fields = [("satellite", satellite), ("count", str(count))]
            lines.append(Line("many orders wait for one satellite", fields, warns=True))
    return lines
