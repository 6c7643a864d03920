"""Photovoltaic production from a clear sky and a named monthly clearness (pvlib)."""

from __future__ import annotations

import calendar
import math
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

import numpy as np
from numpy.typing import NDArray

from bothways.adapters.profiles.optional import load
from bothways.adapters.profiles.sun import LONGEST_SAMPLE_S, ClearSky
from bothways.domain.errors import Problems
from bothways.domain.timegrid import TimeGrid

Floats = NDArray[np.float64]

TEMPERATURE_COEFFICIENT_PER_K = -0.004
"""Change of crystalline silicon's power per kelvin (PVWatts 5, Dobos 2014, NREL/TP-6A20-62641: -0.0047…-0.0035)."""

WIND_M_S = 1.0
"""Wind at the modules [m/s], low on purpose: roofs shelter."""

CLEARNESS_NETHERLANDS: tuple[float, ...] = (
    0.552, 0.658, 0.495, 0.609, 0.636, 0.646, 0.667, 0.667, 0.611, 0.627, 0.522, 0.535,
)  # fmt: skip
"""Monthly clearness of the Netherlands, January to December, for ``linke_turbidity`` 3 at De Bilt.

The shape over the year is that of the test reference year 2010 of Deutscher Wetterdienst, region 5 (Essen), which
borders the Netherlands; the level is the Dutch long-term mean of 3 650 MJ/m² a year on the horizontal (KNMI).
"""


def pv_power_kw(
    grid: TimeGrid,
    *,
    latitude: float,
    longitude: float,
    tilt_deg: float,
    azimuth_deg: float,
    peak_kw: float,
    clearness: float | Sequence[float],
    losses: float = 0.14,
    ambient_temp_c: float | Sequence[float] = 12.0,
    altitude_m: float = 0.0,
    linke_turbidity: float = 3.0,
) -> Floats:
    """Mean production per interval of a fixed array under an average sky.

    The horizontal clear-sky irradiance (Ineichen and Perez 2002, doi:10.1016/S0038-092X(02)00045-2) times the
    month's clearness is split into beam and diffuse (Erbs, Klein and Duffie 1982, doi:10.1016/0038-092X(82)90302-4),
    turned to the array's plane (Hay and Davies 1980), reduced by reflection of the beam, and converted with a linear
    temperature coefficient (Faiman 2008, doi:10.1002/pip.813) and constant losses.

    Every day of a month has the same sky: sums per month are realistic, single days are not. Clouds that come and go
    make real production spikier. Against hour-by-hour weather the yearly sum comes out low, because a constant grey
    sky has more diffuse light than sun and cloud in turn: by 2 % at 36° N, 4 % at 51° N and 12 % at 55° N (the typical
    years of Greensboro, Essen and Sand Point; the tests repeat the first and the last).

    Args:
        grid: the intervals; the zone of the grid decides where a month begins.
        latitude: degrees, north positive.
        longitude: degrees, east positive.
        tilt_deg: angle from the horizontal, 0…90.
        azimuth_deg: compass direction the array faces, 180 is south.
        peak_kw: rated power under standard test conditions [kW].
        clearness: horizontal irradiation as a share of that of a clear sky, 0…1; one value or twelve by month.
        losses: share lost in inverter, cables, dirt and mismatch, 0…1 (0.14 is PVGIS's default).
        ambient_temp_c: mean daytime air temperature [°C]; one value or twelve by month.
        altitude_m: height above the sea [m].
        linke_turbidity: haze of the clear sky; 2 very clear, 3 temperate, 5 hazy.

    Returns:
        Production [kW], shape ``(T,)``, never negative, 0 at night.

    Raises:
        InputError: a value lies outside its range (all are named), or pvlib is not installed.
    """
    problems = Problems(at="PV")
    place = _Place(latitude, longitude, altitude_m, linke_turbidity)
    place.check(problems)
    _within(problems, "tilt_deg", tilt_deg, 0.0, 90.0, "degrees from the horizontal")
    _within(problems, "azimuth_deg", azimuth_deg, 0.0, 360.0, "degrees, 180 is south")
    _within(problems, "peak_kw", peak_kw, 0.0, 1e6, "kW")
    _within(problems, "losses", losses, 0.0, 1.0, "a share")
    by_month = _twelve(problems, "clearness", clearness, 0.0, 1.0, "shares of a clear sky")
    air_c = _twelve(problems, "ambient_temp_c", ambient_temp_c, -60.0, 60.0, "°C")
    problems.raise_if_any()

    sky = place.sky(grid)
    month = np.repeat(grid.local.month, sky.per_interval) - 1
    plane = sky.in_plane_w_m2(sky.horizontal_w_m2 * by_month[month], tilt_deg=tilt_deg, azimuth_deg=azimuth_deg)
    share = _share_of_peak(plane, air_c[month]).reshape(grid.periods, sky.per_interval).mean(axis=1)
    return np.asarray(peak_kw * (1.0 - losses) * share, dtype=np.float64)


