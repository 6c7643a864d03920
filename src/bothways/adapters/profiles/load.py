"""Building loads from the German standard load profiles (BDEW), placed on the site's own local calendar."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from datetime import date, timedelta

import holidays as holiday_calendars
import numpy as np
from numpy.typing import NDArray

from bothways.adapters.profiles.tables import NEW_DAYS, classic_table, new_table
from bothways.domain.errors import Problems
from bothways.domain.timegrid import LocalFields, TimeGrid

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

QUARTER_S = 900

PROFILES: dict[str, str] = {
    "h0": "household, one seasonal step (1999)",
    "h0_dyn": "household with the dynamic factor of the day of the year (1999)",
    "g0": "business in general (1999)",
    "g1": "business on weekdays 8-18 h, such as an office (1999)",
    "g2": "business with its use mostly in the evening (1999)",
    "g3": "business running through (1999)",
    "g4": "shop or hairdresser (1999)",
    "g5": "bakery with an oven (1999)",
    "g6": "business at weekends (1999)",
    "l0": "farm in general (1999)",
    "l1": "farm with milk production (1999)",
    "l2": "other farm (1999)",
    "h25": "household (2025)",
    "g25": "business (2025)",
    "l25": "farm (2025)",
    "p25": "household behind photovoltaics, as seen by the meter (2025)",
    "s25": "household behind photovoltaics and a battery, as seen by the meter (2025)",
}
"""Known profiles. 1999: VDEW, Repräsentative Lastprofile, M-28/99; 2025: BDEW, Standardlastprofile Strom."""

_DYNAMIC = {"h0_dyn", "h25", "p25", "s25"}


def standard_load_kw(
    grid: TimeGrid,
    profile: str,
    *,
    annual_kwh: float | None = None,
    peak_kw: float | None = None,
    holidays: str | None = None,
) -> Floats:
    """Mean load per interval of a standard load profile.

    The profile is looked up by local wall-clock time: the hour that is skipped in spring is left out, the hour that is
    repeated in autumn comes twice. It is scaled so that every whole local calendar year that the grid touches holds
    ``annual_kwh``, or has ``peak_kw`` as its greatest quarter hour; a grid of one month therefore holds that month's
    share. Public holidays are Sundays. A standard profile is the mean of many customers: it is smoother than any
    single building, and its seasons are Germany's.

    Args:
        grid: the intervals; its zone is the building's.
        profile: a key of :data:`PROFILES`, in any case.
        annual_kwh: energy of a calendar year [kWh].
        peak_kw: greatest quarter hour of a calendar year [kW].
        holidays: country, or country and subdivision, of the public holidays: ``NL``, ``US-CA``; ``None`` for none.

    Returns:
        Load [kW], shape ``(T,)``.

    Raises:
        InputError: unknown profile or country, not exactly one of ``annual_kwh`` and ``peak_kw``, or demandlib is
            not installed.
    """
    key = _checked(profile, annual_kwh, peak_kw)
    fine = math.gcd(grid.step_s, QUARTER_S, grid.start_s % QUARTER_S)
    per_interval = grid.step_s // fine
    samples = TimeGrid(grid.start, timedelta(seconds=fine), grid.periods * per_interval, grid.tz)
    years = np.unique(samples.local.year)
    days_off = _holidays(holidays, (int(year) for year in years))
    power = _shape(key, samples.local, days_off)
    for year in years:
        whole = TimeGrid.for_days(date(year, 1, 1), date(year, 12, 31), timedelta(seconds=QUARTER_S), grid.tz)
        reference = _shape(key, whole.local, days_off)
        factor = annual_kwh / (reference.sum() * whole.step_h) if annual_kwh is not None else None
        if peak_kw is not None:
            factor = peak_kw / reference.max()
        power[samples.local.year == year] *= factor
    return np.asarray(power.reshape(grid.periods, per_interval).mean(axis=1), dtype=np.float64)


def describe_load(
    profile: str, *, annual_kwh: float | None = None, peak_kw: float | None = None, holidays: str | None = None
) -> str:
    """The sentence that a report prints for a standard load.

    >>> describe_load("G1", peak_kw=150, holidays="US-CA")
    'BDEW standard load profile G1 (business on weekdays 8-18 h, such as an office (1999)) as stand-in, scaled to \
150 kW peak; holidays of US-CA as Sundays'

    Raises:
        InputError: as :func:`standard_load_kw`.
    """
    key = _checked(profile, annual_kwh, peak_kw)
    scale = f"{annual_kwh:g} kWh a year" if annual_kwh is not None else f"{peak_kw:g} kW peak"
    days = f"holidays of {holidays} as Sundays" if holidays else "no public holidays"
    return f"BDEW standard load profile {key.upper()} ({PROFILES[key]}) as stand-in, scaled to {scale}; {days}"


def _checked(profile: str, annual_kwh: float | None, peak_kw: float | None) -> str:
    problems = Problems(at="standard load")
    key = profile.lower().replace("-", "_")
    if key not in PROFILES:
        near = difflib.get_close_matches(key, PROFILES, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else "Choose one, or give the load as a file."
        problems.add("profile", profile, ", ".join(PROFILES), hint)
    if (annual_kwh is None) == (peak_kw is None):
        found = "neither" if annual_kwh is None else "both"
        problems.add("annual_kwh, peak_kw", found, "exactly one of the two", "Give the energy of a year or the peak.")
    for name, value, greatest in (("annual_kwh", annual_kwh, 1e9), ("peak_kw", peak_kw, 1e6)):
        if value is not None and not (math.isfinite(value) and 0.0 <= value <= greatest):
            problems.add(name, value, f"0…{greatest:g}", "Give kWh and kW, not Wh and W.")
    problems.raise_if_any()
    return key


def _holidays(country: str | None, years: Iterable[int]) -> Ints:
    if country is None:
        return np.empty(0, dtype=np.int64)
    name, _, subdivision = country.partition("-")
    try:
        days = holiday_calendars.country_holidays(name, subdiv=subdivision or None, years=list(years))
    except NotImplementedError as error:
        problems = Problems(at="standard load")
        problems.add("holidays", country, "a country code such as 'NL', or 'US-CA' with its subdivision", str(error))
        problems.raise_if_any()
    return np.array(sorted(day.toordinal() for day in days), dtype=np.int64)


def _shape(key: str, local: LocalFields, days_off: Ints) -> Floats:
    """Unscaled power at each sample, shape of ``local``."""
    quarter = local.hour * 4 + local.minute // 15
    weekday = np.where(np.isin(local.date_ordinal, days_off), 6, local.weekday)
    if key.endswith("25"):
        kind = np.select([weekday == 6, weekday == 5], [NEW_DAYS.index("FT"), NEW_DAYS.index("SA")], 0)
        power = new_table(key)[local.month - 1, kind, quarter]
    else:
        power = classic_table(key.removesuffix("_dyn"))[_season(local), weekday, quarter]
    factor = _dynamic_factor(local) if key in _DYNAMIC else 1.0
    return np.asarray(power * factor, dtype=np.float64)


def _season(local: LocalFields) -> Ints:
    """0 winter (1 November to 20 March), 1 summer (15 May to 14 September), 2 transition."""
    day = local.month * 100 + local.day
    winter = (day >= 1101) | (day <= 320)
    summer = (day >= 515) & (day <= 914)
    return np.select([winter, summer], [0, 1], 2)


def _dynamic_factor(local: LocalFields) -> Floats:
    """Factor of the day of the year for households (VDEW M-28/99, kept by BDEW in 2025)."""
    first = (local.year - 1).astype(np.int64)
    new_year = first * 365 + first // 4 - first // 100 + first // 400  # ordinal of 31 December before
    t = (local.date_ordinal - new_year).astype(np.float64)
    return np.asarray(-3.92e-10 * t**4 + 3.2e-7 * t**3 - 7.02e-5 * t**2 + 2.1e-3 * t + 1.24, dtype=np.float64)
