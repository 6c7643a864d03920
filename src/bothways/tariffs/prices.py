"""A tariff as an optimiser sees it: the price of the next kWh in every interval, and prices on peaks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bothways.domain.errors import DomainError
from bothways.domain.timegrid import TimeGrid
from bothways.tariffs.billing import checked, checked_series
from bothways.tariffs.demand import PriorPeaks, coincident_windows, prior_months, ratchet_floors
from bothways.tariffs.energy import EnergyTable, energy_table, tier_bounds
from bothways.tariffs.schedule import Calendar, calendar_of, demand_groups
from bothways.tariffs.structure import DemandCharges, DemandTier, Metering, RatchetScope, Tariff

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

ByMonth = float | Mapping[str, float]
"""A value for the first billing month of a grid (0 in the others), or for each month by its name."""


@dataclass(frozen=True)
class DemandTerm:
    """A price on the highest import within some intervals: ``price_per_kw · max(0, max_t import_t − above_kw)``.

    Attributes:
        price_per_kw: price of each kW above ``above_kw`` [currency/kW].
        steps: which intervals count, shape ``(T,)``.
        month: billing month, such as ``2018-01``.
        kind: ``flat``, ``tou``, ``coincident`` or ``excess`` (above the contracted capacity).
        above_kw: demand that is free in this term: a tier's lower bound, the ratchet's floor, the contracted power.
    """

    price_per_kw: float
    steps: Bools
    month: str
    kind: str
    above_kw: float = 0.0


@dataclass(frozen=True)
class PlanningPrices:
    """What a schedule pays and earns at the margin, on the grid asked for.

    Attributes:
        import_per_kwh: price of the next imported kWh, levies included, shape ``(T,)`` [currency/kWh].
        export_per_kwh: credit for an exported kWh, less the levies on re-export, shape ``(T,)`` [currency/kWh].
        demand: prices on peaks.
        export_allowed: whether export is permitted by the tariff.
        import_limit_kw: contracted import [kW], ``inf`` for none; soft, see the penalty.
        import_limit_penalty_per_kwh: price of energy above it [currency/kWh].
        export_limit_kw: contracted export [kW], 0 where export is not allowed, ``inf`` for none.
        notes: what these prices leave out.
    """

    import_per_kwh: Floats
    export_per_kwh: Floats
    demand: tuple[DemandTerm, ...]
    export_allowed: bool = True
    import_limit_kw: float = math.inf
    import_limit_penalty_per_kwh: float = 0.0
    export_limit_kw: float = math.inf
    notes: tuple[str, ...] = ()


def planning_prices(
    tariff: Tariff,
    grid: TimeGrid,
    *,
    month_to_date_kwh: ByMonth = 0.0,
    price_series: Floats | None = None,
    expected_net_kw: Floats | None = None,
    month_peak_kw: ByMonth = 0.0,
    prior_peaks: PriorPeaks = (),
) -> PlanningPrices:
    """Prices of a tariff at the margin.

    The price of an interval is that of the tier which the month's energy has reached there: ``month_to_date_kwh``
    plus, where given, the expected net load up to it. Rising demand tiers become several terms that add up exactly;
    falling ones (no linear program can hold them) use the price at the month's peak so far.

    Args:
        tariff: the tariff.
        grid: the intervals.
        month_to_date_kwh: energy billed in the month before the grid begins [kWh]; by month where it has several.
        price_series: as in :func:`~bothways.tariffs.billing.compute_bill`.
        expected_net_kw: expected net load, shape ``(T,)`` [kW], to foresee the change of tiers.
        month_peak_kw: highest demand of the month so far [kW]; by month where the grid has several.
        prior_peaks: peaks of earlier months for ratchets [kW].

    Returns:
        The prices.

    Raises:
        DomainError: wrong shapes or values that are not finite, a price series missing or not expected.
    """
    cal = calendar_of(tariff, grid)
    series = checked_series(tariff, grid, cal, price_series)
    peak = _by_month("month_peak_kw", month_peak_kw, cal)
    prior = prior_months(prior_peaks, cal.labels[0])
    floor = np.zeros(cal.months)
    if tariff.ratchet is not None:
        floor = ratchet_floors(tariff.ratchet, peak, cal.calendar_month, prior)
    bounds = tier_bounds(energy_table(tariff), cal.days, np.maximum(peak, floor))
    reading, sold = _readings(tariff, grid, cal, month_to_date_kwh, expected_net_kw)
    retail, credit = _marginal(tariff, cal, bounds, (reading, sold), series)
    lost = sum(-levy.import_per_kwh if levy.exempt else levy.export_per_kwh for levy in tariff.levies)
    contracted = tariff.contracted_import
    terms, notes = _demand_terms(tariff, grid, cal, peak, floor)
    allowed = tariff.export_allowed
    export_limit = tariff.contracted_export.kw if tariff.contracted_export is not None else math.inf
    return PlanningPrices(
        import_per_kwh=_folded(retail + sum(levy.import_per_kwh for levy in tariff.levies), cal),
        export_per_kwh=_folded(credit - lost, cal),
        demand=terms,
        export_allowed=allowed,
        import_limit_kw=contracted.kw if contracted is not None else math.inf,
        import_limit_penalty_per_kwh=contracted.excess_per_kwh if contracted is not None else 0.0,
        export_limit_kw=export_limit if allowed else 0.0,
        notes=tuple(notes),
    )


def _marginal(
    tariff: Tariff, cal: Calendar, bounds: Floats, readings: tuple[Floats, Floats], series: tuple[Floats, Floats] | None
) -> tuple[Floats, Floats]:
    """Price of the next imported and credit of the next exported kWh without levies, each ``(T,)``."""
    table = energy_table(tariff)
    reading, sold = readings
    retail = _at(table.price, _tier(table, bounds, cal, reading), cal) + cal.adder
    credit = _at(table.sell, _tier(table, bounds, cal, sold), cal)
    if series is not None:
        retail, credit = retail + series[0], credit + series[1]
    if cal.fixed_price is not None:
        retail = np.where(np.isnan(cal.fixed_price), retail, cal.fixed_price)
    return retail, retail if tariff.metering is Metering.NET_METERING else credit


def _by_month(name: str, value: ByMonth, cal: Calendar) -> Floats:
    by_label = value if isinstance(value, Mapping) else {cal.labels[0]: value}
    read = np.array([float(by_label.get(label, 0.0)) for label in cal.labels])
    if not np.isfinite(read).all():
        msg = f"{name} must be finite"
        raise DomainError(msg)
    return read


def _readings(
    tariff: Tariff, grid: TimeGrid, cal: Calendar, month_to_date_kwh: ByMonth, expected_net_kw: Floats | None
) -> tuple[Floats, Floats]:
    """The month's imported (under net metering: net) and exported energy before each interval [kWh]."""
    start = _by_month("month_to_date_kwh", month_to_date_kwh, cal)[cal.month_of]
    if expected_net_kw is None:
        return start, np.zeros(start.size)
    energy = cal.spread(checked("expected_net_kw", expected_net_kw, grid)) * cal.grid.step_h
    counted = energy if tariff.metering is Metering.NET_METERING else np.maximum(energy, 0.0)
    return start + _before(counted, cal), _before(np.maximum(-energy, 0.0), cal)


