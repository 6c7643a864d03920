"""Photovoltaics: published Dutch yields, hour-by-hour weather as an independent check, nights, days of 23 and 25 h."""

import importlib
import sys
import warnings
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from bothways.adapters.profiles.pv import (
    CLEARNESS_NETHERLANDS,
    clearness_from_irradiation,
    describe_pv,
    pv_power_kw,
)
from bothways.domain.errors import InputError
from bothways.domain.timegrid import TimeGrid

DE_BILT = {"latitude": 52.10, "longitude": 5.18}
SOUTH = {"tilt_deg": 35.0, "azimuth_deg": 180.0}
AMSTERDAM = "Europe/Amsterdam"


def days(first: date, last: date, minutes: int = 15, tz: str = AMSTERDAM) -> TimeGrid:
    return TimeGrid.for_days(first, last, timedelta(minutes=minutes), tz)


def dutch(grid: TimeGrid, peak_kw: float = 1.0, **changes: float) -> np.ndarray:
    return pv_power_kw(grid, peak_kw=peak_kw, clearness=CLEARNESS_NETHERLANDS, **{**DE_BILT, **SOUTH, **changes})


def essen_monthly_kwh_per_m2() -> np.ndarray:
    """Global irradiation per month of the test reference year 2010, region 5, that demandlib carries."""
    folder = Path(importlib.util.find_spec("demandlib").origin).parent / "vdi" / "resources_weather"
    table = (folder / "TRY2010_05_Jahr.dat").read_text(encoding="latin-1").split("***")[1]
    rows = [line.split() for line in table.strip().splitlines()]
    month = np.array([int(row[2]) for row in rows])
    beam_and_diffuse = np.array([float(row[13]) + float(row[14]) for row in rows])
    return np.array([beam_and_diffuse[month == m].sum() / 1000.0 for m in range(1, 13)])


def test_yield_of_a_dutch_roof_lies_in_the_published_band() -> None:
    """877…946 kWh/kWp in 2016, 838…899 in 2017 (Laevens and others 2020); 875 as official figure (van Sark 2014)."""
    power = dutch(days(date(2024, 1, 1), date(2024, 12, 31)))
    assert 860.0 < power.sum() * 0.25 < 946.0
    assert power.max() < 0.86  # never above rated power less losses


def test_dutch_clearness_has_the_shape_of_essen_and_the_level_of_the_netherlands() -> None:
    essen = essen_monthly_kwh_per_m2()
    shape = np.array(clearness_from_irradiation(essen, latitude=51.4, longitude=6.967, altitude_m=152.0))
    ratio = np.array(CLEARNESS_NETHERLANDS) / shape
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=2e-3)
    clear = np.array([1.0 / c for c in clearness_from_irradiation(np.ones(12), **DE_BILT)])  # kWh/m² per month
    assert float(clear @ np.array(CLEARNESS_NETHERLANDS)) == pytest.approx(3650.0 / 3.6, rel=2e-3)


@pytest.mark.parametrize(
    ("file", "lowest"), [("723170TYA.CSV", -0.03), ("703165TY.csv", -0.13)], ids=["Greensboro 36 N", "Sand Point 55 N"]
)
def test_yearly_sum_against_hourly_weather(file: str, lowest: float) -> None:
    """The same array fed with a typical year's measured sun and cloud, hour by hour, with pvlib alone."""
    pvlib = importlib.import_module("pvlib")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        iotools = importlib.import_module("pvlib.iotools")
        path = Path(pvlib.__file__).parent / "data" / file
        weather, place = iotools.read_tmy3(path, coerce_year=2023, map_variables=True)
        times = weather.index - timedelta(minutes=30)
        sun = pvlib.solarposition.get_solarposition(times, place["latitude"], place["longitude"])
        weather.index = times
        plane = pvlib.irradiance.get_total_irradiance(
            35.0, 180.0, sun["apparent_zenith"], sun["azimuth"], weather["dni"], weather["ghi"], weather["dhi"],
            dni_extra=pvlib.irradiance.get_extra_radiation(times), model="haydavies",
        ).fillna(0.0)  # fmt: skip
        incidence = pvlib.irradiance.aoi(35.0, 180.0, sun["apparent_zenith"], sun["azimuth"])
        light = plane["poa_direct"] * pvlib.iam.physical(incidence).fillna(0.0) + plane["poa_diffuse"]
        cell = pvlib.temperature.faiman(light, weather["temp_air"], 1.0)
    hourly = float((light / 1000.0 * (1.0 - 0.004 * (cell - 25.0)) * 0.86).sum())
    month = np.asarray(times.month)
    irradiation = [float(weather["ghi"].to_numpy()[month == m].sum()) / 1000.0 for m in range(1, 13)]
    air = [float(weather["temp_air"].to_numpy()[month == m].mean()) for m in range(1, 13)]
    where = {"latitude": place["latitude"], "longitude": place["longitude"], "altitude_m": place["altitude"]}
    hours_west = round(place["longitude"] / 15.0)
    grid = days(date(2023, 1, 1), date(2023, 12, 31), tz=f"Etc/GMT{-hours_west:+d}")
    share = clearness_from_irradiation(irradiation, **where)
    ours = pv_power_kw(grid, peak_kw=1.0, clearness=share, ambient_temp_c=air, **where, **SOUTH).sum() * 0.25
    assert lowest < ours / hourly - 1.0 < 0.0


