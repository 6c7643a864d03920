"""Whatever is wrong with a study's files, alone or together, comes back as an InputError with the place named."""

import json
from datetime import date

import pytest

from bothways.app.study.loading import load_study
from bothways.domain.errors import InputError

SCHEDULE = [[0] * 24] * 12
FLAT = {
    "name": "flat",
    "energyratestructure": [[{"rate": 0.2, "sell": 0.05}]],
    "energyweekdayschedule": SCHEDULE,
    "energyweekendschedule": SCHEDULE,
}
VEHICLES = {
    "assumption": "car", "usable_capacity_kwh": 50.0, "soc_at_arrival": 0.5, "soc_floor": 0.2, "charge_kw": 7.4,
    "discharge_kw": 7.4, "charge_efficiency": 0.9, "discharge_efficiency": 0.9, "wear_per_kwh": 0.03, "source": "test",
}  # fmt: skip


def toml(value):
    match value:
        case bool() | int() | float() | str():
            return json.dumps(value)
        case date():
            return value.isoformat()
        case list():
            return "[" + ", ".join(toml(item) for item in value) + "]"
        case _:
            return "{" + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + "}"


@pytest.fixture
def load(tmp_path):
    """Writes a small study with some tables changed, and loads it."""
    (tmp_path / "flat.json").write_text(json.dumps(FLAT))

    def write_and_load(**tables):
        study = {"name": "x", "start": date(2024, 6, 3), "end": date(2024, 6, 5), "tz": "Europe/Amsterdam"}
        scenario = {
            "study": {**study, "currency": "EUR", **tables.pop("study", {})},
            "timetable": [{"name": "car", "source": "test"}],
            "vehicles": {**VEHICLES, **tables.pop("vehicles", {})},
            "chargers": {"charge_kw": 7.4, "discharge_kw": 7.4},
            "unserved": {"price_per_kwh": 0.5, "source": "test"},
            "case": [{"name": "A", "tariff": "flat.json", **tables.pop("case", {})}],
            **tables,
        }
        path = tmp_path / "scenario.toml"
        path.write_text("".join(f"{key} = {toml(value)}\n" for key, value in scenario.items()))
        return load_study(path)

    return write_and_load


def test_the_small_study_is_good(load):
    assert load().inputs.stays.size > 0


@pytest.mark.parametrize(
    ("tables", "place", "words"),
    [
        ({"study": {"start": date(9999, 12, 30), "end": date(9999, 12, 31)}}, "study", "years"),
        ({"study": {"start": date(1, 1, 1), "end": date(1, 1, 2)}}, "study", "years"),
        (
            {"study": {"tz": "Australia/Lord_Howe", "start": date(2024, 4, 6), "end": date(2024, 4, 8),
                       "step_minutes": 60}},
            "study", "whole number of steps",
        ),
        ({"timetable": [{"name": "car", "source": "one"}, {"name": "car", "source": "two"}]}, "vehicles", "differ"),
        ({"timetable": [{"name": "car", "source": "test", "weekday_energy_kwh": 1e300}]}, "vehicles", "weekday"),
        ({"vehicles": {"usable_capacity_kwh": 0.01}}, "usable_capacity_kwh", "0.1"),
        ({"vehicles": {"charge_efficiency": 0.01}}, "charge_efficiency", "0.1"),
        ({"sensitivity": {"usable_capacity_kwh": [0.01, 2.0]}}, "usable_capacity_kwh[0]", "0.1"),
        ({"vehicles": {"charge_kw": True}}, "vehicles.charge_kw", "a number"),
        ({"case": {"import_limit_kw": 5.0}}, "case[0].import_limit_kw", "a key that this format knows"),
        ({"case": {"import_hard_limit_kw": 2.0, "load": {"profile": "H0", "peak_kw": 9.0}}}, "import_hard", "battery"),
        ({"case": {"battery": {"capacity_kwh": 1e300, "power_kw": 5.0, "source": "test"}}}, "battery", "1000000"),
    ],
)  # fmt: skip
def test_mistakes_are_input_errors_with_their_place(load, tables, place, words):
    with pytest.raises(InputError) as caught:
        load(**tables)
    assert any(place in problem.where for problem in caught.value.problems)
    assert words in str(caught.value)


def test_a_tariff_and_a_price_series_that_do_not_fit_are_named_with_their_case(load, tmp_path):
    rows = "".join(f"2024-06-{day:02d}T{hour:02d}:00Z,0.1\n" for day in range(1, 8) for hour in range(24))
    (tmp_path / "prices.csv").write_text("timestamp,price\n" + rows)
    with pytest.raises(InputError, match="price series is given") as caught:
        load(case={"prices": {"file": "prices.csv", "column": "price", "source": "test"}})
    assert "case 'A'" in caught.value.problems[0].where


def test_switches_and_other_mistakes_come_together(load):
    with pytest.raises(InputError) as caught:
        load(vehicles={"charge_kw": True, "soc_floor": 2.0}, study={"tz": "Mars/Olympus"})
    assert len(caught.value.problems) == 3
