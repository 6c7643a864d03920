"""Ageing in a study: which battery did what, what is left after years by cell, and how it is told."""

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report_cases import make_inputs, make_runs
from rich.console import Console
from small_study import small_case, small_grid, small_inputs, small_stays

from bothways.app.study.loading import load_study
from bothways.battery.ageing import age
from bothways.battery.models import MODELS
from bothways.battery.wear import BatteryValue, aged_wear_per_kwh, resting_price_per_kwh_h
from bothways.economics.wear import value_lost
from bothways.studies.ageing import YEARS, age_strategy, ageing_of, batteries_of, choose_batteries, soc_profiles
from bothways.studies.baseline import run_uncontrolled
from bothways.studies.compare import outcome_of
from bothways.studies.inputs import AgeingSettings
from bothways.studies.period import YearScale
from bothways.studies.report.html import render
from bothways.studies.report.screen import render_summary
from bothways.studies.report.summary import summary
from bothways.studies.result import CaseResult, StudyResult

ROOT = Path(__file__).resolve().parents[3]
VALUE = BatteryValue(150.0, 50.0)


def aged_case(inputs, case):
    """A case with all its runs and their ageing, as a study makes it."""
    runs = make_runs(inputs, case)
    outcomes = tuple(outcome_of(inputs, case, run, runs[0]) for run in runs)
    batteries = batteries_of(inputs)
    chosen = choose_batteries(runs[0].trace, batteries)
    played = tuple(age_strategy(inputs, run.strategy, run.trace, batteries, chosen) for run in runs[:3])
    ageing = ageing_of(inputs, batteries, chosen, played)
    return CaseResult(case, outcomes, (), None, YearScale.of(inputs.grid), ageing)


@pytest.fixture(scope="module")
def study():
    inputs = make_inputs(days=3, evses=3, ageing=AgeingSettings(value=VALUE, value_source="a price list"))
    return StudyResult(inputs, (aged_case(inputs, inputs.cases[0]),), ())


def test_unnamed_vehicles_share_the_battery_of_their_charger_and_named_ones_keep_theirs():
    inputs = small_inputs()
    assert batteries_of(inputs).count == inputs.stays.evse_count
    assert batteries_of(inputs).by_charger.all()
    named = replace(inputs, vehicle_id=tuple(f"car {i % 2}" for i in range(inputs.stays.size)))
    found = batteries_of(named)
    assert (found.count, found.by_charger.any()) == (2, False)
    assert found.of_stay.tolist() == [i % 2 for i in range(inputs.stays.size)]
    half = np.arange(inputs.stays.size) % 2 == 0
    assert batteries_of(replace(named, capacity_known=half)).assumed.tolist() == [False, True]


def test_a_profile_follows_the_trace_and_closes_to_a_ring():
    inputs = small_inputs()
    run = run_uncontrolled(inputs, inputs.cases[0])
    batteries = batteries_of(inputs)
    soc = soc_profiles(inputs, run.trace, batteries, np.arange(batteries.count))
    assert soc.shape == (4, inputs.grid.periods)
    stays = inputs.stays
    for i in range(stays.size):
        span = slice(int(stays.arrival[i]), int(stays.departure[i]))
        where = batteries.of_stay[i]
        assert soc[where, span] == pytest.approx(run.trace.evse_energy_kwh[stays.evse[i], span] / 60.0)
        assert soc[where, span.start - 1] == pytest.approx(stays.energy_kwh[i] / 60.0)
    first, last = (np.flatnonzero(stays.evse == 0)[k] for k in (0, -1))
    end, begin = soc[batteries.of_stay[first], -1], soc[batteries.of_stay[first], 0]
    way = stays.energy_kwh[first] - run.trace.energy_end_kwh[last]
    gap = inputs.grid.periods - stays.departure[last] + stays.arrival[first]
    assert begin - end == pytest.approx(way / 60.0 / gap, abs=1e-9)


def test_a_battery_that_only_waits_ages_as_the_law_of_storage_says():
    grid = small_grid(3)
    stays = small_stays(grid, vehicles=1)
    full = np.full(stays.size, 30.0)
    waiting = type(stays)(**{**stays.__dict__, "energy_kwh": full, "target_kwh": full, "asked_kwh": full})
    inputs = small_inputs(stays=waiting, case=small_case(grid), ageing=AgeingSettings(temperature_c=25.0))
    run = run_uncontrolled(inputs, inputs.cases[0])
    batteries = batteries_of(inputs)
    found = age_strategy(inputs, "uncontrolled", run.trace, batteries, np.array([0]))
    sony = next(cell for cell in found.cells if cell.key == "lfp-sony")
    by_hand = 1.2571e-5 * 0.60225 * np.sqrt(YEARS * 365 * 86_400)  # Naumann 2018, at 50 % and 25 °C
    assert 1.0 - sony.left[-1] == pytest.approx(by_hand, rel=1e-6)
    assert sony.cycle_loss[-1] == 0.0
    assert (found.cycles_per_year, found.mean_soc) == (0.0, pytest.approx(0.5))


