"""A scenario is validated whole: every problem at once, in words, and nothing but InputError gets out."""

import contextlib
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bothways.domain.errors import InputError
from bothways.studies.scenario import Scenario, scenario_from_mapping

ROOT = Path(__file__).resolve().parents[3]
GOOD = tomllib.loads((ROOT / "examples" / "workplace-jpl" / "scenario.toml").read_text(encoding="utf-8"))


def changed(**parts):
    """The good scenario with some keys of some tables replaced (``None`` removes the table)."""
    mapping = {**GOOD}
    for table, values in parts.items():
        mapping[table] = {**GOOD.get(table, {}), **values}
    return mapping


def test_the_example_is_valid():
    assert len(scenario_from_mapping(GOOD).case) == 2


def test_all_problems_come_at_once_with_key_value_and_remedy():
    bad = changed(
        study={"end": "2019-09-01", "tz": "America/Los_Angles", "step_minutes": 7},
        vehicles={"usable_capacity_kwh": -60, "soc_floor": 1.4, "charge_efficency": 0.9},
        chargers={"charge_kw": 6656.0},
        unserved={"price_per_kwh": float("nan")},
    )
    with pytest.raises(InputError) as caught:
        scenario_from_mapping(bad, at="scenario.toml")
    places = {problem.where for problem in caught.value.problems}
    for key in (
        "study.end",
        "study.tz",
        "study.step_minutes",
        "vehicles.usable_capacity_kwh",
        "vehicles.soc_floor",
        "vehicles.charge_efficency",
        "chargers.charge_kw",
        "unserved.price_per_kwh",
    ):
        assert f"scenario.toml: {key}" in places
    misspelt = next(p for p in caught.value.problems if p.where.endswith("charge_efficency"))
    assert "charge_efficiency" in misspelt.remedy


@pytest.mark.parametrize(
    "parts",
    [
        {"study": {"tz": "Mars/Olympus"}},
        {"study": {"start": "2010-01-01"}},
        {"vehicles": {"charge_kw": 22_000.0}},
        {"emissions": {"average_kg_per_kwh": 205.6}},
        {"emissions": {"average_source": ""}},
        {"sessions": {"files": []}},
        {"policy": {"departure_confidence": 1.0}},
        {"sensitivity": {"days": 0}},
    ],
)
def test_single_mistakes_are_found(parts):
    with pytest.raises(InputError):
        scenario_from_mapping(changed(**parts))


def test_sessions_or_timetable_but_not_both_or_neither():
    neither = {key: value for key, value in GOOD.items() if key != "sessions"}
    both = {**GOOD, "timetable": [{"name": "x", "source": "test"}]}
    for mapping in (neither, both):
        with pytest.raises(InputError, match="either"):
            scenario_from_mapping(mapping)


def test_case_names_must_differ_and_parts_must_be_whole():
    with pytest.raises(InputError, match="differ"):
        scenario_from_mapping({**GOOD, "case": [GOOD["case"][0], GOOD["case"][0]]})
    for load in ({}, {"profile": "G1"}, {"profile": "G1", "peak_kw": 1.0, "annual_kwh": 1.0}):
        with pytest.raises(InputError):
            scenario_from_mapping({**GOOD, "case": [{**GOOD["case"][0], "load": load}]})
    for pv in ({}, {"peak_kw": 4.0}, {"peak_kw": 4.0, "latitude": 52.0, "longitude": 5.0, "clearness": [0.5] * 12}):
        with pytest.raises(InputError):
            scenario_from_mapping({**GOOD, "case": [{**GOOD["case"][0], "pv": pv}]})


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200)
@given(st.sampled_from(sorted(Scenario.model_fields)), junk, st.text(max_size=8), junk)
def test_junk_never_gets_out_as_anything_but_an_input_error(table, value, key, other):
    for mapping in ({**GOOD, table: value}, {**GOOD, key: other}, {table: value}):
        with contextlib.suppress(InputError):
            scenario_from_mapping(mapping)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"cells": ["lfp"]}, "nmc111-sanyo"),
        ({"temperature_c": 61.0}, "60"),
        ({"temperature_c": 295.15}, "295.15 K is 22 °C"),
        ({"temperature_by_month_c": [20.0] * 11}, "twelve"),
        ({"temperature_by_month_c": [20.0] * 11 + [293.15]}, "293.15 K is 20 °C"),
        ({"age_years": -1.0}, "0"),
        ({"residual_per_kwh": 40.0, "replacement_per_kwh": None}, "replacement_per_kwh"),
        ({"residual_per_kwh": 400.0}, "earn money"),
        ({"source": ""}, "source"),
        ({"end_of_life": 0.2}, "0.5"),
        ({"park_low": "yes"}, "median"),
        ({"park_low": "median", "replacement_per_kwh": None, "residual_per_kwh": 0.0}, "park_low and wear_from need"),
    ],
)
def test_what_ageing_cannot_be_told_with_is_refused(values, word):
    merged = {key: value for key, value in {**GOOD["ageing"], **values}.items() if value is not None}
    with pytest.raises(InputError) as caught:
        scenario_from_mapping({**GOOD, "ageing": merged})
    assert any(word in str(problem.allowed) for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("warranty", "place"),
    [
        ({"kwh_per_day": -1.0, "source": "the maker"}, "vehicles.warranty.kwh_per_day"),
        ({"soc_min": 0.9, "soc_max": 0.3, "source": "the maker"}, "vehicles.warranty"),
        ({"kwh_per_day": 6.0}, "vehicles.warranty.source"),
        ({"kw_per_day": 6.0, "source": "the maker"}, "vehicles.warranty.kw_per_day"),
    ],
)
def test_a_warranty_that_makes_no_sense_is_refused(warranty, place):
    with pytest.raises(InputError) as caught:
        scenario_from_mapping(changed(vehicles={"warranty": warranty}))
    assert {problem.where for problem in caught.value.problems} == {f"scenario: {place}"}


def test_a_warranty_is_read():
    part = scenario_from_mapping(changed(vehicles={"warranty": {"kwh_per_day": 6.0, "source": "the maker"}}))
    assert part.vehicles.warranty.kwh_per_day == 6.0
    assert part.vehicles.warranty.cycles_per_year is None