def _share_of_peak(plane_w_m2: Floats, air_c: Floats) -> Floats:
    """Power before losses as a share of the rated power: irradiance over 1000 W/m², less for a hot cell."""
    faiman = load("pvlib.temperature", needed_for="computed PV").faiman
    cell_c = np.asarray(faiman(plane_w_m2, air_c, WIND_M_S), dtype=np.float64)
    return np.maximum(plane_w_m2 / 1000.0 * (1.0 + TEMPERATURE_COEFFICIENT_PER_K * (cell_c - 25.0)), 0.0)


def describe_pv(*, peak_kw: float, tilt_deg: float, azimuth_deg: float, clearness_source: str) -> str:
    """The sentence that a report prints for computed PV.

    >>> describe_pv(peak_kw=4, tilt_deg=35, azimuth_deg=180, clearness_source="KNMI")
    'PV of 4 kW peak, tilt 35°, azimuth 180°: clear sky (Ineichen) times a monthly clearness (KNMI); no weather'
    """
    return (
        f"PV of {peak_kw:g} kW peak, tilt {tilt_deg:g}°, azimuth {azimuth_deg:g}°: "
        f"clear sky (Ineichen) times a monthly clearness ({clearness_source}); no weather"
    )


def clearness_from_irradiation(
    monthly_kwh_per_m2: Sequence[float],
    *,
    latitude: float,
    longitude: float,
    altitude_m: float = 0.0,
    linke_turbidity: float = 3.0,
    year: int = 2023,
) -> tuple[float, ...]:
    """Turns published monthly irradiation into the clearness that :func:`pv_power_kw` takes.

    Args:
        monthly_kwh_per_m2: global irradiation on the horizontal per month, January first [kWh/m²].
        latitude: degrees, north positive.
        longitude: degrees, east positive.
        altitude_m: height above the sea [m].
        linke_turbidity: the one that is used with the result.
        year: calendar year, for the length of February.

    Returns:
        Twelve shares of a clear sky, 0…1.

    Raises:
        InputError: not twelve values, a value that is negative or above a clear sky, or pvlib is not installed.
    """
    problems = Problems(at="monthly_kwh_per_m2")
    place = _Place(latitude, longitude, altitude_m, linke_turbidity)
    place.check(problems)
    if len(monthly_kwh_per_m2) != 12:
        problems.add("", f"{len(monthly_kwh_per_m2)} values", "twelve values", "Give one value per month.")
    problems.raise_if_any()
    shares: list[float] = []
    for month, measured in enumerate(monthly_kwh_per_m2, start=1):
        clear = place.clear_month_kwh_per_m2(year, month)
        _within(problems, f"month {month}", measured, 0.0, clear, "kWh/m², at most the clear sky of that month")
        shares.append(measured / clear)
    problems.raise_if_any()
    return tuple(shares)


class _Place:
    """Where the array stands, and how hazy its clear sky is."""

    def __init__(self, latitude: float, longitude: float, altitude_m: float, linke_turbidity: float) -> None:
        self.latitude, self.longitude = latitude, longitude
        self.altitude_m, self.linke_turbidity = altitude_m, linke_turbidity

    def check(self, problems: Problems) -> None:
        """Notes every value outside its range."""
        _within(problems, "latitude", self.latitude, -66.0, 66.0, "degrees; the sun must rise every day")
        _within(problems, "longitude", self.longitude, -180.0, 180.0, "degrees")
        _within(problems, "altitude_m", self.altitude_m, -430.0, 6000.0, "m")
        _within(problems, "linke_turbidity", self.linke_turbidity, 1.0, 10.0, "a Linke turbidity")

    def sky(self, grid: TimeGrid) -> ClearSky:
        """The clear sky over this place."""
        return ClearSky(
            grid,
            latitude=self.latitude,
            longitude=self.longitude,
            altitude_m=self.altitude_m,
            linke_turbidity=self.linke_turbidity,
        )

    def clear_month_kwh_per_m2(self, year: int, month: int) -> float:
        """Irradiation of a cloudless month on the horizontal [kWh/m²]; its days are days of solar time."""
        solar = timezone(timedelta(hours=round(self.longitude / 15.0)))
        days = calendar.monthrange(year, month)[1]
        step = timedelta(seconds=LONGEST_SAMPLE_S)
        grid = TimeGrid(datetime(year, month, 1, tzinfo=solar), step, timedelta(days=days) // step)
        return float(self.sky(grid).horizontal_w_m2.sum()) * grid.step_h / 1000.0


def _within(problems: Problems, name: str, value: float, low: float, high: float, unit: str) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        problems.add(name, value, f"{low:g}…{high:g} ({unit})", "Correct the value.")


def _twelve(
    problems: Problems, name: str, value: float | Sequence[float], low: float, high: float, unit: str
) -> Floats:
    values = np.full(12, value, dtype=np.float64) if isinstance(value, int | float) else np.asarray(value, dtype=float)
    if values.shape != (12,):
        problems.add(name, f"{values.size} values", "one value, or twelve by month", "Give January first.")
        return np.zeros(12)
    for month, item in enumerate(values, start=1):
        _within(problems, f"{name}, month {month}", float(item), low, high, unit)
    return values
