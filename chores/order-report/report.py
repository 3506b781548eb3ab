"""What waits for each satellite, beside what waited at the report before. It knows no peer, so that it
is tested by any Python."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One satellite. `before` is None if nothing waited for it then."""

    satellite: str
    waiting: int
    before: int | None

    def grows(self) -> bool:
        return self.before is not None and self.waiting > self.before

    def text(self) -> str:
        if self.before is None:
            return f"{self.waiting} orders wait"
        return f"{self.waiting} orders wait, {self.waiting - self.before:+} since the last report"


def compare(waiting: dict[str, int], before: dict[str, int]) -> list[Line]:
    """A line for each satellite for which orders wait or waited, by its name."""
    satellites = sorted(waiting.keys() | before.keys())
    return [Line(name, waiting.get(name, 0), before.get(name)) for name in satellites]


def save(waiting: dict[str, int]) -> bytes:
    return json.dumps(waiting, sort_keys=True).encode()


def load(data: bytes) -> dict[str, int]:
    """What `save` wrote; nothing if it is anything else, as after a version with another format."""
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    counts = {name: count for name, count in found.items() if isinstance(count, int)}
    return counts if len(counts) == len(found) else {}
