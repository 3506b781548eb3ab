"""A chore with two cycles: one measures often, into the peer's metrics; one reports once a day, into
its log."""

import base58
from wit_world import exports
from wit_world.imports.types import CloseReason, CycleSpec, Descriptor, OpenReason
from wit_world.imports.types import SettingKind, SettingSpec, Tick
from wit_world.imports import log, metrics, orders, settings

import backlog

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

ABOUT = "Reports how many orders wait to be sent."
ALARM = "Warn when more than this many wait for one satellite."

# The first byte of a node id's text, before it is encoded.
NODE_ID_VERSION = b"\x00"


def name(satellite: bytes) -> str:
    """A node's id as operators know it."""
    return base58.b58encode_check(NODE_ID_VERSION + satellite).decode()


class Lifecycle(exports.Lifecycle):
    def describe(self) -> Descriptor:
        cycles = [
            CycleSpec("measure", "Counts what waits.", MINUTE, 30 * SECOND, delay_start=False),
            CycleSpec("report", "Logs what waits.", 24 * HOUR, MINUTE, delay_start=True),
        ]
        alarm = SettingSpec("alarm", ALARM, SettingKind.INTEGER, "100000")
        return Descriptor("{{name}}", "0.1.0", ABOUT, cycles, [alarm], [])

    async def open(self, reason: OpenReason) -> None:
        pass

    async def run(self, tick: Tick) -> None:
        waiting = {name(satellite): count for satellite, count in await orders.count_unsent()}
        if tick.cycle == "measure":
            for satellite, count in waiting.items():
                metrics.gauge("orders_waiting", [metrics.Label("satellite", satellite)], count)
            metrics.count("measurements_total", [], 1)
        else:
            for line in backlog.report(waiting, alarm=int(settings.get("alarm"))):
                level = log.Level.WARN if line.warns else log.Level.INFO
                log.write(level, line.text, [log.Field(*field) for field in line.fields])

    async def close(self, reason: CloseReason) -> None:
        pass