def _before(energy_kwh: Floats, cal: Calendar) -> Floats:
    before = np.cumsum(energy_kwh) - energy_kwh
    return np.asarray(before - before[cal.month_starts][cal.month_of], dtype=np.float64)


def _tier(table: EnergyTable, bounds: Floats, cal: Calendar, reading: Floats) -> Ints:
    """The tier that the next kWh falls into, shape ``(T,)``."""
    tier = np.zeros(reading.size, dtype=np.int64)
    for number in range(table.tiers - 1):
        tier += reading >= bounds[:, :, number][cal.month_of, cal.energy_period]
    return tier


def _at(prices: Floats, tier: Ints, cal: Calendar) -> Floats:
    return np.asarray(prices[cal.energy_period, tier], dtype=np.float64)


def _folded(values: Floats, cal: Calendar) -> Floats:
    """Means over the intervals asked for, where the calendar had to be finer."""
    return values if cal.repeat == 1 else np.asarray(values.reshape(-1, cal.repeat).mean(axis=1), dtype=np.float64)


def _demand_terms(
    tariff: Tariff, grid: TimeGrid, cal: Calendar, peak: Floats, floor: Floats
) -> tuple[tuple[DemandTerm, ...], list[str]]:
    terms: list[DemandTerm] = []
    notes: list[str] = []
    scope = tariff.ratchet.scope if tariff.ratchet is not None else None
    if scope is not None:
        notes.append("a new peak also raises the ratchet of later months; these prices leave that out")
    none = np.zeros(cal.months)
    for kind, charges, raised in (
        ("flat", tariff.flat_demand, scope in {RatchetScope.FLAT, RatchetScope.BOTH}),
        ("tou", tariff.tou_demand, scope in {RatchetScope.TOU, RatchetScope.BOTH}),
        ("coincident", tariff.coincident, False),
    ):
        below = floor if raised and not charges.daily else none
        terms.extend(_terms_of(kind, charges, tariff, grid, cal, peak, below, notes))
    for month, members, price in coincident_windows(tariff, grid):
        terms.append(DemandTerm(price, _steps(members, cal), cal.labels[month], "coincident"))
    contracted = tariff.contracted_import
    if contracted is not None and contracted.excess_per_kw > 0.0:
        for month, label in enumerate(cal.labels):
            members = np.flatnonzero(cal.month_of == month)
            terms.append(
                DemandTerm(contracted.excess_per_kw, _steps(members, cal), label, "excess", above_kw=contracted.kw)
            )
    if any(term.price_per_kw for term in terms) and cal.window_of is not None:
        notes.append(f"demand is billed as the mean over {cal.window_minutes:g} min, which is longer than the step")
    if tariff.metering is Metering.NET_BILLING_HOURLY:
        notes.append("import and export within one hour are netted by the bill; these prices leave that out")
    return tuple(terms), notes


