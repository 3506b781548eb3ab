"""A chore that says hello."""

from wit_world import exports
from wit_world.imports.types import CloseReason, CycleSpec, Descriptor, OpenReason
from wit_world.imports.types import SettingKind, SettingSpec, Tick
from wit_world.imports import log, settings

from greeting import greeting

SECOND = 1_000_000_000


class Lifecycle(exports.Lifecycle):
    def describe(self) -> Descriptor:
        main = CycleSpec("main", "Says hello.", 3600 * SECOND, 60 * SECOND, delay_start=False)
        whom = SettingSpec("whom", "Whom to greet.", SettingKind.TEXT, "world")
        return Descriptor("{{name}}", "0.1.0", "Says hello.", [main], [whom], [])

    async def open(self, reason: OpenReason) -> None:
        pass

    async def run(self, tick: Tick) -> None:
        text = greeting(settings.get("whom"))
        log.write(log.Level.INFO, text, [log.Field("run", str(tick.iteration))])

    async def close(self, reason: CloseReason) -> None:
        pass
