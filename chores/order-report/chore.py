"""The chore: asks the peer what waits, and writes the report into its log and metrics."""

import base58
from wit_world import exports
from wit_world.imports import log, metrics, orders, settings, state
from wit_world.imports.types import (
    CloseReason,
    CycleSpec,
    Descriptor,
    OpenReason,
    SettingKind,
    SettingSpec,
    Tick,
)

import report

SECOND = 1_000_000_000
VERSION = "0.1.0"

# The first byte of a node id's text, before it is encoded.
NODE_ID_VERSION = b"\x00"


def name(satellite: bytes) -> str:
    """A node's id as operators know it."""
    return base58.b58encode_check(NODE_ID_VERSION + satellite).decode()


def write(level: log.Level, line: report.Line) -> None:
    log.write(level, line.text(), [log.Field("satellite", line.satellite)])


class Lifecycle(exports.Lifecycle):
    def describe(self) -> Descriptor:
        help = "Compares what waits for each satellite with the report before."
        main = CycleSpec("main", help, 3600 * SECOND, 60 * SECOND, False)
        warn_at = SettingSpec(
            "warn-at",
            "Orders of one satellite from which on a growing backlog is a warning.",
            SettingKind.INTEGER,
            "10000",
        )
        about = "Reports how many orders wait for each satellite, and warns if they grow."
        return Descriptor("order-report", VERSION, about, [main], [warn_at], [])

    async def open(self, reason: OpenReason) -> None:
        pass

    async def run(self, tick: Tick) -> None:
        warn_at = int(settings.get("warn-at") or 0)
        counted = await orders.count_unsent()
        waiting = {name(satellite): count for satellite, count in counted}
        saved = await state.load()
        for line in report.compare(waiting, report.load(saved.data) if saved else {}):
            metrics.gauge(
                "orders_waiting", [metrics.Label("satellite", line.satellite)], line.waiting
            )
            warns = line.grows() and line.waiting >= warn_at
            write(log.Level.WARN if warns else log.Level.INFO, line)
        await state.save(report.save(waiting))

    async def close(self, reason: CloseReason) -> None:
        pass
