"""The bill of a load under a tariff."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bothways.domain.errors import DomainError
from bothways.domain.timegrid import TimeGrid
from bothways.tariffs.bill import Bill, BillLine, BillMonth
from bothways.tariffs.demand import Demand, PriorPeaks, demand_charges
from bothways.tariffs.energy import EnergyCharges, Flows, energy_charges, metered, series_prices
from bothways.tariffs.schedule import Calendar, calendar_of
from bothways.tariffs.structure import Amounts, ContractedCapacity, Levy, Metering, Surplus, Tariff

Floats = NDArray[np.float64]

_YEAR = 12
_CENT = 0.005


def compute_bill(
    tariff: Tariff,
    grid: TimeGrid,
    net_load_kw: Floats,
    *,
    prior_peaks: PriorPeaks = (),
    price_series: Floats | None = None,
    generation_kw: Floats | None = None,
) -> Bill:
    """Bills a load by month and component.

    Args:
        tariff: the tariff.
        grid: the intervals; local time is the tariff's zone, or the grid's where the tariff names none.
        net_load_kw: mean power at the meter, shape ``(T,)`` [kW]; positive imports, negative exports.
        prior_peaks: peaks of earlier months for ratchets [kW]: oldest first, the last one is the month before the
            first billed one; or by month, ``{"2017-12": 310.0}``.
        price_series: price of each interval as the source gives it, shape ``(T,)``; the tariff's ``price_series``
            rule turns it into a price per kWh. Required exactly where the tariff has such a rule.
        generation_kw: production behind the meter, shape ``(T,)`` [kW], at least 0; under buy-all-sell-all it is
            metered of its own (without it, export stands for generation).

    Returns:
        The bill; its notes name rules and assumptions that the figures rest on.

    Raises:
        DomainError: wrong shapes, values that are not finite, a price series missing or not expected.

    >>> from datetime import date, timedelta
    >>> from bothways.tariffs.structure import Amounts, EnergyTier
    >>> june = TimeGrid.for_days(date(2018, 6, 1), date(2018, 6, 30), timedelta(hours=1), "America/Denver")
    >>> flat = Tariff(energy=((EnergyTier(0.1),),), fixed=Amounts(per_month=10))
    >>> round(compute_bill(flat, june, np.ones(720)).total, 2)
    82.0
    """
    net = checked("net_load_kw", net_load_kw, grid)
    cal = calendar_of(tariff, grid)
    generation = None if generation_kw is None else cal.spread(checked("generation_kw", generation_kw, grid))
    if generation is not None and float(generation.min()) < 0.0:
        msg = "generation_kw must be at least 0"
        raise DomainError(msg)
    flows = metered(tariff, cal, cal.spread(net), generation)
    demand = demand_charges(tariff, grid, cal, cal.window_means(flows.import_kw), prior_peaks)
    series = checked_series(tariff, grid, cal, price_series)
    energy = energy_charges(tariff, cal, flows, demand.billed_kw, series)
    energy, surplus_notes = _surplus(tariff, energy, cal)
    fixed = amounts_by_month(tariff.fixed, cal)
    lines = _other_lines(tariff, cal, flows, demand)
    subtotal = energy.charge + energy.credit + demand.tou + demand.flat + fixed
    subtotal = subtotal + sum((amounts for _, amounts in lines), start=np.zeros(cal.months))
    top_up, minimum_note = minimum_top_up(tariff.minimum, cal, subtotal)
    if top_up.any():
        lines.append(("minimum charge", top_up))
    notes = (*demand.notes, *surplus_notes, *minimum_note, *_notes(tariff, grid, cal, flows, generation_kw is not None))
    return _assemble(tariff, cal, _Parts(flows, demand, energy, fixed, lines), notes)


@dataclass(frozen=True)
class _Parts:
    flows: Flows
    demand: Demand
    energy: EnergyCharges
    fixed: Floats
    lines: list[tuple[str, Floats]]


def _assemble(tariff: Tariff, cal: Calendar, parts: _Parts, notes: tuple[str, ...]) -> Bill:
    bought, sold = cal.by_month(parts.flows.import_kwh), cal.by_month(parts.flows.export_kwh)
    months = []
    for index, label in enumerate(cal.labels):
        lines = tuple(BillLine(name, float(amounts[index])) for name, amounts in parts.lines)
        energy, credit = float(parts.energy.charge[index]), float(parts.energy.credit[index])
        tou, flat = float(parts.demand.tou[index]), float(parts.demand.flat[index])
        fixed, other = float(parts.fixed[index]), sum(line.amount for line in lines)
        months.append(
            BillMonth(
                month=label,
                energy=energy,
                demand_tou=tou,
                demand_flat=flat,
                fixed=fixed,
                export_credit=credit,
                other=other,
                total=energy + tou + flat + fixed + credit + other,
                peak_kw=float(parts.demand.peak_kw[index]),
                billed_kw=float(parts.demand.billed_kw[index]),
                import_kwh=float(bought[index]),
                export_kwh=float(sold[index]),
                complete=bool(cal.complete[index]),
                lines=lines,
            )
        )
    return Bill(tariff.currency, sum(month.total for month in months), tuple(months), notes)


def checked(name: str, values: Floats, grid: TimeGrid) -> Floats:
    """Returns ``values`` if they are finite numbers, one for each interval; raises :class:`DomainError` if not."""
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (grid.periods,):
        msg = f"{name} must have the shape ({grid.periods},) of its grid, not {array.shape}"
        raise DomainError(msg)
    if not np.isfinite(array).all():
        msg = f"{name} holds {int(np.count_nonzero(~np.isfinite(array)))} value(s) that are not finite"
        raise DomainError(msg)
    return array


def checked_series(
    tariff: Tariff, grid: TimeGrid, cal: Calendar, price_series: Floats | None
) -> tuple[Floats, Floats] | None:
    """Import and export price out of the price series, on the calendar's grid; ``None`` where there is no rule."""
    if (tariff.price_series is None) != (price_series is None):
        msg = (
            "the tariff has a price series rule, so a price series is needed"
            if price_series is None
            else "a price series is given, but the tariff has no rule for one (price_series in its extension object)"
        )
        raise DomainError(msg)
    if tariff.price_series is None or price_series is None:
        return None
    return series_prices(tariff.price_series, cal.spread(checked("price_series", price_series, grid)))


