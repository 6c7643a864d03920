"""Wear per vehicle: every stay is planned, bounded and billed at the price of its own battery."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from report_cases import make_runs
from small_study import small_case, small_grid, small_inputs, small_stays

from bothways.app.study.loading import load_study
from bothways.battery.models import MODELS
from bothways.battery.warranty import WarrantyLimits
from bothways.battery.wear import BatteryValue
from bothways.battery.wear_table import wear_table
from bothways.domain.errors import InputError
from bothways.domain.timegrid import TimeGrid
from bothways.studies.ageing import age_strategy, ageing_of, batteries_of
from bothways.studies.allowances import Allowances, after_midnight
from bothways.studies.baseline import run_uncontrolled
from bothways.studies.closed_loop import run_closed_loop
from bothways.studies.compare import outcome_of
from bothways.studies.excerpt import first_days
from bothways.studies.foresight import foresight_problem
from bothways.studies.inputs import AgeingSettings, BatterySegment, VehicleWear
from bothways.studies.period import YearScale
from bothways.studies.report.html import render
from bothways.studies.result import CaseResult, StudyResult
from bothways.studies.sensitivity import yearly_cost

ROOT = Path(__file__).resolve().parents[3]
SEGMENTS = (BatterySegment("gentle", "lfp", None, "test"), BatterySegment("dear", "nmc", None, "test"))


def aged_case(inputs, case):
    """A case with all its runs and their ageing."""
    runs = make_runs(inputs, case)
    outcomes = tuple(outcome_of(inputs, case, run, runs[0]) for run in runs)
    batteries = batteries_of(inputs)
    every = np.arange(batteries.count)
    played = tuple(age_strategy(inputs, run.strategy, run.trace, batteries, every) for run in runs[:3])
    return CaseResult(case, outcomes, (), None, YearScale.of(inputs.grid), ageing_of(inputs, batteries, every, played))


def two_kinds(inputs, gentle=0.0, dear=1.0):
    """Every other charger's vehicles have a battery that is dear to wear."""
    kind = (inputs.stays.evse % 2).astype(np.int64)
    return replace(inputs, wear=VehicleWear(np.where(kind == 1, dear, gentle), kind, SEGMENTS))


def test_one_number_for_all_is_the_same_as_the_number_stay_by_stay():
    plain = small_inputs(days=2, wear=0.03)
    told = two_kinds(plain, 0.03, 0.03)
    case = plain.cases[0]
    a, b = (run_closed_loop(inputs, case, "bidirectional") for inputs in (plain, told))
    np.testing.assert_array_equal(a.trace.evse_power_kw, b.trace.evse_power_kw)
    reference = run_uncontrolled(plain, case)
    assert outcome_of(told, case, b, reference).wear_cost == pytest.approx(0.03 * b.trace.discharged_kwh.sum())


def test_a_vehicle_whose_battery_is_dear_is_spared_and_the_bill_counts_its_own_price():
    inputs = two_kinds(small_inputs(days=2), 0.0, 5.0)
    case = inputs.cases[0]
    run, reference = run_closed_loop(inputs, case, "bidirectional"), run_uncontrolled(inputs, case)
    given, dear = run.trace.discharged_kwh, inputs.wear.segment == 1
    assert given[~dear].sum() > 1.0
    assert given[dear].sum() == pytest.approx(0.0, abs=1e-6)
    halves = two_kinds(small_inputs(days=2), 0.01, 0.02)
    cost = outcome_of(halves, case, run, reference).wear_cost
    assert cost == pytest.approx(0.01 * given[~dear].sum() + 0.02 * given[dear].sum())
    less = yearly_cost(halves, case, run, reference) - yearly_cost(two_kinds(inputs, 0.0, 0.0), case, run, reference)
    assert less == pytest.approx(cost * 365.25 / 2, rel=0.01)


def test_the_bound_plans_with_the_same_prices():
    inputs = two_kinds(small_inputs(days=2), 0.01, 0.07)
    case = inputs.cases[0]
    reference = run_uncontrolled(inputs, case)
    problem = foresight_problem(inputs, case, inputs.stays, reference.trace)
    np.testing.assert_array_equal(problem.fleet.wear_per_kwh, inputs.wear_per_kwh)


