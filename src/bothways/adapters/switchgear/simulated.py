"""Switchgear of a simulated yard, in the same process: the quick double of the Modbus adapter."""

from __future__ import annotations

from bothways.adapters.switchgear.yard import Yard
from bothways.domain.errors import GatewayError
from bothways.operations.ports import Clock, SourceGauge, SwitchgearReading
from bothways.resilience.island.commands import Command


class SimulatedSwitchgear:
    """Fulfils ``Switchgear`` on a :class:`~bothways.adapters.switchgear.yard.Yard`."""

    def __init__(self, yard: Yard, clock: Clock) -> None:
        self._yard, self._clock = yard, clock

    async def read(self) -> SwitchgearReading:
        """What the yard shows."""
        yard = self._yard
        if yard.unreachable:
            msg = "the switchgear does not answer"
            raise GatewayError(msg)
        shown, site = yard.shown(), yard.site
        return SwitchgearReading(
            at=self._clock.now(),
            main=shown.main,
            sections={s.section_id: r for s, r in zip(site.sections, shown.sections, strict=True)},
            sources={
                s.source_id: SourceGauge(r.mode, r.output_kw, r.energy_kwh, r.available)
                for s, r in zip(site.sources, shown.sources, strict=True)
            },
            grid=shown.grid,
            bus_pu=shown.bus_pu,
            estop=shown.estop,
            pv_kw=shown.pv_kw,
        )

    async def carry_out(self, command: Command) -> bool:
        """Hands the command to the yard."""
        if command.rehearsal or command.by_hand:
            return False
        if self._yard.unreachable:
            msg = f"{command.device} cannot be reached"
            raise GatewayError(msg)
        return self._yard.take(command)

    async def left_alone(self, after_s: float, keep: frozenset[str]) -> bool:
        """Hands it to the yard, which counts the seconds."""
        if self._yard.unreachable:
            msg = "the switchgear cannot be reached"
            raise GatewayError(msg)
        return self._yard.watch(after_s, keep)

    async def answers(self, device: str) -> bool:
        """Whether the device could be told something."""
        return not self._yard.unreachable and device in self._yard.site.index and device not in self._yard.deaf