def amounts_by_month(amounts: Amounts, cal: Calendar) -> Floats:
    """Amounts of each month [currency], shape ``(M,)``: whole months, days with data, a twelfth of a year."""
    monthly = amounts.per_month + amounts.per_year / _YEAR
    return np.asarray(monthly + amounts.per_day * cal.days, dtype=np.float64)


def _surplus(tariff: Tariff, energy: EnergyCharges, cal: Calendar) -> tuple[EnergyCharges, list[str]]:
    """Applies the rule for credit beyond the month's energy charge."""
    beyond = np.maximum(-energy.credit - np.maximum(energy.charge, 0.0), 0.0)
    if not (beyond > _CENT).any():
        return energy, []
    months = ", ".join(label for label, over in zip(cal.labels, beyond > _CENT, strict=True) if over)
    if tariff.surplus is Surplus.PAID:
        return energy, [f"export credit beyond the month's energy charge is paid out: {months}"]
    if tariff.surplus is Surplus.LOST:
        return EnergyCharges(energy.charge, energy.credit + beyond), [
            f"export credit beyond the month's energy charge is lost ({float(beyond.sum()):.2f}): {months}"
        ]
    credit, carried = np.zeros(cal.months), 0.0
    for month in range(cal.months):
        carried -= float(energy.credit[month])
        used = min(carried, max(float(energy.charge[month]), 0.0)) if carried > 0.0 else carried
        credit[month], carried = -used, carried - used
    return EnergyCharges(energy.charge, credit), [
        f"export credit beyond the month's energy charge is carried over: {months}; {carried:.2f} is left at the end"
    ]


def _other_lines(tariff: Tariff, cal: Calendar, flows: Flows, demand: Demand) -> list[tuple[str, Floats]]:
    lines: list[tuple[str, Floats]] = []
    if tariff.coincident.periods or tariff.coincident_windows:
        lines.append(("coincident peak", demand.coincident))
    for direction, capacity, power in (
        ("import", tariff.contracted_import, flows.import_kw), ("export", tariff.contracted_export, flows.export_kw),
    ):  # fmt: skip
        if capacity is not None:
            lines.extend(_capacity_lines(direction, capacity, cal, cal.window_means(power)))
    bought, sold = cal.by_month(flows.import_kwh), cal.by_month(flows.export_kwh)
    for levy in tariff.levies:
        lines.extend(levy_lines(levy, bought, sold))
    return lines


