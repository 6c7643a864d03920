"""What stands behind the meter when the grid is gone: load tiers, generators, a battery, photovoltaics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bothways.domain.errors import DomainError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STEP_H = 1.0
"""Length of a step of every outage [h]: loads, failures and trips are followed hour by hour."""

TIER_NAMES = (
    "T0 life safety",
    "T1 medical, communications, egress, water",
    "T2 refrigeration, one refuge room",
    "T3 lifts, part of the ventilation",
    "T4 comfort",
)

GENERATOR_AVAILABILITY = 0.995
FAILURE_TO_START = 0.0094
MTTF_H = 1100.0
STORE_AVAILABILITY = 0.97
PV_AVAILABILITY = 0.98
ONE_WAY_EFFICIENCY = 0.948
"""Defaults of REopt's reliability module (NREL, REopt v3, inputs of its energy resilience analysis; generators after
Marqusee and Jenket 2020, doi:10.1016/j.apenergy.2020.114918)."""


@dataclass(frozen=True)
class Tier:
    """Loads that are switched together.

    Attributes:
        name: what they are.
        level: 0 (life safety) … 4 (comfort); shed from the highest level down.
        load_kw: mean load of every hour of the year [kW], shape ``(T,)``.
        inrush_kw: power drawn at the moment of switching on [kW]; 0 where it is no more than the load.
        voll_per_kwh: value of a kWh that is not served.

    Raises:
        DomainError: a level outside 0…4, or a value that is negative or not finite.
    """

    name: str
    level: int
    load_kw: Floats
    inrush_kw: float = 0.0
    voll_per_kwh: float = 0.0

    def __post_init__(self) -> None:
        _require(0 <= self.level <= 4, f"tier {self.name!r}: level must be 0 to 4, not {self.level}")
        good = self.load_kw.ndim == 1 and self.load_kw.size > 0
        _require(good and bool(np.all(np.isfinite(self.load_kw))), f"tier {self.name!r}: load must be finite")
        _require(bool(np.all(self.load_kw >= 0.0)), f"tier {self.name!r}: load must be at least 0 kW")
        _at_least_zero(f"tier {self.name!r}", inrush_kw=self.inrush_kw, voll_per_kwh=self.voll_per_kwh)


@dataclass(frozen=True)
class Generator:
    """Equal generators that share one tank.

    Attributes:
        name: of the kind.
        kw: power of one [kW].
        count: how many.
        availability: chance that one is not out for maintenance when the outage begins.
        failure_to_start: chance that an available one does not start.
        mttf_h: mean time to failure while running [h]; the chance to fail in an hour is ``1/mttf_h``.
        tank_kwh: electric energy that the fuel on site gives [kWh]; infinite where fuel is piped.
    """

    name: str
    kw: float
    count: int = 1
    availability: float = GENERATOR_AVAILABILITY
    failure_to_start: float = FAILURE_TO_START
    mttf_h: float = MTTF_H
    tank_kwh: float = math.inf

    def __post_init__(self) -> None:
        _at_least_zero(f"generator {self.name!r}", kw=self.kw)
        _fraction(f"generator {self.name!r}", availability=self.availability, failure_to_start=self.failure_to_start)
        _require(1 <= self.count <= 50, f"generator {self.name!r}: count must be 1 to 50, not {self.count}")
        _require(self.mttf_h >= 1.0, f"generator {self.name!r}: mttf_h must be at least 1, not {self.mttf_h}")
        _require(self.tank_kwh >= 0.0, f"generator {self.name!r}: tank_kwh must be at least 0, not {self.tank_kwh}")

    @property
    def starts(self) -> float:
        """Chance that one is there and starts."""
        return self.availability * (1.0 - self.failure_to_start)


@dataclass(frozen=True)
class Store:
    """A stationary battery, new or of second life.

    Attributes:
        capacity_kwh: usable energy today [kWh, battery side].
        power_kw: greatest AC power in and out [kW].
        charge_efficiency: stored per AC energy.
        discharge_efficiency: AC per stored energy.
        start_soc: share of the capacity that is stored when an outage begins.
        availability: chance that it works when an outage begins; it is then taken to work throughout.
    """

    capacity_kwh: float
    power_kw: float
    charge_efficiency: float = ONE_WAY_EFFICIENCY
    discharge_efficiency: float = ONE_WAY_EFFICIENCY
    start_soc: float = 1.0
    availability: float = STORE_AVAILABILITY

    def __post_init__(self) -> None:
        _at_least_zero("battery", capacity_kwh=self.capacity_kwh, power_kw=self.power_kw)
        _fraction(
            "battery", charge_efficiency=self.charge_efficiency, discharge_efficiency=self.discharge_efficiency,
            start_soc=self.start_soc, availability=self.availability,
        )  # fmt: skip


@dataclass(frozen=True)
class Site:
    """Everything that is not a vehicle. The hours are those of one year, which repeats itself.

    Attributes:
        tiers: in shed order, the last is shed first; all of the same length ``T``.
        pv_kw: production of every hour [kW], shape ``(T,)``; zeros for none.
        store: the stationary battery, if any.
        generators: kinds of generators.
        pv_availability: chance that the PV works when an outage begins.

    Raises:
        DomainError: no tier, lengths that differ, levels that do not rise, a negative production.
    """

    tiers: tuple[Tier, ...]
    pv_kw: Floats
    store: Store | None = None
    generators: tuple[Generator, ...] = ()
    pv_availability: float = PV_AVAILABILITY

    def __post_init__(self) -> None:
        _require(bool(self.tiers), "a site needs at least one load tier")
        sizes = {tier.load_kw.size for tier in self.tiers} | {self.pv_kw.size}
        _require(len(sizes) == 1, f"loads and PV must have the same number of hours, not {sorted(sizes)}")
        levels = [tier.level for tier in self.tiers]
        _require(levels == sorted(set(levels)), f"the levels of the tiers must rise, not {levels}")
        good = bool(np.all(np.isfinite(self.pv_kw))) and bool(np.all(self.pv_kw >= 0.0))
        _require(good, "PV must be finite and at least 0 kW")
        _fraction("PV", pv_availability=self.pv_availability)
        states = math.prod(generator.count + 1 for generator in self.generators)
        _require(states <= 400, f"the generators have {states} joint states; merge kinds until at most 400 remain")

    @property
    def hours(self) -> int:
        """Hours of the year ``T``."""
        return int(self.pv_kw.size)

    @cached_property
    def load_kw(self) -> Floats:
        """Load of every tier, shape ``(J, T)`` [kW]."""
        return np.ascontiguousarray(np.stack([tier.load_kw for tier in self.tiers]).astype(np.float64))

    @cached_property
    def inrush_kw(self) -> Floats:
        """Inrush of every tier, shape ``(J,)`` [kW]."""
        return np.array([tier.inrush_kw for tier in self.tiers])

    @cached_property
    def voll(self) -> Floats:
        """Value of lost load of every tier, shape ``(J,)`` [per kWh]."""
        return np.array([tier.voll_per_kwh for tier in self.tiers])

    @cached_property
    def worlds(self) -> Floats:
        """Battery and PV at the start: chance, battery works (0/1), PV works (0/1); shape ``(W, 3)``."""
        battery = [(1.0, 1.0)] if self.store is None else _works(self.store.availability)
        sun = [(1.0, 1.0)] if not self.pv_kw.any() else _works(self.pv_availability)
        return np.array([(p * q, b, s) for p, b in battery for q, s in sun])

    @cached_property
    def store_numbers(self) -> Floats:
        """Deliverable energy at start, deliverable capacity [kWh, AC], power [kW], AC out per AC in; shape ``(4,)``."""
        store = self.store
        if store is None:
            return np.array([0.0, 0.0, 0.0, 1.0])
        full = store.capacity_kwh * store.discharge_efficiency
        turn = store.charge_efficiency * store.discharge_efficiency
        return np.array([full * store.start_soc, full, store.power_kw, turn])


@dataclass(frozen=True)
class GeneratorStates:
    """The joint states "how many of each kind run"; the first has all of them running.

    Attributes:
        running: units of each kind, shape ``(G, K)``.
        start: chance of each state when the outage begins, shape ``(G,)``.
        move: chance to go from a row's state to a column's in one hour, shape ``(G, G)``; rows sum to 1.
        unit_kw: power of one unit of each kind [kW], shape ``(K,)``.
        tank_kwh: energy of each kind's fuel [kWh], shape ``(K,)``.
    """

    running: Floats
    start: Floats
    move: Floats
    unit_kw: Floats
    tank_kwh: Floats


def generator_states(generators: Sequence[Generator]) -> GeneratorStates:
    """Lists the states and their chances: binomial at the start, binomial failures each hour, no repair.

    >>> one = generator_states([Generator("diesel", 50.0, availability=0.9, failure_to_start=0.02, mttf_h=100.0)])
    >>> [round(float(p), 3) for p in one.start], [round(float(p), 2) for p in one.move[0]]
    ([0.882, 0.118], [0.99, 0.01])
    """
    counts = [range(generator.count, -1, -1) for generator in generators]
    states = np.array(np.meshgrid(*counts, indexing="ij")).reshape(len(counts), -1).T if counts else np.zeros((1, 0))
    size = states.shape[0]
    start, move = np.ones(size), np.ones((size, size))
    for kind, generator in enumerate(generators):
        stays = 1.0 - 1.0 / generator.mttf_h
        for a in range(size):
            start[a] *= _binomial(generator.count, int(states[a, kind]), generator.starts)
            for b in range(size):
                move[a, b] *= _binomial(int(states[a, kind]), int(states[b, kind]), stays)
    return GeneratorStates(
        running=states.astype(np.float64),
        start=start,
        move=move,
        unit_kw=np.array([generator.kw for generator in generators]),
        tank_kwh=np.array([generator.tank_kwh for generator in generators]),
    )


def _binomial(total: int, hits: int, chance: float) -> float:
    return math.comb(total, hits) * chance**hits * (1.0 - chance) ** (total - hits) if hits <= total else 0.0


def _works(chance: float) -> list[tuple[float, float]]:
    return [(p, works) for p, works in ((chance, 1.0), (1.0 - chance, 0.0)) if p > 0.0]


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise DomainError(message)


def _at_least_zero(owner: str, **values: float) -> None:
    for name, value in values.items():
        _require(math.isfinite(value) and value >= 0.0, f"{owner}: {name} must be at least 0 and finite, not {value}")


def _fraction(owner: str, **values: float) -> None:
    for name, value in values.items():
        _require(0.0 <= value <= 1.0, f"{owner}: {name} must lie in 0…1, not {value}")
