"""A stationary battery that is bought: who has it, what it costs, how it wears, how it is told."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_study import small_case, small_grid, small_inputs

from bothways.app.study.loading import load_study
from bothways.domain.errors import InputError
from bothways.studies.ageing import age_strategy, ageing_of, batteries_of
from bothways.studies.baseline import run_uncontrolled
from bothways.studies.closed_loop import run_closed_loop
from bothways.studies.compare import outcome_of
from bothways.studies.foresight import run_foresight
from bothways.studies.inputs import StationaryBattery
from bothways.studies.period import YearScale
from bothways.studies.report.html import render
from bothways.studies.report.summary import summary
from bothways.studies.result import CaseResult, StudyResult
from bothways.studies.scenario import EquipmentPart, InvestmentPart, scenario_from_mapping
from bothways.studies.stationary import age_stationary
from bothways.studies.worth import investment_terms, investments_of

ROOT = Path(__file__).resolve().parents[3]
USED = StationaryBattery(
    30.0, 15.0, 0.95, 0.95, wear_per_kwh=0.02, health=0.78, price=3000.0, remaining_cycles=1000.0, source="an offer"
)


@pytest.fixture(scope="module")
def played():
    """A small study with a used battery: inputs, case, runs and outcomes."""
    case = small_case(small_grid(), battery=USED)
    inputs = small_inputs(case=case)
    reference = run_uncontrolled(inputs, case)
    runs = [reference, *(run_closed_loop(inputs, case, strategy) for strategy in ("smart", "bidirectional"))]
    outcomes = tuple(outcome_of(inputs, case, run, reference) for run in runs)
    return inputs, CaseResult(case, outcomes, (), None, YearScale.of(inputs.grid))


def test_uncontrolled_charging_does_without_a_battery_that_comes_with_control(played):
    inputs, result = played
    reference = result.outcome("uncontrolled").run
    assert not reference.flows.battery.any()
    assert not reference.flows.battery_energy.any()
    sunny = replace(result.case, pv=replace(result.case.pv, values=np.full(inputs.grid.periods, 30.0)))
    assert not run_uncontrolled(inputs, sunny).flows.battery_energy.any()
    owned = replace(sunny, battery=replace(USED, price=0.0))
    assert run_uncontrolled(inputs, owned).flows.battery_energy.any()
    for strategy in ("smart", "bidirectional"):
        flows = result.outcome(strategy).run.flows
        assert flows.battery.any()
        assert np.abs(flows.battery).max() <= 15.0 + 1e-9
        assert flows.battery_energy.min() >= 0.0 - 1e-9
        assert flows.battery_energy.max() <= 30.0 + 1e-9


def test_the_bound_has_it_too_and_ends_with_what_it_began_with(played):
    inputs, result = played
    bound = run_foresight(inputs, result.case, "smart", result.outcome("uncontrolled").run.trace)
    assert bound.flows.battery.any()
    assert bound.flows.battery_energy[-1] >= 15.0 - 1e-6


def test_it_is_a_line_of_the_investment_and_its_wear_is_not_paid_twice(played):
    _, result = played
    part = EquipmentPart(charger_price=100.0, source="a price list")
    terms = investment_terms(InvestmentPart(years=10, smart=part, bidirectional=part), 4)
    with_battery = investments_of(result, terms)
    first = next(item for item in with_battery if (item.strategy, item.reference) == ("smart", "uncontrolled"))
    assert ("second-life stationary battery", 3000.0) in first.lines
    assert first.outlay == pytest.approx(3000.0 + 4 * 100.0)
    smart = result.outcome("smart")
    out = float(np.maximum(-smart.run.flows.battery, 0.0).sum()) * 0.25
    wear = 0.02 * out * result.scale.by_days
    saving = result.yearly_cost("uncontrolled") - result.yearly_cost("smart")
    assert first.yearly_saving == pytest.approx(saving + wear)
    life = 30.0 * 1000.0 * 0.9 * 0.95 / (out * result.scale.by_days)
    renewals = [year for year, flow in enumerate(first.cash_flow) if year and flow < first.cash_flow[1] - 1000.0]
    assert len(renewals) == sum(np.ceil(life * k) < 10 for k in range(1, 11) if life * k <= 10)
    added = next(item for item in with_battery if item.reference == "smart")
    assert added.outlay == pytest.approx(0.0)  # both have it


def test_its_ageing_begins_at_its_health_and_is_told(played):
    inputs, result = played
    run = result.outcome("smart").run
    found = age_stationary(inputs, result.case, run)
    assert len(found.cells) == 7
    for cell in found.cells:
        assert cell.after_10 <= cell.after_5 <= cell.at_start
        assert cell.at_start <= 0.78 + 1e-9 or cell.key == "lfp-250ah"
    out = float(np.maximum(-run.flows.battery, 0.0).sum()) * 0.25 / 0.95
    assert found.cycles_per_year == pytest.approx(out / 30.0 / 3.0 * 365.0)
    assert age_stationary(inputs, result.case, result.outcome("uncontrolled").run) is None
    batteries = batteries_of(inputs)
    chosen = np.arange(batteries.count)
    vehicles = tuple(age_strategy(inputs, o.run.strategy, o.run.trace, batteries, chosen) for o in result.outcomes)
    told = replace(result, ageing=ageing_of(inputs, batteries, chosen, vehicles), stationary=(found,))
    study = StudyResult(inputs, (told,), ())
    held = json.loads(json.dumps(summary(study), allow_nan=False))["cases"][0]["stationary_battery"]["smart"]
    assert held["health_at_start"] == 0.78
    page = render(study, rerun="", version="0")
    assert "The stationary battery" in page
    assert "it begins here at 78 %" in page


def test_one_named_cell_is_told_alone(played):
    inputs, result = played
    case = replace(result.case, battery=replace(USED, cell="nca-panasonic"))
    assert [cell.key for cell in age_stationary(inputs, case, result.outcome("smart").run).cells] == ["nca-panasonic"]


def test_the_example_loads_with_its_wear_price():
    loaded = load_study(ROOT / "examples" / "second-life-office" / "scenario.toml")
    own = loaded.inputs.cases[1].battery
    assert loaded.inputs.cases[0].battery is None
    assert (own.health, own.bought, own.price) == (0.78, True, pytest.approx(54.6 * 15_000))
    assert own.wear_per_kwh == pytest.approx(15_000 / (1500 * 0.9) / 0.93)
    assert loaded.inputs.warranty.kwh_per_day == 6.0


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"soh": 78.0}, "1"),
        ({"cell": "lead"}, "nca-panasonic"),
        ({"wear_per_kwh": 0.02}, "not both"),
        ({"price_per_kwh": 0.0}, "price_per_kwh"),
        ({"remaining_cycles": -5}, "above 0"),
    ],
)
def test_a_battery_that_makes_no_sense_is_refused(values, word):
    text = (ROOT / "examples" / "second-life-office" / "scenario.toml").read_text(encoding="utf-8")
    mapping = tomllib.loads(text)
    mapping["case"][1]["battery"] |= values
    with pytest.raises(InputError) as caught:
        scenario_from_mapping(mapping)
    assert any(word in str(problem.allowed) for problem in caught.value.problems)