def _capacity_lines(
    direction: str, capacity: ContractedCapacity, cal: Calendar, demand_kw: Floats
) -> list[tuple[str, Floats]]:
    lines = [
        (
            f"contracted {direction} capacity",
            capacity.kw * (capacity.per_kw_day * cal.days + capacity.per_kw_month),
        )
    ]
    if capacity.excess_per_kw or capacity.excess_per_kwh:
        excess = np.maximum(demand_kw - capacity.kw, 0.0)
        peak = np.maximum.reduceat(excess, cal.month_starts)
        energy = cal.by_month(excess) * cal.grid.step_h
        lines.append(
            (f"excess of {direction} capacity", capacity.excess_per_kw * peak + capacity.excess_per_kwh * energy)
        )
    return lines


def levy_lines(levy: Levy, bought_kwh: Floats, sold_kwh: Floats) -> list[tuple[str, Floats]]:
    """A levy's lines: on import, and on re-export (or the refund where re-export is exempt), shape ``(M,)``."""
    lines = [(f"{levy.name} on import", levy.import_per_kwh * bought_kwh)]
    if levy.exempt:
        if levy.import_per_kwh:
            refund = -levy.import_per_kwh * np.minimum(sold_kwh, bought_kwh)
            lines.append((f"{levy.name}: refund on re-export", refund))
    elif levy.export_per_kwh:
        lines.append((f"{levy.name} on re-export", levy.export_per_kwh * sold_kwh))
    return lines


def minimum_top_up(minimum: Amounts, cal: Calendar, subtotal: Floats) -> tuple[Floats, list[str]]:
    """What is added to reach the minimum charges, shape ``(M,)``.

    The month's minimum stands against the month's total of everything else (as in SAM); the year's minimum against
    the total of each 12 months from the first, booked in the last of them.
    """
    least = minimum.per_month + minimum.per_day * cal.days
    top_up = np.maximum(least - subtotal, 0.0) if minimum.per_month or minimum.per_day else np.zeros(cal.months)
    notes = []
    if minimum.per_year:
        for last in range(_YEAR - 1, cal.months, _YEAR):
            year = slice(last - _YEAR + 1, last + 1)
            top_up[last] += max(minimum.per_year - float((subtotal + top_up)[year].sum()), 0.0)
        if cal.months % _YEAR:
            left = f"{cal.labels[cal.months - cal.months % _YEAR]} to {cal.labels[-1]}"
            notes.append(f"the yearly minimum charge is not assessed for {left}: fewer than 12 months")
    return top_up, notes


def _notes(tariff: Tariff, grid: TimeGrid, cal: Calendar, flows: Flows, separate_meter: bool) -> list[str]:
    notes = []
    partial = [label for label, whole in zip(cal.labels, cal.complete, strict=True) if not whole]
    if partial:
        notes.append(
            f"the load covers only a part of {', '.join(partial)}: monthly charges are in full, daily ones by day"
        )
    charged = bool(tariff.flat_demand.periods or tariff.tou_demand.periods or tariff.coincident.periods)
    if charged and tariff.demand_window_minutes is None and grid.step_s < cal.window_minutes * 60:
        notes.append(f"the tariff states no demand window: demand is the mean over {cal.window_minutes:g} min")
    if charged and tariff.demand_window_minutes is not None and cal.window_minutes > tariff.demand_window_minutes:
        notes.append(
            f"the load's step of {cal.window_minutes:g} min is longer than the demand window of "
            f"{tariff.demand_window_minutes} min: peaks within it are not seen"
        )
    if flows.export_kwh.any():
        notes.extend(_export_notes(tariff, separate_meter))
    begin, end = tariff.valid
    if (begin is not None and cal.grid.start < begin) or (end is not None and cal.grid.end > end):
        span = " to ".join("…" if moment is None else f"{moment:%Y-%m-%d}" for moment in tariff.valid)
        notes.append(f"the load lies (partly) outside the tariff's validity, {span}")
    return notes


def _export_notes(tariff: Tariff, separate_meter: bool) -> list[str]:
    notes = []
    if not tariff.export_allowed:
        notes.append("the tariff does not allow export, but the load exports")
    if tariff.metering is Metering.BUY_ALL_SELL_ALL and not separate_meter:
        notes.append("buy all, sell all without a generation meter: export stands for generation")
    earns = any(tier.sell for tiers in tariff.energy for tier in tiers)
    by_series = tariff.price_series is not None and tariff.price_series.export_factor is not None
    if tariff.metering is not Metering.NET_METERING and not earns and not by_series:
        notes.append("the tariff names no price for export (sell): export earns 0")
    return notes
