"""From stays and steps to money and emissions against uncontrolled charging. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from bothways.domain.errors import DomainError
from bothways.domain.timegrid import TimeGrid
from bothways.economics.counterfactual import MeteredStay, energy_cost, metered_kwh, uncontrolled_kwh
from bothways.operations.site.settings import SiteSettings
from bothways.operations.site.stored import StoredEnergy
from bothways.tariffs.billing import compute_bill

Floats = NDArray[np.float64]

_STEP = timedelta(minutes=15)

ASSUMPTIONS = {
    "same-energy": "Without control each vehicle charges at once with the charger's full power, until it holds what "
    "it really left with.",
    "open-stays": "Vehicles that are still plugged in count with what they have taken so far.",
    "whole-stays": "Stays that began before the month are not counted.",
    "unmetered": "Where the site's meter was silent, vehicles alone are counted.",
    "mean-price": "Where no price was recorded, the mean of the recorded ones is taken.",
    "no-demand-charge": "Charges on peaks are not counted.",
    "month-so-far": "The month's charges are those of the month so far.",
    "wear-deducted": "Wear is what the site's settings say per kWh discharged; it is deducted.",
    "average-carbon": "Emissions are imported energy at the grid's average intensity; export takes nothing off.",
}
"""Every assumption that a figure may rest on, by its code."""


@dataclass(frozen=True, slots=True)
class Step:
    """One planning step as recorded: energy at the site's meter (import positive) [kWh], prices, emissions."""

    start_s: int
    seconds: float
    net_kwh: float
    import_price: float | None = None
    export_price: float | None = None
    co2: float | None = None


@dataclass(frozen=True, slots=True)
class SavedPeriod:
    """What was saved in a period; ``None`` for what cannot be told.

    Attributes:
        name: ``today`` or ``month``.
        begins: of the period, by the site's clock.
        ends: until when it is counted.
        stays: vehicles' stays that are counted.
        charged_kwh: energy into vehicles [kWh].
        discharged_kwh: energy out of vehicles [kWh].
        cost: what the site paid for energy at its meter [currency].
        uncontrolled_cost: what it would have paid [currency].
        wear: cost of the wear of discharging [currency].
        saved: the difference, wear deducted [currency].
        peak_kw: highest import, mean of a quarter of an hour [kW].
        uncontrolled_peak_kw: what it would have been [kW]; above the site's limit it could not even be drawn.
        co2_kg: emissions of the energy imported [kg]; the same for ``uncontrolled_co2_kg``.
        co2_saved_kg: the difference [kg].
        metered_share: share of the period's steps in which the site was metered.
        assumptions: codes of :data:`ASSUMPTIONS` that the figures rest on.
    """

    name: str
    begins: datetime
    ends: datetime
    stays: int
    charged_kwh: float
    discharged_kwh: float
    cost: float | None
    uncontrolled_cost: float | None
    wear: float
    saved: float | None
    peak_kw: float | None
    uncontrolled_peak_kw: float | None
    co2_kg: float | None
    uncontrolled_co2_kg: float | None
    co2_saved_kg: float | None
    metered_share: float
    assumptions: tuple[str, ...]


def saved_period(
    name: str, begins: datetime, ends: datetime, stays: Sequence[MeteredStay], steps: Sequence[Step],
    settings: SiteSettings,
) -> SavedPeriod:  # fmt: skip
    """Compares what happened with uncontrolled charging of the same stays.

    Money follows the site's tariff where it has one that needs no price series, demand charges included, for the
    month; else the recorded prices. A stay counts whole, also what it took before the period: else a vehicle that came
    in the evening and was charged at night would look as if control had added its energy.

    Args:
        name: ``today`` or ``month``.
        begins: of the period.
        ends: of the period.
        stays: those that count.
        steps: what was recorded, in order of time.
        settings: the site.

    Returns:
        The comparison.
    """
    first = min([begins, *(stay.begins for stay in stays)])
    grid = _grid(first, ends, settings.tz)
    taken, given, drawn, wear = _vehicles(stays, grid, settings)
    net, metered = _net(steps, grid)
    net = np.where(metered, net, taken - given)
    other = net - (taken - given) + drawn
    codes = ["same-energy", "open-stays"]
    if name == "month":
        codes.append("whole-stays")
    if not metered.all():
        codes.append("unmetered")
    cost = _costs(name, grid, net, other, steps, settings, codes)
    carbon = _carbon(grid, net, other, steps, codes)
    if wear > 0.0:
        codes.append("wear-deducted")
    hours = grid.step_h
    return SavedPeriod(
        name=name, begins=begins, ends=ends, stays=len(stays), charged_kwh=round(float(taken.sum()), 3),
        discharged_kwh=round(float(given.sum()), 3),
        cost=_rounded(cost and cost[0]), uncontrolled_cost=_rounded(cost and cost[1]), wear=round(wear, 4),
        saved=None if cost is None else _rounded(cost[1] - cost[0] - wear),
        peak_kw=_rounded(float(net.max()) / hours) if metered.any() else None,
        uncontrolled_peak_kw=_rounded(float(other.max()) / hours) if metered.any() else None,
        co2_kg=_rounded(carbon and carbon[0]), uncontrolled_co2_kg=_rounded(carbon and carbon[1]),
        co2_saved_kg=None if carbon is None else _rounded(carbon[1] - carbon[0]),
        metered_share=round(float(metered.mean()), 4), assumptions=tuple(codes),
    )  # fmt: skip


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 4) + 0.0