def test_nothing_at_night_and_something_every_day() -> None:
    grid = days(date(2024, 12, 1), date(2024, 12, 31))
    power = dutch(grid)
    night = (grid.local.hour < 8) | (grid.local.hour >= 17)  # the sun rises after 8:25 and sets before 16:40
    assert np.count_nonzero(power[night]) == 0
    assert (power.reshape(31, 96).max(axis=1) > 0.05).all()


@pytest.mark.parametrize(("day", "periods"), [(date(2024, 3, 31), 92), (date(2024, 10, 27), 100)])
def test_days_of_23_and_25_hours(day: date, periods: int) -> None:
    power = dutch(days(day, day))
    before = dutch(days(day - timedelta(days=1), day - timedelta(days=1)))
    assert power.shape == (periods,)
    assert power.sum() == pytest.approx(before.sum(), rel=0.03)
    assert abs(int(power.argmax()) - int(before.argmax())) <= 1  # counted from midnight, the sun knows no clock change


def test_noon_is_at_the_suns_noon() -> None:
    grid = days(date(2024, 6, 21), date(2024, 6, 21), minutes=5)
    power = dutch(grid)
    centre = float((power * (np.arange(288) + 0.5)).sum() / power.sum()) / 12.0  # local clock [h]
    assert centre == pytest.approx(13.69, abs=0.05)  # 12:00 + 20.7 min west of 15° east + 1.9 min of time + 1 h


def test_an_east_roof_peaks_before_a_west_roof() -> None:
    grid = days(date(2024, 5, 14), date(2024, 5, 14))
    east, west = dutch(grid, azimuth_deg=90.0), dutch(grid, azimuth_deg=270.0)
    assert int(east.argmax()) + 8 < int(west.argmax())
    assert east.sum() == pytest.approx(west.sum(), rel=0.02)


def test_scales_exactly_with_peak_and_losses() -> None:
    grid = days(date(2024, 5, 14), date(2024, 5, 14))
    one = dutch(grid)
    np.testing.assert_allclose(dutch(grid, peak_kw=4.0), 4.0 * one, rtol=1e-12)
    np.testing.assert_allclose(dutch(grid, losses=0.5), one * 0.5 / 0.86, rtol=1e-12)
    assert dutch(grid, peak_kw=0.0).max() == 0.0


def test_an_hour_is_the_mean_of_its_quarters() -> None:
    day = date(2024, 5, 14)
    np.testing.assert_allclose(
        dutch(days(day, day, minutes=60)), dutch(days(day, day)).reshape(24, 4).mean(axis=1), rtol=1e-9
    )


def test_one_clearness_equals_twelve_the_same() -> None:
    grid = days(date(2024, 5, 14), date(2024, 5, 14))
    single = pv_power_kw(grid, peak_kw=1.0, clearness=0.6, **DE_BILT, **SOUTH)
    np.testing.assert_array_equal(single, pv_power_kw(grid, peak_kw=1.0, clearness=[0.6] * 12, **DE_BILT, **SOUTH))


def test_all_problems_come_at_once() -> None:
    grid = days(date(2024, 5, 14), date(2024, 5, 14))
    with pytest.raises(InputError) as caught:
        pv_power_kw(
            grid, latitude=91.0, longitude=5.0, tilt_deg=-1.0, azimuth_deg=180.0, peak_kw=float("nan"),
            clearness=[0.5] * 11, losses=14.0,
        )  # fmt: skip
    assert [problem.where.split(": ")[1] for problem in caught.value.problems] == [
        "latitude", "tilt_deg", "peak_kw", "losses", "clearness",
    ]  # fmt: skip


def test_irradiation_above_a_clear_sky_is_refused() -> None:
    with pytest.raises(InputError, match="month 6"):
        clearness_from_irradiation([10.0] * 5 + [400.0] + [10.0] * 6, **DE_BILT)
    with pytest.raises(InputError, match="twelve values"):
        clearness_from_irradiation([10.0] * 11, **DE_BILT)


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pvlib.solarposition", None)
    with pytest.raises(InputError, match=r"'pvlib' is not installed.*pip install 'bothways\[profiles\]'"):
        dutch(days(date(2024, 5, 14), date(2024, 5, 14)))


def test_description_names_the_assumption() -> None:
    text = describe_pv(peak_kw=4.0, tilt_deg=35.0, azimuth_deg=180.0, clearness_source="KNMI and DWD")
    assert "KNMI and DWD" in text
    assert "no weather" in text