def test_an_excerpt_keeps_the_prices_of_its_stays_and_one_price_for_all_replaces_them():
    inputs = two_kinds(small_inputs(days=3), 0.01, 0.07)
    short = first_days(inputs, inputs.cases[0], 1).inputs
    assert short.wear_per_kwh.shape == (short.stays.size,)
    np.testing.assert_array_equal(short.wear_per_kwh, np.where(short.stays.evse % 2 == 1, 0.07, 0.01))
    assert set(inputs.with_wear(0.5).wear_per_kwh) == {0.5}


def scenario_with(tmp_path, segments, ageing=""):
    """The second-life example with kinds of batteries."""
    shutil.copytree(ROOT / "examples" / "second-life-office", tmp_path / "x")
    path = tmp_path / "x" / "scenario.toml"
    text = path.read_text(encoding="utf-8").replace("[ageing]", f"{segments}\n[ageing]\n{ageing}")
    path.write_text(text, encoding="utf-8")
    return path


PAIR = """
[[vehicles.segment]]
name = "first"
vehicles = ["* 1"]
cell = "nmc111-sanyo"
replacement_per_kwh = 50000
residual_per_kwh = 10000
age_years = 4
source = "an offer"

[[vehicles.segment]]
name = "leased"
vehicles = ["* 2", "* 1"]
wear_per_kwh = 3
source = "the contract"
"""


def test_a_scenario_names_kinds_of_batteries_and_each_stay_gets_its_price(tmp_path):
    monthly = f"temperature_by_month_c = {[5.0] * 6 + [30.0] * 6}"
    inputs = load_study(scenario_with(tmp_path, PAIR, monthly)).inputs
    wear = inputs.wear
    assert [segment.name for segment in wear.segments] == ["first", "leased", "all other vehicles"]
    kind = [0 if name.endswith(" 1") else 1 if name.endswith(" 2") else 2 for name in inputs.vehicle_id]
    assert wear.segment.tolist() == kind
    assert set(wear.per_kwh[wear.segment == 1]) == {3.0}
    assert set(wear.per_kwh[wear.segment == 2]) == {12.0}
    month = inputs.grid.local.month[inputs.stays.arrival]
    soc = inputs.stays.energy_kwh / inputs.stays.capacity_kwh
    table = wear_table(
        [MODELS["nmc111-sanyo"]], BatteryValue(50_000.0, 10_000.0), temperature_c=[5.0] * 6 + [30.0] * 6,
        discharge_efficiency=0.9, age_years=4.0,
    )  # fmt: skip
    own = wear.segment == 0
    np.testing.assert_allclose(wear.per_kwh[own], table.at(month[own], soc[own]))
    said = {item.name: item for item in inputs.assumptions}
    assert "4 years old" in said["wear: first"].value
    assert said["wear: leased"].source == "the contract"
    assert "30" in said["temperature of the cells"].value
    assert inputs.ageing.celsius(np.array([1, 7])).tolist() == [5.0, 30.0]


def test_lost_value_counts_each_kind_at_its_own_price():
    inputs = small_inputs(ageing=AgeingSettings(cells=("nca-panasonic",), value=BatteryValue(100.0, 0.0)))
    run = run_uncontrolled(inputs, inputs.cases[0])
    batteries = batteries_of(inputs)
    every = np.arange(batteries.count)
    plain = age_strategy(inputs, "uncontrolled", run.trace, batteries, every).cells[0].value_lost[-1]
    halves = two_kinds(inputs)
    kinds = tuple(
        BatterySegment(name, "", BatteryValue(price, 0.0), "") for name, price in (("a", 100.0), ("b", 300.0))
    )
    told = age_strategy(
        replace(halves, wear=replace(halves.wear, segments=kinds)), "uncontrolled", run.trace, batteries, every
    )
    assert plain < told.cells[0].value_lost[-1] < 3 * plain
    assert told.cells[0].value_lost[-1] == pytest.approx(2 * plain, rel=0.1)
    # a kind without a price leaves the fleet without a sum
    assert age_strategy(halves, "uncontrolled", run.trace, batteries, every).cells[0].value_lost is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('vehicles = ["* 1"]', 'vehicles = ["van *"]'), ("vehicles.segment[0].vehicles[0]", "van *")),
        (('vehicles = ["* 1"]', 'chargers = ["nobody"]'), ("vehicles.segment[0].chargers[0]", "nobody")),
        (('vehicles = ["* 1"]', ""), ("which ones",)),
        (('cell = "nmc111-sanyo"', 'cell = "nmc"'), ("nmc111-sanyo",)),
        (("replacement_per_kwh = 50000", "wear_per_kwh = 1\nreplacement_per_kwh = 50000"), ("not both",)),
        (("residual_per_kwh = 10000", "residual_per_kwh = 60000"), ("earn money",)),
        (('name = "leased"', 'name = "first"'), ("must differ",)),
    ],
)
def test_kinds_that_make_no_sense_are_refused(tmp_path, change, words):
    with pytest.raises(InputError) as caught:
        load_study(scenario_with(tmp_path, PAIR.replace(*change)))
    for word in words:
        assert word in str(caught.value)