def test_what_is_told_is_what_ageing_each_battery_alone_gives(study):
    inputs, ageing = study.inputs, study.cases[0].ageing
    run = study.cases[0].outcome("bidirectional").run
    batteries = batteries_of(inputs)
    soc = soc_profiles(inputs, run.trace, batteries, np.arange(batteries.count))
    alone = [
        age(MODELS["nca-panasonic"], row, inputs.grid.step_h, 20.0, capacity_kwh=60.0, years=10.0).capacity_fraction[-1]
        for row in soc
    ]
    told = next(cell for cell in ageing.of("bidirectional").cells if cell.key == "nca-panasonic")
    assert told.left[-1] == pytest.approx(np.mean(alone), abs=3e-4)
    assert told.low[-1] <= told.left[-1] <= told.high[-1]
    expected = sum(value_lost(150.0 * 60, 50.0 * 60, 1.0 - left) for left in alone)
    assert told.value_lost[-1] == pytest.approx(expected, rel=5e-3)


def test_differences_are_against_uncontrolled_and_of_one_sign_with_the_money(study):
    ageing = study.cases[0].ageing
    assert ageing.changes("uncontrolled", YEARS) == (0.0,) * 7
    for strategy in ("smart", "bidirectional"):
        points, money = ageing.changes(strategy, YEARS), ageing.extra_value_lost(strategy)
        assert len(points) == len(money) == 7
        within = 0
        for key, change, lost in zip(MODELS, points, money, strict=True):
            straight = -change * 3 * 60 * 100.0 / 0.2
            if min(cell.low[-1] for item in ageing.strategies for cell in item.cells if cell.key == key) >= 0.8:
                assert lost == pytest.approx(straight, rel=1e-6, abs=1e-9)
                within += 1
            else:  # below the end of first life there is no value left to lose
                assert abs(lost) <= abs(straight)
        assert within >= 4
    assert ageing.of("unheard of") is None
    assert ageing.changes("unheard of", YEARS) == ageing.extra_value_lost("unheard of") == ()


def test_of_a_large_fleet_some_are_aged_and_money_is_of_all():
    inputs = small_inputs(ageing=AgeingSettings(cells=("lfp-sony",), value=VALUE))
    run = run_uncontrolled(inputs, inputs.cases[0])
    batteries = batteries_of(inputs)
    some = choose_batteries(run.trace, batteries, most=2)
    charged = np.bincount(batteries.of_stay, weights=run.trace.charged_kwh)
    assert sorted(some) == sorted([int(np.argmin(charged)), int(np.argmax(charged))])
    whole = age_strategy(inputs, "smart", run.trace, batteries, choose_batteries(run.trace, batteries))
    part = age_strategy(inputs, "smart", run.trace, batteries, some)
    assert [cell.key for cell in part.cells] == ["lfp-sony"]
    assert part.cells[0].value_lost[-1] == pytest.approx(whole.cells[0].value_lost[-1], rel=0.02)
    assert ageing_of(inputs, batteries, some, (part,)).batteries == 2


def test_the_summary_is_json_and_holds_five_and_ten_years(study):
    told = json.loads(json.dumps(summary(study), allow_nan=False))["cases"][0]["ageing"]
    assert told["assumed_capacity"] == told["fleet"] == 3
    cell = told["strategies"]["bidirectional"]["cells"]["lfp-250ah"]
    assert 0.5 < cell["left_after_10_years"] < cell["left_after_5_years"] < 1.0
    assert cell["value_lost_against_uncontrolled"] is not None
    assert told["strategies"]["uncontrolled"]["cells"]["generic"]["points_against_uncontrolled"] == 0.0


def test_the_report_says_what_it_rests_on(study):
    page = render(study, rerun="bothways study x", version="0")
    for text in ("Batteries after ten years", "Capacity is assumed for 3 of 3 batteries", "20 °C", "a price list",
                 "always the same one", "Remaining capacity, by cell", "no knee"):  # fmt: skip
        assert text in page
    bare = replace(study.cases[0].ageing, value=None)
    without = StudyResult(study.inputs, (replace(study.cases[0], ageing=bare),), ())
    assert "nothing is said in money" in render(without, rerun="", version="0")


def test_the_screen_tells_it_in_eighty_columns(study):
    out = io.StringIO()
    Console(file=out, width=200, color_system=None).print(render_summary(study))
    lines = out.getvalue().splitlines()
    told = [line for line in lines if "atteries after 10 years" in line or "in points" in line]
    assert len(told) == 2
    assert all(len(line) <= 80 for line in told)


def test_a_scenario_may_take_wear_and_the_credit_from_the_laws(tmp_path):
    source = ROOT / "examples" / "second-life-office"
    shutil.copytree(source, tmp_path / "x")
    path = tmp_path / "x" / "scenario.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("[ageing]", '[ageing]\nwear_from = "median"\npark_low = "nca-panasonic"'), encoding="utf-8"
    )
    settings, plain = load_study(path).inputs.settings, load_study(source / "scenario.toml").inputs.settings
    value = BatteryValue(40_000.0, 10_000.0)
    wear = [aged_wear_per_kwh(m, value, temperature_c=27.0, discharge_efficiency=0.9) for m in MODELS.values()]
    assert settings.wear_per_kwh == pytest.approx(np.median(wear))
    credit = resting_price_per_kwh_h(MODELS["nca-panasonic"], value, temperature_c=27.0)
    assert settings.resting_per_kwh_h == pytest.approx(credit)
    assert (plain.wear_per_kwh, plain.resting_per_kwh_h) == (12.0, 0.0)
