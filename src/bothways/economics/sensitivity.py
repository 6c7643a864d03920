"""How much an answer depends on what was assumed.

One assumption at a time (:func:`tornado`), several together (:func:`sweep`), and a closed form of the net present
value for quick re-evaluation (:class:`NpvModel`). The functions are pure: the caller supplies ``evaluate``, which may
run a whole study. One-at-a-time ranges show no interactions; a sweep does.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from bothways.domain.errors import DomainError
from bothways.economics.figures import Floats, above_zero, finite, growth_rate, sourced, whole
from bothways.economics.returns import annuity_factor

Evaluate = Callable[[Mapping[str, float]], float]
"""Result for the base with the named inputs replaced by the given values."""


@dataclass(frozen=True, slots=True)
class Range:
    """An assumption with the values it might as well have.

    Attributes:
        name: of the input, as ``evaluate`` knows it.
        unit: for the report.
        low: lowest plausible value.
        base: the value assumed.
        high: highest plausible value.
        source: where the range comes from.
    """

    name: str
    unit: str
    low: float
    base: float
    high: float
    source: str

    def __post_init__(self) -> None:
        for part in ("low", "base", "high"):
            finite(f"{self.name}: {part}", getattr(self, part))
        if not self.low <= self.base <= self.high:
            msg = f"{self.name}: low {self.low:g} ≤ base {self.base:g} ≤ high {self.high:g} does not hold"
            raise DomainError(msg)
        sourced(f"range of {self.name}", self.source)


@dataclass(frozen=True, slots=True)
class TornadoRow:
    """What one assumption does to the result.

    Attributes:
        range: the assumption.
        at_low: result with the lowest value.
        at_base: result with the assumed value.
        at_high: result with the highest value.
    """

    range: Range
    at_low: float
    at_base: float
    at_high: float

    @property
    def swing(self) -> float:
        """Largest less smallest of the three results."""
        return max(self.at_low, self.at_base, self.at_high) - min(self.at_low, self.at_base, self.at_high)

    @property
    def base_inside(self) -> bool:
        """Whether the base lies between the two ends; where not, the best value lies within the range."""
        return min(self.at_low, self.at_high) <= self.at_base <= max(self.at_low, self.at_high)

    @property
    def changes_sign(self) -> bool:
        """Whether the answer (worth it or not) depends on this assumption alone."""
        return min(self.at_low, self.at_high) < 0.0 < max(self.at_low, self.at_high)


def tornado(base: float, evaluate: Evaluate, ranges: Sequence[Range]) -> tuple[TornadoRow, ...]:
    """Evaluates every assumption at both ends, the others at their base; widest swing first.

    Args:
        base: result with every assumption at its base.
        evaluate: result with the named inputs replaced; called twice per range.
        ranges: the assumptions, each named once.

    Returns:
        One row per range, sorted by swing; equal swings keep the order given.

    Raises:
        DomainError: a name twice, or a result that is not finite (with the input that caused it).

    >>> rows = tornado(
    ...     6.0,
    ...     lambda changed: changed.get("price", 3.0) * changed.get("energy", 2.0),
    ...     [Range("price", "EUR/kWh", 2.0, 3.0, 4.0, "tariffs seen"), Range("energy", "kWh", 0.0, 2.0, 5.0, "meter")],
    ... )
    >>> [(row.range.name, row.at_low, row.at_high, row.swing) for row in rows]
    [('energy', 0.0, 15.0, 15.0), ('price', 4.0, 8.0, 4.0)]
    """
    names = [item.name for item in ranges]
    if len(set(names)) != len(names):
        msg = f"every assumption needs a name of its own, not {names}"
        raise DomainError(msg)
    finite("base", base)
    rows = [
        TornadoRow(
            item,
            _result(evaluate, {item.name: item.low}),
            base,
            _result(evaluate, {item.name: item.high}),
        )
        for item in ranges
    ]
    return tuple(sorted(rows, key=lambda row: -row.swing))


def _result(evaluate: Evaluate, changed: Mapping[str, float]) -> float:
    told = ", ".join(f"{name} = {value:g}" for name, value in changed.items())
    return finite(f"result with {told}", evaluate(changed))


@dataclass(frozen=True, slots=True)
class Axis:
    """Values of one input to sweep over.

    Attributes:
        name: of the input, as ``evaluate`` knows it.
        unit: for the report.
        values: at least one, in the order of the grid.
    """

    name: str
    unit: str
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values:
            msg = f"axis {self.name} needs at least one value"
            raise DomainError(msg)
        for value in self.values:
            finite(f"axis {self.name}", value)


@dataclass(frozen=True)
class Sweep:
    """Results on a grid.

    Attributes:
        axes: what was varied.
        values: results, one dimension per axis, ``values[i, j]`` at ``axes[0].values[i]``, ``axes[1].values[j]``.
    """

    axes: tuple[Axis, ...]
    values: Floats

    def rows(self) -> list[dict[str, float]]:
        """One mapping per point, for tables and files: the inputs by name, and ``result``."""
        points = itertools.product(*(axis.values for axis in self.axes))
        names = [axis.name for axis in self.axes]
        return [
            {**dict(zip(names, point, strict=True)), "result": float(result)}
            for point, result in zip(points, self.values.ravel(), strict=True)
        ]


def sweep(evaluate: Evaluate, axes: Sequence[Axis]) -> Sweep:
    """Evaluates every combination of the axes' values; two axes make a map, more explain a spread (F10).

    Args:
        evaluate: result with the named inputs replaced.
        axes: what to vary, each named once; the last one varies fastest.

    Raises:
        DomainError: no axis, a name twice (or ``result``), or a result that is not finite.

    >>> grid = sweep(lambda changed: changed["kw"] * changed["price"],
    ...              [Axis("kw", "kW", (3.7, 11.0)), Axis("price", "EUR/kWh", (0.1, 0.2))])
    >>> grid.values.round(2).tolist()
    [[0.37, 0.74], [1.1, 2.2]]
    """
    names = [axis.name for axis in axes]
    if not names or len(set(names)) != len(names) or "result" in names:
        msg = f"a sweep needs axes, each with a name of its own other than 'result', not {names}"
        raise DomainError(msg)
    points = itertools.product(*(axis.values for axis in axes))
    results = [_result(evaluate, dict(zip(names, point, strict=True))) for point in points]
    return Sweep(tuple(axes), np.array(results).reshape([len(axis.values) for axis in axes]))


@dataclass(frozen=True, slots=True)
class NpvModel:
    """Closed form of what bidirectionality is worth, from the components that a study measured.

    NPV = -(n·p + other) + S·A(r, N, e) - C·A(r, N, c), with A the growing annuity factor and the yearly saving
    S = fixed + E·max(0, (p_c + spread) - p_c/η - wear). The energy shifted E follows the assumed capacity in
    proportion, up to what power and hours allow.

    It is an extrapolation: the planner's choices are held fixed apart from standing still where shifting loses money.
    It is for a tornado and a first look; a study run again with the changed input is the answer.

    Attributes:
        years: length N.
        rate: discount rate r [1/year].
        chargers: number n, in addition to the reference.
        charger_price: price each p, over that of the reference [currency].
        other_investment: installation, upgrades, sub-metering, less rebates [currency].
        yearly_cost: extra operation, maintenance, insurance, communication C [currency/year].
        fixed_saving: yearly saving that does not follow the energy shifted (demand charges, services) [currency/year].
        shifted_kwh: energy discharged in a year with ``measured_capacity_kwh`` [kWh, AC side].
        measured_capacity_kwh: usable capacity per vehicle that the study assumed [kWh].
        capacity_kwh: usable capacity per vehicle to evaluate [kWh].
        shift_limit_kwh: most that power and hours allow in a year [kWh, AC side].
        price_spread: mean price while discharging less mean price while charging [currency/kWh].
        charge_price: mean price while charging p_c [currency/kWh].
        round_trip_efficiency: AC to AC η, in (0, 1].
        wear_per_kwh: wear per kWh discharged [currency/kWh].
        escalation: yearly growth e of the saving [1/year].
        cost_escalation: yearly growth c of the yearly cost [1/year].

    >>> model = NpvModel(years=10, rate=0.0, chargers=1, charger_price=1000.0, fixed_saving=50.0, shifted_kwh=2000.0,
    ...                  measured_capacity_kwh=40.0, capacity_kwh=40.0, shift_limit_kwh=3000.0, price_spread=0.20,
    ...                  charge_price=0.10, round_trip_efficiency=0.8, wear_per_kwh=0.05)
    >>> round(model.yearly_saving, 2), round(model.npv, 2), round(model.evaluate({"capacity_kwh": 60.0}), 2)
    (300.0, 2000.0, 3250.0)
    """

    years: int
    rate: float
    chargers: int
    charger_price: float
    shifted_kwh: float
    measured_capacity_kwh: float
    capacity_kwh: float
    shift_limit_kwh: float
    price_spread: float
    charge_price: float
    round_trip_efficiency: float
    wear_per_kwh: float
    fixed_saving: float = 0.0
    other_investment: float = 0.0
    yearly_cost: float = 0.0
    escalation: float = 0.0
    cost_escalation: float = 0.0

    def __post_init__(self) -> None:
        whole("years", self.years, low=1)
        whole("chargers", self.chargers)
        for name in ("rate", "escalation", "cost_escalation"):
            growth_rate(name, getattr(self, name))
        for name in ("measured_capacity_kwh", "round_trip_efficiency"):
            above_zero(name, getattr(self, name))
        finite("round_trip_efficiency", self.round_trip_efficiency, high=1.0)
        for name in ("shifted_kwh", "capacity_kwh", "shift_limit_kwh", "wear_per_kwh"):
            finite(name, getattr(self, name), low=0.0)
        for name in (
            "charger_price",
            "price_spread",
            "charge_price",
            "fixed_saving",
            "other_investment",
            "yearly_cost",
        ):
            finite(name, getattr(self, name))

    @property
    def margin_per_kwh(self) -> float:
        """What a kWh discharged earns after losses and wear, at least 0 [currency/kWh]."""
        earned = self.charge_price + self.price_spread
        return max(0.0, earned - self.charge_price / self.round_trip_efficiency - self.wear_per_kwh)

    @property
    def yearly_shifted_kwh(self) -> float:
        """Energy discharged in a year with the capacity to evaluate [kWh]."""
        return min(self.shifted_kwh * self.capacity_kwh / self.measured_capacity_kwh, self.shift_limit_kwh)

    @property
    def yearly_saving(self) -> float:
        """Saving in the prices of year 1 [currency/year]."""
        return self.fixed_saving + self.yearly_shifted_kwh * self.margin_per_kwh

    @property
    def investment(self) -> float:
        """Paid today [currency]."""
        return self.chargers * self.charger_price + self.other_investment

    @property
    def npv(self) -> float:
        """Net present value [currency]."""
        saved = self.yearly_saving * annuity_factor(self.rate, self.years, self.escalation)
        spent = self.yearly_cost * annuity_factor(self.rate, self.years, self.cost_escalation)
        return saved - spent - self.investment

    def evaluate(self, changed: Mapping[str, float]) -> float:
        """Net present value with the named attributes replaced; for :func:`tornado` and :func:`sweep`.

        Raises:
            DomainError: a name that is no attribute, or a value out of its range.
        """
        known = {item.name for item in fields(self)}
        if unknown := sorted(set(changed) - known):
            msg = f"the model has no input {', '.join(unknown)}; it has {', '.join(sorted(known))}"
            raise DomainError(msg)
        return replace(self, **dict(changed)).npv  # type: ignore[arg-type]  # years and chargers are checked whole
