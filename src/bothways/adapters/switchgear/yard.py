"""A simulated yard for drills and tests: contactor, breakers, battery, and chargers whose power real stations decide.

It carries the plant of :mod:`bothways.simulation.island` through time. Batteries and generators are the plant's own;
a charger's power and vehicle come from whoever plays its station, and its station asks the yard what is possible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from bothways.resilience.island.commands import Action, Command
from bothways.resilience.island.signals import Inputs, Mode
from bothways.resilience.island.site import IslandSite
from bothways.simulation.island import Car, Plant, Surroundings, Unit, advance, read

_FLOWS_KW = 0.01
_LEASE_S = 60.0


class PluggedIn(Protocol):
    """The vehicle at a charger, as the one who plays the station knows it."""

    def power_kw(self) -> float:
        """Power that flows now [kW], positive charges."""
        ...

    def car(self) -> Car | None:
        """The vehicle; ``None`` for none."""
        ...

    def may_form(self) -> bool:
        """Whether its station has been told to follow the building's load, and that has not run out."""
        ...


@dataclass(slots=True)
class Contacts:
    """Hard-wired contacts of one charger: the order to form the island, and the cut."""

    form: bool = False
    cut: bool = False


class Yard:
    """The building in time. Mutable: one drill, one yard.

    Args:
        site: the building.
        plant: its state at the beginning.
        around: the street, PV and loads.
        plugged: who plays each charger, by the source's id; a charger without one is the plant's own.
    """

    def __init__(
        self, site: IslandSite, plant: Plant, around: Surroundings, plugged: Mapping[str, PluggedIn] | None = None
    ) -> None:
        self.site, self.plant, self.around = site, plant, around
        self.plugged: dict[str, PluggedIn] = {}
        self.contacts: dict[str, Contacts] = {}
        for name, played in (plugged or {}).items():
            self.plug(name, played)
        self.deaf: set[str] = set()
        self.unreachable = False
        self.street_fed_s = 0.0
        self.log: list[Command] = []
        self._pending: list[Command] = []
        self._watch_s: float | None = None
        self._keep: frozenset[str] = frozenset()

    def watch(self, after_s: float, keep: frozenset[str]) -> bool:
        """Opens all sections but ``keep`` when this is not said again within so many seconds; 0 ends the watch [s]."""
        self._watch_s, self._keep = after_s if after_s > 0.0 else None, keep
        return True

    def take(self, command: Command) -> bool:
        """A command at a device; returns whether there is one that takes it. It acts within the next step."""
        if command.device in self.deaf or command.rehearsal or command.by_hand:
            return False
        self.log.append(command)
        contacts = self.contacts.get(command.device)
        if contacts is None:
            self._pending.append(command)
            return True
        if command.action is Action.TRIP:
            contacts.cut, contacts.form = True, False
        elif command.action is Action.RELEASE:
            contacts.form = False
        elif command.action is Action.FORM:
            contacts.cut, contacts.form = False, True
        else:
            return False  # outputs are the station's
        return True

    def advance(self, seconds: float) -> None:
        """Lets so many seconds pass [s]."""
        self._left_alone(seconds)
        commands, self._pending = tuple(self._pending), []
        self.plant = replace(self.plant, units=tuple(self._unit(k, unit) for k, unit in enumerate(self.plant.units)))
        self.plant = advance(self.plant, commands, self.around, seconds, self.site)
        self.street_fed_s += seconds if self.plant.street_fed else 0.0
        for k, source in enumerate(self.site.sources):  # the plant may have tripped a charger that forms
            contacts = self.contacts.get(source.source_id)
            if contacts is not None and contacts.form and self.plant.units[k].mode is not Mode.FORMING:
                contacts.form = False

    def _left_alone(self, seconds: float) -> None:
        if self._watch_s is None:
            return
        self._watch_s -= seconds
        if self._watch_s <= 0.0:
            self._watch_s = None
            dropped = [s.section_id for s in reversed(self.site.sections) if s.section_id not in self._keep]
            self._pending += [Command(name, Action.OPEN) for name in dropped if name not in self.deaf]

    def _unit(self, k: int, unit: Unit) -> Unit:
        """A charger as its station has it now."""
        name = self.site.sources[k].source_id
        if name not in self.plugged:
            return unit
        played, contacts = self.plugged[name], self.contacts[name]
        car, power = played.car(), played.power_kw()
        unit = replace(unit, car=car, lease_s=_LEASE_S)
        if contacts.form and unit.alive and car is not None and played.may_form():
            return replace(unit, mode=Mode.FORMING, floor_kwh=0.0)  # what the driver keeps, no station knows
        mode = Mode.GIVING if power < -_FLOWS_KW else Mode.CHARGING if power > _FLOWS_KW else Mode.OFF
        return replace(unit, mode=mode, set_kw=-power if mode is not Mode.OFF else 0.0, hot_s=0.0)

    def possible_kw(self, name: str, wanted_kw: float) -> float:
        """What a charger's power becomes [kW], positive charges: 0 on a dead bus, the building's load if it forms.

        Args:
            name: the source's id.
            wanted_kw: what the station's profiles ask of it [kW].
        """
        unit, contacts = self.plant.units[self._number(name)], self.contacts[name]
        if contacts.cut or not unit.alive:
            return 0.0
        if unit.mode is Mode.FORMING:
            return -unit.set_kw
        return wanted_kw if self.live else 0.0

    @property
    def live(self) -> bool:
        """Whether the building's side has voltage."""
        forming = any(unit.mode is Mode.FORMING for unit in self.plant.units)
        return forming or (self.around.grid and self.plant.main_closed)

    def shown(self) -> Inputs:
        """What the instruments show."""
        return read(self.plant, self.around, self.site)

    def plug(self, name: str, played: PluggedIn) -> None:
        """Somebody plays a charger from now on."""
        self.plugged[name], self.contacts[name] = played, Contacts()

    def alive(self, name: str) -> bool:
        """Whether a source works."""
        return self.plant.units[self._number(name)].alive

    def kill(self, name: str) -> None:
        """A source fails for good."""
        units, k = list(self.plant.units), self._number(name)
        units[k] = replace(units[k], alive=False)
        self.plant = replace(self.plant, units=tuple(units))

    def _number(self, name: str) -> int:
        return self.site.index[name] - 1 - len(self.site.sections)
