"""What lies behind a meter: tariff, prices, building load, photovoltaics, stationary battery."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bothways.adapters.files.reading import read_json
from bothways.adapters.files.series import Series, resample
from bothways.app.study.columns import load_column, read_column
from bothways.domain.errors import InputError, Problems
from bothways.domain.timegrid import TimeGrid
from bothways.economics.wear import lifetime_throughput_kwh, wear_price_per_kwh
from bothways.studies.beliefs import Forecast, PriceBelief, published_until
from bothways.studies.inputs import Assumption, Case, Limits, StationaryBattery
from bothways.studies.scenario import BatteryPart, CasePart, LoadPart, PricesPart, PvPart, Scenario
from bothways.tariffs.plausibility import doubtful_series
from bothways.tariffs.prices import PlanningPrices, planning_prices
from bothways.tariffs.urdb import tariff_from_urdb

Floats = NDArray[np.float64]

_HISTORY_DAYS = 7
_MAX_POWER_KW = 1e5
_MAX_PRICE = 100.0


@dataclass(frozen=True)
class LoadedCase:
    """A case with what the report must say about it."""

    case: Case
    assumptions: tuple[Assumption, ...]
    warnings: tuple[str, ...]


def load_case(part: CasePart, scenario: Scenario, grid: TimeGrid, folder: Path) -> LoadedCase:
    """Loads one case.

    Raises:
        InputError: with the problems of all its files.
    """
    path = folder / part.tariff
    imported = tariff_from_urdb(read_json(path), name_of_source=path.name)
    warnings = [f"{path.name}: {text}" for text in imported.warnings]
    series = None
    if part.prices is not None:
        column = load_column(part.prices, grid, folder, (-_MAX_PRICE, _MAX_PRICE), "price [currency/kWh]")
        series = column.values
        warnings += [*column.warnings, *doubtful_series(imported.tariff, column.values)]
    seen = planning_prices(imported.tariff, grid, price_series=series)
    warnings += seen.notes
    load, load_said, load_warned = _load(part.load, grid, folder)
    pv, pv_said, pv_warned = _pv(part.pv, grid, folder)
    said = [*load_said, *pv_said, *_price_said(part.prices)]
    if part.battery is not None:
        said.append(_battery_said(part.battery, scenario.study.currency))
    known = None
    if part.prices is not None and part.prices.publish_hour is not None:
        known = published_until(grid, part.prices.publish_hour)
    case = Case(
        name=part.name,
        description=part.description,
        tariff=imported.tariff,
        tariff_prices=series,
        limits=_limits(part, seen),
        load=load,
        pv=pv,
        battery=_battery(part.battery),
        import_price=PriceBelief(seen.import_per_kwh, known, grid.step_s),
        export_price=PriceBelief(seen.export_per_kwh, known, grid.step_s),
        demand=seen.demand,
    )
    _check_hard_limit(part, case)
    named = tuple(Assumption(f"{part.name}: {item.name}", item.value, item.source) for item in said)
    return LoadedCase(case, named, (*warnings, *load_warned, *pv_warned))


def _check_hard_limit(part: CasePart, case: Case) -> None:
    """Refuses a safety limit that the building alone breaks and nothing but vehicles could hold."""
    highest = float(case.base_kw.max())
    if case.battery is None and highest > case.limits.import_hard_limit_kw:
        problems = Problems(at=f"case {part.name!r}")
        problems.add(
            "import_hard_limit_kw", case.limits.import_hard_limit_kw, f"at least the building's own {highest:.1f} kW",
            "Raise the limit, or add a stationary battery: vehicles may be away when the building peaks.",
        )  # fmt: skip
        problems.raise_if_any()


def _limits(part: CasePart, seen: PlanningPrices) -> Limits:
    """The scenario's safety and export limits, and the tariff's contracted capacity, which its bill charges."""
    return Limits(
        import_limit_kw=seen.import_limit_kw,
        import_limit_penalty_per_kwh=seen.import_limit_penalty_per_kwh,
        import_hard_limit_kw=math.inf if part.import_hard_limit_kw is None else part.import_hard_limit_kw,
        export_limit_kw=min(part.export_limit_kw, seen.export_limit_kw),
    )


def _before(grid: TimeGrid) -> TimeGrid:
    """The grid with a week of history in front, from which forecasts by persistence can draw."""
    steps = _HISTORY_DAYS * 86_400 // grid.step_s
    return TimeGrid(grid.start - timedelta(days=_HISTORY_DAYS), grid.step, grid.periods + steps, grid.tz)


def _load(part: LoadPart | None, grid: TimeGrid, folder: Path) -> tuple[Forecast, list[Assumption], tuple[str, ...]]:
    from bothways.adapters.profiles.load import describe_load, standard_load_kw  # noqa: PLC0415

    if part is None:
        nothing = np.zeros(grid.periods)
        return Forecast(nothing, "known", grid.step_s, np.zeros(0)), [], ()
    if part.series is not None:
        series = read_column(part.series, folder, grid.tz, (-_MAX_POWER_KW, _MAX_POWER_KW), "load [kW]")
        values = resample(series, grid)
        forecast = Forecast(values.values, part.forecast, grid.step_s, _history(series, grid))
        return forecast, [Assumption("building load", "measured", part.series.source)], values.warnings
    assert part.profile is not None  # noqa: S101  (the scenario's own check)
    power = standard_load_kw(
        _before(grid), part.profile, annual_kwh=part.annual_kwh, peak_kw=part.peak_kw, holidays=part.holidays
    )
    first = power.shape[0] - grid.periods
    said = describe_load(part.profile, annual_kwh=part.annual_kwh, peak_kw=part.peak_kw, holidays=part.holidays)
    found = [Assumption("building load", said, "BDEW via demandlib"), _forecast_said("load", part.forecast)]
    return Forecast(power[first:], part.forecast, grid.step_s, power[:first]), found, ()


def _history(series: Series, grid: TimeGrid) -> Floats:
    """Values of the week before the study, as far as the file has them."""
    for days in range(_HISTORY_DAYS, 0, -1):
        steps = days * 86_400 // grid.step_s
        before = TimeGrid(grid.start - timedelta(days=days), grid.step, steps, grid.tz)
        try:
            return resample(series, before).values
        except InputError:
            continue
    return np.zeros(0)


def _pv(part: PvPart | None, grid: TimeGrid, folder: Path) -> tuple[Forecast, list[Assumption], tuple[str, ...]]:
    from bothways.adapters.profiles.pv import describe_pv, pv_power_kw  # noqa: PLC0415

    if part is None:
        return Forecast(np.zeros(grid.periods), "known", grid.step_s, np.zeros(0)), [], ()
    if part.series is not None:
        series = read_column(part.series, folder, grid.tz, (0.0, _MAX_POWER_KW), "production [kW]")
        values = resample(series, grid)
        forecast = Forecast(values.values, part.forecast, grid.step_s, _history(series, grid))
        return forecast, [Assumption("PV", "measured", part.series.source)], values.warnings
    assert part.peak_kw is not None  # noqa: S101  (the scenario's own checks)
    assert part.latitude is not None  # noqa: S101
    assert part.longitude is not None  # noqa: S101
    power = pv_power_kw(
        _before(grid),
        latitude=part.latitude,
        longitude=part.longitude,
        tilt_deg=part.tilt_deg,
        azimuth_deg=part.azimuth_deg,
        peak_kw=part.peak_kw,
        clearness=part.clearness,
    )
    first = power.shape[0] - grid.periods
    said = describe_pv(
        peak_kw=part.peak_kw,
        tilt_deg=part.tilt_deg,
        azimuth_deg=part.azimuth_deg,
        clearness_source=part.clearness_source,
    )
    found = [Assumption("PV", said, part.clearness_source), _forecast_said("PV", part.forecast)]
    return Forecast(power[first:], part.forecast, grid.step_s, power[:first]), found, ()


def _forecast_said(what: str, method: str) -> Assumption:
    return Assumption(f"forecast of {what}", method.replace("-", " "), "scenario")


def _price_said(part: PricesPart | None) -> list[Assumption]:
    if part is None:
        return []
    when = "known throughout" if part.publish_hour is None else f"published for the next day at {part.publish_hour}:00"
    later = "" if part.publish_hour is None else "; later hours are taken as on the latest published day"
    return [Assumption("prices", f"{when}{later}", part.source)]


def _battery(part: BatteryPart | None) -> StationaryBattery | None:
    if part is None:
        return None
    return StationaryBattery(
        capacity_kwh=part.capacity_kwh,
        power_kw=part.power_kw,
        eta_c=part.charge_efficiency,
        eta_d=part.discharge_efficiency,
        wear_per_kwh=_battery_wear(part),
        hold=part.hold,
        health=part.soh,
        cell=part.cell,
        price=part.price_per_kwh * part.capacity_kwh,
        remaining_cycles=math.inf if part.remaining_cycles is None else part.remaining_cycles,
        source=part.source,
    )


def _battery_wear(part: BatteryPart) -> float:
    """What was given, or the price spread over what the remaining cycles deliver through the converter."""
    if part.remaining_cycles is None:
        return part.wear_per_kwh or 0.0
    delivered = lifetime_throughput_kwh(part.capacity_kwh, part.remaining_cycles) * part.discharge_efficiency
    return wear_price_per_kwh(part.price_per_kwh * part.capacity_kwh, 0.0, delivered)


def _battery_said(part: BatteryPart, currency: str) -> Assumption:
    wear = f"wear {_battery_wear(part):.3g} {currency}/kWh"
    text = (
        f"{part.capacity_kwh:g} kWh, {part.power_kw:g} kW, efficiencies {part.charge_efficiency:g} and "
        f"{part.discharge_efficiency:g}, {wear}, every plan ends at {part.hold:.0%}"
    )
    if part.soh < 1.0:
        text += f"; {part.soh:.0%} of its capacity when new"
    if part.price_per_kwh > 0.0:
        text += f"; bought at {part.price_per_kwh:g} {currency}/kWh, so uncontrolled charging is without it"
    if part.remaining_cycles is not None:
        text += f"; {part.remaining_cycles:g} full cycles left, over which the price is spread as wear"
    return Assumption("stationary battery", text, part.source)
