"""How much the answer hangs on what was assumed: one assumption at a time, played again in the closed loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bothways.simulation.stays import Stays
from bothways.studies.baseline import run_uncontrolled
from bothways.studies.beliefs import PriceBelief
from bothways.studies.closed_loop import run_closed_loop
from bothways.studies.compare import missing_kwh
from bothways.studies.excerpt import Excerpt, first_days
from bothways.studies.inputs import Case, StudyInputs
from bothways.studies.period import YearScale
from bothways.studies.result import Sensitivity, SensitivityRow
from bothways.studies.runs import StrategyRun

Range = tuple[float, float]
Restays = Callable[[float], Stays]
OnStep = Callable[[int], None]


@dataclass(frozen=True)
class Ranges:
    """What is varied, each as (low, high); ``None`` leaves it out.

    Attributes:
        days: length of the excerpt that is played again [days].
        price_spread: factor on the distance of every price from its mean.
        wear_per_kwh: cost of wear [currency/kWh].
        round_trip_efficiency: of vehicles, split evenly between charging and discharging.
        usable_capacity_kwh: with the function that places the stays anew for a capacity.
        soc_at_arrival: with the function that places the stays anew for an arrival SoC.
    """

    days: int
    price_spread: Range | None = None
    wear_per_kwh: Range | None = None
    round_trip_efficiency: Range | None = None
    usable_capacity_kwh: tuple[Range, Restays] | None = None
    soc_at_arrival: tuple[Range, Restays] | None = None


@dataclass(frozen=True)
class Trial:
    """One value of one assumption, and the work that finds its result.

    Attributes:
        name: the assumption with its unit; empty for the base.
        side: ``base``, ``low`` or ``high``.
        text: the value as shown.
        evaluate: plays it, calling back at every step; returns the yearly saving of two-way against one-way
            [currency/year].
    """

    name: str
    side: str
    text: str
    evaluate: Callable[[OnStep], float]

    @property
    def label(self) -> str:
        """For the progress display."""
        return f"{self.name} {self.text}".strip() or "base"


def trials(inputs: StudyInputs, case: Case, ranges: Ranges) -> list[Trial]:
    """All runs that the ranges ask for, the base first."""
    days = ranges.days

    def work(changed: StudyInputs, changed_case: Case) -> Callable[[OnStep], float]:
        return lambda on_step: _saving(first_days(changed, changed_case, days), on_step)

    found = [Trial("", "base", "", work(inputs, case))]

    def both(name: str, bounds: Range, text: str, change: Callable[[float], tuple[StudyInputs, Case]]) -> None:
        for side, value in zip(("low", "high"), bounds, strict=True):
            found.append(Trial(name, side, text.format(value), work(*change(value))))

    if ranges.price_spread:
        both("price spread", ranges.price_spread, "× {:g}", lambda v: (inputs, _spread(case, v)))
    if ranges.wear_per_kwh:
        both(
            f"wear [{inputs.currency}/kWh]", ranges.wear_per_kwh, "{:g}",
            lambda v: (inputs.with_wear(v), case),
        )  # fmt: skip
    if ranges.round_trip_efficiency:
        both(
            "round-trip efficiency", ranges.round_trip_efficiency, "{:.0%}",
            lambda v: (replace(inputs, stays=_efficiency(inputs.stays, v)), case),
        )  # fmt: skip
    for name, unit, pair in (
        ("assumed capacity [kWh]", "{:g}", ranges.usable_capacity_kwh),
        ("assumed SoC at arrival", "{:.0%}", ranges.soc_at_arrival),
    ):
        if pair:
            bounds, restays = pair
            both(name, bounds, unit, lambda v, again=restays: (replace(inputs, stays=again(v)), case))  # type: ignore[misc]
    return found


def sensitivity_of(inputs: StudyInputs, ranges: Ranges, tried: Sequence[tuple[Trial, float]]) -> Sensitivity:
    """Collects finished trials into a table, the widest swing first."""
    base = next(value for trial, value in tried if trial.side == "base")
    low = {trial.name: (trial.text, value) for trial, value in tried if trial.side == "low"}
    high = {trial.name: (trial.text, value) for trial, value in tried if trial.side == "high"}
    rows = [SensitivityRow(name, *_pair(low[name], high[name])) for name in low]
    rows.sort(key=lambda row: -abs(row.result_high - row.result_low))
    return Sensitivity(
        measure=f"yearly saving of bidirectional against smart charging [{inputs.currency}/year]",
        base=base,
        rows=tuple(rows),
        method=(
            f"closed loop over the first {ranges.days} days, one assumption at a time, at the optimiser's prices; "
            "energy scaled by days and demand charges by months to a year"
        ),
    )


def _pair(low: tuple[str, float], high: tuple[str, float]) -> tuple[str, str, float, float]:
    return low[0], high[0], low[1], high[1]


def _saving(excerpt: Excerpt, on_step: OnStep) -> float:
    inputs, case = excerpt.inputs, excerpt.case
    reference = run_uncontrolled(inputs, case)
    smart, both = (
        yearly_cost(inputs, case, run_closed_loop(inputs, case, strategy, on_step), reference, excerpt.demand_share)
        for strategy in ("smart", "bidirectional")
    )
    return smart - both


def yearly_cost(
    inputs: StudyInputs, case: Case, run: StrategyRun, reference: StrategyRun, demand_share: float = 1.0
) -> float:
    """Cost of a run per year at the optimiser's prices: energy, demand, wear, energy not served [currency/year].

    ``demand_share`` takes back what an excerpt multiplied its demand prices by.
    """
    step_h, net = inputs.grid.step_h, run.flows.net
    scale = YearScale.of(inputs.grid)
    energy = float(
        (np.maximum(net, 0.0) * case.import_price.values - np.maximum(-net, 0.0) * case.export_price.values).sum()
    )
    demand = sum(
        term.price_per_kw * max(0.0, float(net[term.steps].max()) - term.above_kw)
        for term in case.demand
        if term.steps.any()
    )
    wear = float(inputs.wear_per_kwh @ run.trace.discharged_kwh)
    if case.battery is not None:
        wear += case.battery.wear_per_kwh * float(np.maximum(-run.flows.battery, 0.0).sum()) * step_h
    missing = np.maximum(0.0, missing_kwh(inputs.stays, run.trace, reference.trace))
    unserved = float(missing.sum()) * inputs.unserved_price_per_kwh
    return scale.by_days * (energy * step_h + wear + unserved) + scale.by_months * demand / demand_share


def _spread(case: Case, factor: float) -> Case:
    def stretch(price: PriceBelief) -> PriceBelief:
        mean = float(price.values.mean())
        return replace(price, values=mean + factor * (price.values - mean))

    return replace(case, import_price=stretch(case.import_price), export_price=stretch(case.export_price))


def _efficiency(stays: Stays, round_trip: float) -> Stays:
    """Same energies wanted on the battery side; the round trip is split evenly and holds at every power."""
    each = np.full(stays.size, round_trip**0.5)
    return Stays(**{**stays.__dict__, "eta_c": each, "eta_d": each, "part_load": None})