def _terms_of(
    kind: str, charges: DemandCharges, tariff: Tariff, grid: TimeGrid, cal: Calendar, peak: Floats, floor: Floats,
    notes: list[str],
) -> list[DemandTerm]:  # fmt: skip
    if not charges.periods:
        return []
    terms: list[DemandTerm] = []
    groups = demand_groups(tariff, grid, kind)
    for group, (month, period) in enumerate(zip(groups.month, groups.period, strict=True)):
        tiers = charges.periods[int(period)]
        reached = max(float(peak[month]), float(floor[month])) * charges.units_per_kw
        blocks, exact = price_blocks(tiers, reached)
        if not exact:
            notes.append(f"falling tiers of {kind} demand are planned at the price of {reached:g} units")
        steps = _steps(groups.members(group), cal) if blocks else np.zeros(0, dtype=np.bool_)
        for price, low in blocks:
            above = max(low / charges.units_per_kw, float(floor[month]))
            terms.append(DemandTerm(price * charges.units_per_kw, steps, cal.labels[int(month)], kind, above))
    notes[:] = list(dict.fromkeys(notes))
    return terms


def price_blocks(tiers: Sequence[DemandTier], reached: float) -> tuple[list[tuple[float, float]], bool]:
    """Splits progressive tiers into ``(price, lower bound)`` blocks that add up, as far as prices rise.

    Returns:
        The blocks with a price above 0, and whether they reproduce the tiers exactly.

    >>> price_blocks([DemandTier(8.0, max=30.0), DemandTier(12.0)], 0.0)
    ([(8.0, 0.0), (4.0, 30.0)], True)
    """
    prices = [tier.rate + tier.adj for tier in tiers]
    lows = [0.0, *(tier.max for tier in tiers[:-1])]
    if all(after >= before for before, after in pairwise(prices)) and prices[0] >= 0.0:
        rises = np.diff(prices, prepend=0.0)
        return [(float(rise), low) for rise, low in zip(rises, lows, strict=True) if rise > 0.0], True
    price = prices[max(index for index, low in enumerate(lows) if low <= reached)]
    return ([(price, 0.0)] if price > 0.0 else []), False


def _steps(members: Ints, cal: Calendar) -> Bools:
    steps = np.zeros(cal.month_of.size // cal.repeat, dtype=np.bool_)
    steps[members // cal.repeat] = True
    return steps
