"""What the planner is asked: one site, one horizon, a fleet as columns."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bothways.domain.errors import DomainError
from bothways.planning.limits import EnergyReserve, GroupLimit
from bothways.planning.part_load import PartLoad, Segments

if TYPE_CHECKING:
    from bothways.planning.engine.solve import EngineState

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_LEAST_SHARE_WITHOUT_PAUSE = 0.01


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise DomainError(message)


@dataclass(frozen=True)
class Fleet:
    """Vehicles as columns; every array has shape ``(N,)``. A stationary battery is a vehicle that never leaves.

    Attributes:
        arrival: first step of presence.
        departure: step after the last one of presence (half-open, at most ``periods``).
        energy_at_arrival_kwh: stored energy at the start of step ``arrival`` [kWh, battery side].
        energy_required_kwh: stored energy wished for at the end of step ``departure - 1`` [kWh].
        energy_min_kwh: floor that discharging never crosses [kWh].
        energy_max_kwh: ceiling [kWh].
        charge_kw: greatest charging power [kW, AC side].
        discharge_kw: greatest discharging power [kW, AC side], 0 for one-way.
        charge_efficiency: stored per AC energy, in (0, 1].
        discharge_efficiency: AC per stored energy, in (0, 1].
        wear_per_kwh: cost of wear per kWh discharged, counted on the AC side [currency/kWh].
        min_charge_kw: smallest charging power other than 0 [kW].
        no_pause: True where charging, once begun, must not be interrupted.
    """

    arrival: Ints
    departure: Ints
    energy_at_arrival_kwh: Floats
    energy_required_kwh: Floats
    energy_min_kwh: Floats
    energy_max_kwh: Floats
    charge_kw: Floats
    discharge_kw: Floats
    charge_efficiency: Floats
    discharge_efficiency: Floats
    wear_per_kwh: Floats
    min_charge_kw: Floats
    no_pause: Bools

    def __post_init__(self) -> None:
        count = self.arrival.shape
        for item in fields(self):
            column = getattr(self, item.name)
            _require(len(count) == 1 and column.shape == count, f"fleet: {item.name} must hold one value per vehicle")
            _require(bool(np.isfinite(column).all()), f"fleet: {item.name} must be finite")
        _require(bool((self.departure >= self.arrival).all()), "fleet: a departure lies before its arrival")
        _require(
            bool((self.energy_max_kwh >= self.energy_min_kwh).all()), "fleet: energy_max_kwh is below energy_min_kwh"
        )
        for name in ("charge_kw", "discharge_kw", "wear_per_kwh", "min_charge_kw"):
            _require(bool((getattr(self, name) >= 0.0).all()), f"fleet: {name} must be at least 0")
        for name in ("charge_efficiency", "discharge_efficiency"):
            column = getattr(self, name)
            _require(bool(((column > 0.0) & (column <= 1.0)).all()), f"fleet: {name} must lie in (0, 1]")
        _require(bool((self.min_charge_kw <= self.charge_kw).all()), "fleet: min_charge_kw is above charge_kw")

    @property
    def size(self) -> int:
        """Number of vehicles N."""
        return int(self.arrival.shape[0])

    @property
    def least_charge_kw(self) -> Floats:
        """Smallest charging power other than 0 that a plan uses, shape ``(N,)`` [kW].

        It is ``min_charge_kw``; a vehicle that must not pause and states none gets 1 % of ``charge_kw``, because
        without a least power "charging goes on" would mean nothing.
        """
        least = np.where(self.no_pause, _LEAST_SHARE_WITHOUT_PAUSE * self.charge_kw, 0.0)
        return np.asarray(np.maximum(least, self.min_charge_kw))

    @property
    def semi_continuous(self) -> bool:
        """Whether any vehicle needs integer decisions (a minimum power, or no pause)."""
        return bool(np.any(self.min_charge_kw > 0.0) or np.any(self.no_pause))


@dataclass(frozen=True)
class DemandCharge:
    """A price on the highest import within some steps of one billing period.

    Attributes:
        price_per_kw: price for each kW of peak above ``peak_so_far_kw`` [currency/kW].
        steps: which steps count, shape ``(T,)``.
        peak_so_far_kw: highest import already billed in this period [kW]; below it peaks are free.
    """

    price_per_kw: float
    steps: Bools
    peak_so_far_kw: float = 0.0

    def __post_init__(self) -> None:
        for name in ("price_per_kw", "peak_so_far_kw"):
            value = getattr(self, name)
            _require(math.isfinite(value) and value >= 0.0, f"demand charge: {name} must be at least 0, not {value}")


@dataclass(frozen=True)
class PlanProblem:
    """One site over ``periods`` steps of ``step_h`` hours. See ``docs/reference/plan-format.md``.

    The objective is Σ_t Δ(import_price·import − export_price·export) + wear + Σ demand charges
    + penalty·Σ_t Δ·max(0, import − import_limit) − terminal_value·Σ_i energy at the end of the stay
    + Σ group penalties·Δ·power beyond the limit + reserve penalty·Σ_t missing reserve.

    Attributes:
        step_h: length of a step Δ [h].
        periods: number of steps T.
        import_price: price of imported energy, shape ``(T,)`` [currency/kWh].
        export_price: credit for exported energy, shape ``(T,)`` [currency/kWh].
        base_load_kw: load minus production without vehicles, shape ``(T,)`` [kW]; negative is surplus.
        fleet: the vehicles.
        demand_charges: prices on peaks, each with its own steps.
        import_limit_kw: contractual limit on import [kW], soft; ``inf`` for none.
        import_limit_penalty_per_kwh: price of import above it [currency/kWh].
        import_hard_limit_kw: safety limit [kW], above everything; ``inf`` for none.
        export_limit_kw: limit on export [kW], hard; surplus above it is curtailed. ``inf`` for none.
        terminal_value_per_kwh: value of stored energy when a stay ends [currency/kWh].
        group_limits: limits on feeders, phases and the like, all of which hold at once with the site's.
        energy_reserve: energy that the connected vehicles keep back together; ``None`` for none.
        part_load: losses at part load; ``None`` where efficiencies hold at every power. The fleet's efficiencies are
            then those at full power, whatever they were given as.
    """

    step_h: float
    periods: int
    import_price: Floats
    export_price: Floats
    base_load_kw: Floats
    fleet: Fleet
    demand_charges: tuple[DemandCharge, ...] = ()
    import_limit_kw: float = math.inf
    import_limit_penalty_per_kwh: float = 0.0
    import_hard_limit_kw: float = math.inf
    export_limit_kw: float = math.inf
    terminal_value_per_kwh: float = 0.0
    group_limits: tuple[GroupLimit, ...] = ()
    energy_reserve: EnergyReserve | None = None
    part_load: PartLoad | None = None

    def __post_init__(self) -> None:
        _require(math.isfinite(self.step_h) and self.step_h > 0.0, f"step_h must be above 0, not {self.step_h}")
        _require(self.periods >= 1, f"periods must be at least 1, not {self.periods}")
        for name in ("import_price", "export_price", "base_load_kw"):
            array = getattr(self, name)
            finite = array.shape == (self.periods,) and bool(np.isfinite(array).all())
            _require(finite, f"{name} must hold {self.periods} finite numbers")
        for name in ("import_limit_kw", "import_hard_limit_kw", "export_limit_kw", "import_limit_penalty_per_kwh"):
            _require(getattr(self, name) >= 0.0, f"{name} must be at least 0, not {getattr(self, name)}")
        _require(math.isfinite(self.import_limit_penalty_per_kwh), "import_limit_penalty_per_kwh must be finite")
        _require(math.isfinite(self.terminal_value_per_kwh), "terminal_value_per_kwh must be finite")
        for charge in self.demand_charges:
            _require(charge.steps.shape == (self.periods,), "a demand charge must say for every step whether it counts")
        within = bool((self.fleet.arrival >= 0).all()) and bool((self.fleet.departure <= self.periods).all())
        _require(within, f"fleet: arrivals and departures must lie in 0…{self.periods}")
        for limit in self.group_limits:
            fits = limit.weight.shape == (self.fleet.size,) and limit.base_kw.shape == (self.periods,)
            _require(fits, f"group limit {limit.name!r} must hold one weight per vehicle and one value per step")
        if self.energy_reserve is not None:
            reserve = self.energy_reserve
            fits = reserve.weight.shape[0] == self.fleet.size and reserve.required_kwh.shape == (self.periods,)
            _require(fits, "the energy reserve must hold weights for every vehicle and one value per step")
        if self.part_load is not None:
            _require(self.part_load.curve.shape == (self.fleet.size,), "part load must name a curve for every vehicle")
            object.__setattr__(self, "fleet", self.part_load.at_full_power(self.fleet))

    @cached_property
    def segments(self) -> tuple[Segments, Segments]:
        """What AC power stores, and stored power gives, vehicle by vehicle."""
        return (self.part_load or PartLoad((), np.full(self.fleet.size, -1))).segments(
            self.fleet.charge_efficiency, self.fleet.discharge_efficiency
        )

    @property
    def curtailable_kw(self) -> Floats:
        """Surplus that may be curtailed: what the base load alone would export above the limit, ``(T,)`` [kW]."""
        if math.isinf(self.export_limit_kw):
            return np.zeros(self.periods)
        return np.maximum(0.0, -self.base_load_kw - self.export_limit_kw)


@dataclass(frozen=True)
class PlanOptions:
    """How hard to try.

    Attributes:
        gap: relative gap (objective − lower bound)/max(1, |objective|) at which a solution counts as optimal.
        time_limit_s: solver time after which the best plan so far is returned [s]; see ``solve`` for whose clock.
        solver: ``auto``, ``highs`` or ``engine``.
        keep_schedule: whether the answer must hold ``power_kw`` whatever its size; by default very large fleets get
            an answer without it.
    """

    gap: float = 1e-4
    time_limit_s: float = 60.0
    solver: str = "auto"
    keep_schedule: bool = False

    def __post_init__(self) -> None:
        for name in ("gap", "time_limit_s"):
            value = getattr(self, name)
            _require(value > 0.0, f"{name} must be above 0, not {value}")


def _no_rows() -> Floats:
    return np.zeros((0, 0))


def _nothing() -> Floats:
    return np.zeros(0)


@dataclass(frozen=True)
class PlanSolution:
    """A schedule with what is known about how good it is.

    Attributes:
        status: ``optimal`` (gap within the one asked for), ``feasible`` (above it) or ``infeasible``.
        objective: cost of exactly this schedule, shortfall not priced [currency].
        lower_bound: no schedule with this shortfall costs less [currency].
        gap: (objective − lower_bound) / max(1, |objective|).
        solver: which solver answered, in words.
        power_kw: shape ``(N, T)``, AC side, positive charges [kW]; 0 outside the stay.
        energy_kwh: stored energy at step boundaries, shape ``(N, T + 1)`` [kWh]; constant outside the stay.
        import_kw: site import, ``(T,)`` [kW].
        export_kw: site export, ``(T,)`` [kW].
        curtailed_kw: surplus curtailed because of the export limit, ``(T,)`` [kW].
        peak_import_kw: highest import [kW].
        shortfall_kwh: energy missing at the end of each stay, ``(N,)`` [kWh].
        floor_deficit_kwh: energy by which a vehicle arrives below its floor, ``(N,)`` [kWh].
        reasons: for each vehicle a sentence on why it falls short, empty where it does not; length N.
        infeasible_because: sentences, for ``infeasible`` only.
        notes: remarks a reader of the plan needs (a feature that was relaxed, a limit in excess).
        group_power_kw: power that each group limit sees, base included, ``(G, T)`` [kW].
        group_price: price that each group limit adds to the energy its members take, ``(G, T)`` [currency/kWh]: what a
            kWh more of the upper limit would save; negative where the lower limit binds.
        reserve_kwh: energy kept back at the end of each step, ``(T,)`` [kWh, AC side]; empty without a reserve.
        reserve_deficit_kwh: what is missing of the reserve asked for, ``(T,)`` [kWh]; empty without a reserve.
        reserve_price: shadow price of the reserve, ``(T,)`` [currency/kWh per step]: what a kWh more would cost; empty
            without a reserve.
        restart: what the next plan can start from, where the engine answered.
    """

    status: str
    objective: float
    lower_bound: float
    gap: float
    solver: str
    power_kw: Floats
    energy_kwh: Floats
    import_kw: Floats
    export_kw: Floats
    curtailed_kw: Floats
    peak_import_kw: float
    shortfall_kwh: Floats
    floor_deficit_kwh: Floats
    reasons: tuple[str, ...]
    infeasible_because: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default_factory=tuple)
    group_power_kw: Floats = field(default_factory=_no_rows)
    group_price: Floats = field(default_factory=_no_rows)
    reserve_kwh: Floats = field(default_factory=_nothing)
    reserve_deficit_kwh: Floats = field(default_factory=_nothing)
    reserve_price: Floats = field(default_factory=_nothing)
    restart: EngineState | None = field(default=None, repr=False, compare=False)