def test_the_report_tells_prices_and_kinds(tmp_path):
    inputs = two_kinds(small_inputs(days=2), 0.01, 0.07)
    kinds = tuple(
        BatterySegment(name, "", BatteryValue(price, 0.0), "x") for name, price in (("a", 100.0), ("b", 300.0))
    )
    inputs = replace(
        inputs, wear=replace(inputs.wear, segments=kinds),
        ageing=AgeingSettings(cells=("lfp-sony",), temperature_by_month_c=tuple(np.arange(12.0))),
    )  # fmt: skip
    case = inputs.cases[0]
    result = StudyResult(inputs, (aged_case(inputs, case),), ())
    page = render(result, rerun="", version="0")
    for text in ("0.01 to 0.07 EUR/kWh", "Value (a) falls", "Value (b) falls", "temperature of the month"):
        assert text in page


def test_a_profile_that_would_leap_at_its_seam_is_played_forth_and_back():
    grid = small_grid(3)
    stays = small_stays(grid, vehicles=1)
    whole = {
        **{name: value[:1] for name, value in stays.__dict__.items() if name not in {"evse_ids", "part_load"}},
        "evse_ids": stays.evse_ids, "arrival": np.array([0]), "departure": np.array([grid.periods]),
        "energy_kwh": np.array([20.0]), "target_kwh": np.array([50.0]), "asked_kwh": np.array([50.0]),
        "declared": np.array([grid.periods]), "previous": np.array([-1]),
    }  # fmt: skip
    one = type(stays)(**whole)
    inputs = small_inputs(days=3, stays=one, case=small_case(grid), ageing=AgeingSettings(cells=("lfp-sony",)))
    run = run_uncontrolled(inputs, inputs.cases[0])
    aged = age_strategy(inputs, "uncontrolled", run.trace, batteries_of(inputs), np.array([0]))
    # charged by half once in three days and never discharged: forth and back that is one cycle of 0.5 in six days; the
    # leap back to the begin would make it one in three
    assert aged.cycles_per_year == pytest.approx(0.5 * 365 / 6, rel=0.1)


def test_two_rows_of_one_battery_share_what_it_may():
    inputs = small_inputs(days=2)
    named = replace(inputs, vehicle_id=("one",) * inputs.stays.size)
    book = Allowances(WarrantyLimits(kwh_per_day=6.0, kwh_per_year=365.25), batteries_of(named), inputs.grid)
    caps = book.caps(np.array([0, 1, 2]), 1)
    assert caps.left_now_kwh()[:3].sum() == pytest.approx(2.0)  # two days' share of the year is tighter than the day
    book.use(np.array([0, 1]), np.array([0.5, 0.5]))
    assert book.caps(np.array([0, 1]), 0).left_now_kwh().sum() == pytest.approx(1.0)
    assert book.caps(np.array([0]), 0).left_now_kwh().tolist() == pytest.approx([1.0])


def test_a_step_over_midnight_counts_for_both_days():
    # at Lord Howe clocks change by half an hour: in winter hourly steps from 10:30 UTC on would straddle midnight
    grid = TimeGrid(datetime(2024, 6, 3, 0, 0, tzinfo=UTC), timedelta(hours=1), 48, "Australia/Lord_Howe")
    share = after_midnight(grid)
    (turns,) = np.nonzero(share)
    assert turns.tolist() == [13, 37]
    assert set(share[turns]) == {0.5}
    stays = small_inputs(days=2)
    book = Allowances(WarrantyLimits(kwh_per_day=6.0), batteries_of(stays), grid)
    book.advance(13)
    book.use(np.array([0]), np.array([4.0]))
    owner = batteries_of(stays).of_stay[0]
    assert book.today[owner] == 4.0
    book.advance(14)
    assert book.today[owner] == 2.0
    book.advance(38)
    assert book.today[owner] == 0.0
