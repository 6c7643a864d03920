"""Ageing against independent codes and published bands; each folder's README names its source."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bothways.battery import laws
from bothways.battery.ageing import age
from bothways.battery.models import MODELS
from bothways.battery.rainflow import count_cycles

HERE = Path(__file__).parent


def load(case: str) -> tuple[Any, Any]:
    folder = HERE / case
    return json.loads((folder / "input.json").read_text()), json.loads((folder / "expected.json").read_text())


BLAST_INPUT, BLAST_EXPECTED = load("battery-blast-lite")
PYSAM_INPUT, PYSAM_EXPECTED = load("battery-pysam-nmc")


@pytest.mark.parametrize("case", BLAST_INPUT, ids=lambda case: case["name"])
def test_blast_lite(case: dict[str, Any]) -> None:
    hours = np.arange(round(8760 / case["step_h"])) * case["step_h"]
    if case["kind"] == "store":
        soc = np.full(hours.shape, case["soc"])
    else:
        x = hours % case["period_h"] / case["period_h"]
        soc = case["high"] - (case["high"] - case["low"]) * np.minimum(2 * x, 2 - 2 * x)
    for key, expected in BLAST_EXPECTED[case["name"]].items():
        result = age(
            MODELS[key],
            soc,
            case["step_h"],
            case["celsius"],
            capacity_kwh=60.0,
            years=case["years"][key],
            energy_conserved=case["energy_conserved"],
        )
        stored = case["kind"] == "store"
        assert result.calendar_loss[-1] == pytest.approx(expected["calendar"], rel=1e-3 if stored else 0.03), key
        wide = 0.08 if key == "nmc-50ah" else 0.03
        assert result.cycle_loss[-1] == pytest.approx(expected["cycle"], rel=wide, abs=1e-7), key
        assert result.full_equivalent_cycles[-1] == pytest.approx(expected["efc"], rel=1e-3), key
        if expected["r"] is not None:
            assert result.resistance_factor is not None
            assert result.resistance_factor[-1] - 1 == pytest.approx(expected["r"] - 1, rel=0.01), key


@pytest.mark.parametrize("case", PYSAM_INPUT, ids=lambda case: case["name"])
def test_pysam(case: dict[str, Any]) -> None:
    soc = np.full(24, case["soc"])
    result = age(MODELS["nmc-nrel"], soc, 1.0, case["celsius"], capacity_kwh=60.0, years=case["years"])
    state = result.state.values[0]
    expected = PYSAM_EXPECTED[case["name"]]
    assert np.sqrt(state[laws.Z_CALENDAR]) == pytest.approx(expected["q1"], rel=2e-3)
    assert state[laws.RELAXED] == pytest.approx(expected["q3"], rel=2e-3)


def test_rainflow() -> None:
    given, expected = load("battery-rainflow")
    counted: dict[tuple[float, float], float] = {}
    for depth, mean, count in count_cycles(np.array(given["soc"])).tolist():
        place = (round(depth, 4), round(mean, 5))
        counted[place] = counted.get(place, 0.0) + count
    assert sorted([*place, count] for place, count in counted.items()) == expected["cycles"]


def daily(cap: float, *, feeds_back: bool, given: dict[str, float]) -> np.ndarray:
    step = given["charge_kw"] / given["capacity_kwh"]
    soc, now = [], cap
    for hour in list(range(24)) * 365:
        if hour in {8, 17}:
            now -= given["drive_soc_per_day"] / 2
        elif feeds_back and 18 <= hour <= 21:
            now = max(given["v2g_floor_soc"], now - step)
        elif hour >= 23 or hour < 7:
            now = min(cap, now + step)
        soc.append(now)
    return np.array(soc)


def test_bands() -> None:
    given, expected = load("battery-bands")
    hours = np.arange(8760)
    celsius = given["celsius_mean"] + given["celsius_swing"] * np.sin(2 * np.pi * (hours / 24 - 110) / 365)
    for cap in given["caps"]:
        drive, both = (
            {
                key: age(
                    model, daily(cap, feeds_back=feeds_back, given=given), 1.0, celsius, capacity_kwh=60.0, years=10
                )
                for key, model in MODELS.items()
            }
            for feeds_back in (False, True)
        )
        per_year = 100 * np.mean([1 - result.capacity_fraction[8] for result in drive.values()]) / 8
        low, high = expected["fleet_percent_per_year"]
        assert low <= per_year <= high
        hot = [
            age(model, daily(cap, feeds_back=False, given=given), 1.0, celsius + 5.0, capacity_kwh=60.0, years=8)
            for model in MODELS.values()
        ]
        more = 100 * np.mean([1 - result.capacity_fraction[8] for result in hot]) / 8 - per_year
        low, high = expected["five_degrees_hotter_percent_per_year"]
        assert low <= more <= high
        points = {key: 100 * (drive[key].capacity_fraction[-1] - both[key].capacity_fraction[-1]) for key in MODELS}
        low, high = expected["v2g_points_in_ten_years"]
        assert low <= np.median(list(points.values())) <= high
        assert all(low <= value <= high for key, value in points.items() if key != "nmc111-sanyo")
        assert points["nmc111-sanyo"] > high
        assert [key for key, value in points.items() if value < 0] == expected["v2g_better_cells"]
        if cap == 0.8:
            for key, (alone, with_v2g) in expected["blast_lite_remaining"].items():
                assert drive[key].capacity_fraction[-1] == pytest.approx(alone, abs=0.02), key
                assert both[key].capacity_fraction[-1] == pytest.approx(with_v2g, abs=0.06 if "sanyo" in key else 0.02)
