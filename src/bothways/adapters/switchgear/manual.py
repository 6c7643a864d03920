"""Breakers that only people switch: their position is what somebody stated, with the name and the time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from bothways.domain.errors import Problems
from bothways.operations.ports import Clock, Switchgear, SwitchgearReading
from bothways.resilience.island.commands import Command
from bothways.resilience.island.signals import Position, SectionReading


@dataclass(frozen=True, slots=True)
class Stated:
    """What a person said of a breaker."""

    closed: bool
    who: str
    at: datetime


class StatedSwitchgear:
    """Fulfils ``Switchgear`` around another one: sections without feedback have the position that a person stated.

    The main contactor cannot be stated: nobody vouches for what keeps the street dead. Where a load is measured in a
    section that was stated to be off, the measurement is believed.

    Args:
        inner: everything that has feedback.
        sections: ids of the sections whose breakers only people see.
        clock: for the instants of statements.
    """

    def __init__(self, inner: Switchgear, sections: frozenset[str], clock: Clock) -> None:
        self._inner, self._sections, self._clock = inner, sections, clock
        self._stated: dict[str, Stated] = {}

    @property
    def by_people(self) -> frozenset[str]:
        """Sections whose position people state."""
        return self._sections

    @property
    def stated(self) -> Mapping[str, Stated]:
        """The latest statement on each section."""
        return self._stated

    def state(self, section: str, *, closed: bool, who: str) -> None:
        """Somebody looked, or switched.

        Raises:
            InputError: not a section whose position people state.
        """
        problems = Problems(at="switchgear")
        if section not in self._sections:
            allowed = f"one of {', '.join(sorted(self._sections)) or 'none'}"
            problems.add("device", section, allowed, "Its position is read from its feedback; it cannot be stated.")
        problems.raise_if_any()
        self._stated[section] = Stated(closed, who, self._clock.now())

    async def read(self) -> SwitchgearReading:
        """What has feedback shows it; the rest is as stated, unknown where nobody has."""
        reading = await self._inner.read()
        sections = dict(reading.sections)
        for name in self._sections:
            said = self._stated.get(name)
            load = sections[name].phase_kw if name in sections else None
            position = Position.UNKNOWN if said is None else Position.CLOSED if said.closed else Position.OPEN
            if position is Position.OPEN and load is not None and sum(load) > 0.1:
                position = Position.UNKNOWN
            sections[name] = SectionReading(position, load)
        return replace(reading, sections=sections)

    async def carry_out(self, command: Command) -> bool:
        """What people switch takes no command."""
        return command.device not in self._sections and await self._inner.carry_out(command)

    async def left_alone(self, after_s: float, keep: frozenset[str]) -> bool:
        """What has a drive is watched; what people switch stays as it is."""
        return await self._inner.left_alone(after_s, keep)

    async def answers(self, device: str) -> bool:
        """What people switch does not answer by itself."""
        return device not in self._sections and await self._inner.answers(device)