def _grid(first: datetime, ends: datetime, tz: str) -> TimeGrid:
    step_s = int(_STEP.total_seconds())
    start = datetime.fromtimestamp(first.timestamp() // step_s * step_s, tz=UTC)
    periods = max(1, math.ceil((ends - start) / _STEP))
    return TimeGrid(start, _STEP, periods, tz)


def _vehicles(
    stays: Sequence[MeteredStay], grid: TimeGrid, settings: SiteSettings
) -> tuple[Floats, Floats, Floats, float]:
    """Energy taken, given, and drawn without control, per interval [kWh], and what wear costs [currency]."""
    stored, wear = StoredEnergy(settings.vehicle), 0.0
    taken, given, drawn = np.zeros(grid.periods), np.zeros(grid.periods), np.zeros(grid.periods)
    for stay in stays:
        one_taken, one_given = metered_kwh(stay, grid)
        taken += one_taken
        given += one_given
        full = stored.full_power(stay.charge_kw, stay.charge_kw)
        drawn += uncontrolled_kwh(stay, grid, full.eta_c, full.eta_d)
        price = settings.wear_per_kwh if stay.wear_per_kwh is None else stay.wear_per_kwh
        wear += price * float(one_given.sum())
    return taken, given, drawn, wear


def _net(steps: Sequence[Step], grid: TimeGrid) -> tuple[Floats, NDArray[np.bool_]]:
    """Energy at the site's meter per interval [kWh], and which intervals were metered."""
    net, known = np.zeros(grid.periods), np.zeros(grid.periods, dtype=np.bool_)
    for step in steps:
        k = (step.start_s - grid.start_s) // int(grid.step_s)
        if 0 <= k < grid.periods:
            net[k] += step.net_kwh
            known[k] = True
    return net, known


def _costs(
    name: str, grid: TimeGrid, net: Floats, other: Floats, steps: Sequence[Step], settings: SiteSettings,
    codes: list[str],
) -> tuple[float, float] | None:  # fmt: skip
    tariff = settings.tariff
    if tariff is not None and tariff.price_series is None and name == "month":
        try:
            bills = [compute_bill(tariff, grid, values / grid.step_h).total for values in (net, other)]
        except DomainError:
            bills = []
        if bills:
            codes.append("month-so-far")
            return bills[0], bills[1]
    bought, sold = _recorded(steps, grid, "import_price", codes), _recorded(steps, grid, "export_price", codes)
    if bought is None or sold is None:
        return None
    codes.append("no-demand-charge")
    return energy_cost(net, bought, sold), energy_cost(other, bought, sold)


def _carbon(
    grid: TimeGrid, net: Floats, other: Floats, steps: Sequence[Step], codes: list[str]
) -> tuple[float, float] | None:
    intensity = _recorded(steps, grid, "co2", codes)
    if intensity is None:
        return None
    codes.append("average-carbon")
    return float(np.maximum(net, 0.0) @ intensity), float(np.maximum(other, 0.0) @ intensity)


def _recorded(steps: Sequence[Step], grid: TimeGrid, name: str, codes: list[str]) -> Floats | None:
    """A recorded series over the grid, gaps filled with the mean; ``None`` where nothing was recorded."""
    values = np.full(grid.periods, np.nan)
    for step in steps:
        k, value = (step.start_s - grid.start_s) // int(grid.step_s), getattr(step, name)
        if 0 <= k < grid.periods and value is not None:
            values[k] = value
    known = np.isfinite(values)
    if not known.any():
        return None
    if not known.all() and "mean-price" not in codes:
        codes.append("mean-price")
    return np.where(known, values, values[known].mean())
