"""Backup as a stream of a study: presence and energy from the trace, nothing sold twice, what a reserve costs."""

import json
import shutil
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from report_cases import make_runs
from small_study import PER_DAY, small_case, small_grid, small_inputs, small_stays

from bothways.app.study.loading import load_study
from bothways.domain.errors import DomainError, InputError
from bothways.domain.timegrid import TimeGrid
from bothways.resilience.fleet import WEEK_H
from bothways.resilience.site import Site, Tier
from bothways.resilience.survival import starts_of
from bothways.studies.backup import backup_row, fleet_of_trace, record_of_trace, with_reserve
from bothways.studies.backup_play import backup_of
from bothways.studies.backup_terms import BackupTerms
from bothways.studies.baseline import run_uncontrolled
from bothways.studies.closed_loop import run_closed_loop
from bothways.studies.compare import outcome_of
from bothways.studies.period import YearScale
from bothways.studies.report.html import render
from bothways.studies.report.summary import summary
from bothways.studies.result import CaseResult, StudyResult

ROOT = Path(__file__).resolve().parents[3]
YEAR = TimeGrid.for_days(date(2024, 1, 1), date(2024, 12, 30), timedelta(hours=1), "UTC")


def terms(load_kw=2.0, voll=10.0, hours=4, reserve=None, **changes):
    tier = Tier("refuge", 1, np.full(YEAR.periods, load_kw), 0.0, voll)
    site = Site((tier,), np.zeros(YEAR.periods))
    return BackupTerms(
        site, starts_of(YEAR, 11), 1.0, ((hours, 1.0),), reserve, compliance=changes.pop("compliance", 1.0), draws=4,
        **changes,
    )  # fmt: skip


def always_there(inputs, energy_kwh):
    """One charger with a vehicle that never leaves and never moves energy."""
    grid, stays = inputs.grid, inputs.stays
    columns = {name: value[:1] for name, value in stays.__dict__.items() if name not in {"evse_ids", "part_load"}}
    columns |= {
        "evse_ids": ("E0",), "arrival": np.array([0]), "departure": np.array([grid.periods]), "evse": np.array([0]),
        "declared": np.array([grid.periods]), "previous": np.array([-1]),
        **dict.fromkeys(("energy_kwh", "target_kwh", "asked_kwh"), np.array([energy_kwh])),
    }  # fmt: skip
    return replace(inputs, stays=type(stays)(**columns), vehicle_id=(None,))


@pytest.fixture(scope="module")
def week():
    return small_inputs(days=7, stays=small_stays(small_grid(7)), case=small_case(small_grid(7)))


def test_the_record_is_the_trace_hour_by_hour(week):
    run = run_closed_loop(week, week.cases[0], "bidirectional")
    record = record_of_trace(week, run.trace)
    assert record.stored_kwh.shape == (WEEK_H, week.stays.evse_count)  # 3 June 2024 is a Monday
    energy, stay = run.trace.evse_energy_kwh, run.trace.evse_stay
    for hour in range(0, WEEK_H, 7):
        span = slice(hour * 4, hour * 4 + 4)
        for evse in range(4):
            there = bool((stay[evse, span] >= 0).all())
            told = record.stored_kwh[hour, evse]
            assert told == (pytest.approx(energy[evse, span].min(), rel=1e-6) if there else -1.0)
    away = record.stored_kwh < 0.0
    assert away[:6].all()  # nobody before seven
    assert not away[12].any()


def test_who_has_agreed_to_nothing_keeps_nothing_on(week):
    run = run_closed_loop(week, week.cases[0], "bidirectional")
    stays = week.stays
    silent = replace(week, stays=type(stays)(**{**stays.__dict__, "declared": np.full(stays.size, -1)}))
    with pytest.raises(DomainError, match="may be discharged"):
        fleet_of_trace(silent, run.trace, terms())
    short = small_inputs(days=3)
    trace = run_uncontrolled(short, short.cases[0]).trace
    with pytest.raises(DomainError, match="Monday to Sunday"):
        record_of_trace(short, trace)


def test_the_value_of_a_vehicle_that_is_always_there_by_hand(week):
    inputs = always_there(week, 40.0)
    run = run_uncontrolled(inputs, inputs.cases[0])
    asked = terms(load_kw=2.0, voll=10.0, hours=4)
    row = backup_row(inputs, inputs.cases[0], run.trace, asked, saving=100.0)
    # one outage of four hours a year at 2 kW: 8 kWh, the vehicle holds (40 − 10) · 0.9 = 27 kWh above its floor
    assert row.value.kwh_per_year == pytest.approx(8.0)
    assert row.value.per_year == pytest.approx(80.0)
    assert row.stored_kwh == pytest.approx(40.0)
    assert row.missed == pytest.approx(100.0 * 4 / 8766)
    price = inputs.cases[0].import_price.values.mean()
    assert row.refill == pytest.approx(8.0 / 0.81 * price)
    assert row.total == pytest.approx(100.0 - row.missed + 80.0 - row.refill)
    # 20 hours want 40 kWh; 27 kWh carry the refuge for 13 whole hours
    longer = backup_row(inputs, inputs.cases[0], run.trace, terms(hours=20), saving=0.0)
    assert longer.value.kwh_per_year == pytest.approx(26.0)
    half = backup_row(inputs, inputs.cases[0], run.trace, terms(compliance=0.0), saving=0.0)
    assert half.value.per_year == 0.0


def test_presence_scales_the_value(week):
    """Vehicles that are there for about a third of the week are worth about a third."""
    run = run_uncontrolled(week, week.cases[0])
    asked = terms(load_kw=1.0, hours=1)
    row = backup_row(week, week.cases[0], run.trace, asked, saving=0.0)
    record = record_of_trace(week, run.trace)
    anybody = (record.stored_kwh >= 0.0).any(axis=1).mean()
    assert row.value.presence_factor == pytest.approx(anybody, abs=0.04)


def test_a_reserve_leaves_more_energy_and_costs_what_ordinary_days_cost_more(week):
    inputs = replace(week, backup=terms(load_kw=20.0, hours=12, reserve=0.5))
    case = inputs.cases[0]
    runs = make_runs(inputs, case)
    outcomes = tuple(outcome_of(inputs, case, run, runs[0]) for run in runs)
    result = CaseResult(case, outcomes, (), None, YearScale.of(inputs.grid))
    steps = []
    found = backup_of(inputs, result, steps.append)
    assert steps == list(range(7 * PER_DAY))
    assert found.kept.stored_kwh >= found.plain.stored_kwh - 1e-6
    assert found.reserve_cost == pytest.approx(found.plain.saving - found.kept.saving)
    held = with_reserve(inputs, 0.5)
    again = run_closed_loop(held, case, "bidirectional")
    cost = replace(result, outcomes=(outcome_of(held, case, again, runs[0]),)).yearly_cost("bidirectional")
    assert found.reserve_cost == pytest.approx(cost - result.yearly_cost("bidirectional"))
    given = again.trace.evse_energy_kwh[(again.trace.evse_power_kw < -1e-6)]
    assert given.size == 0 or given.min() >= 30.0 - 1e-6  # never below half of 60 kWh
    told = StudyResult(inputs, (replace(result, backup=found),), ())
    page = render(told, rerun="", version="0")
    for words in ("Backup in outages is worth", "Lost load avoided: refuge", "50 % kept", "told beside it"):
        assert words in page
    kept = json.loads(json.dumps(summary(told), allow_nan=False))["cases"][0]["backup"]
    assert kept["with_reserve"]["total_per_year"] == pytest.approx(found.kept.total, abs=1e-4)
    assert backup_of(week, result) is None
    assert "Backup in outages" not in render(StudyResult(week, (result,), ()), rerun="", version="0")


HUB = """
[backup]
outage = "hub/scenario.toml"
outage_h = [[4, 0.7], [24, 0.3]]
reserve_soc = 0.4
compliance = 0.8
source = "assumed"
"""


def with_backup(tmp_path, text, currency="USD"):
    shutil.copytree(ROOT / "examples" / "resilience-hub", tmp_path / "hub")
    names = sorted(path.name for path in (tmp_path / "hub").glob("*.toml"))
    shutil.copytree(ROOT / "examples" / "second-life-office", tmp_path / "x")
    path = tmp_path / "x" / "scenario.toml"
    (tmp_path / "hub").rename(tmp_path / "x" / "hub")
    body = path.read_text(encoding="utf-8").replace('currency = "JPY"', f'currency = "{currency}"')
    path.write_text(body + text.replace("hub/scenario.toml", f"hub/{names[0]}"), encoding="utf-8")
    return path


def test_a_scenario_asks_for_backup_with_the_building_of_an_outage_scenario(tmp_path):
    inputs = load_study(with_backup(tmp_path, HUB)).inputs
    asked = inputs.backup
    assert asked.outages_per_year == 0.5
    assert asked.hours_per_year == pytest.approx(0.5 * (4 * 0.7 + 24 * 0.3))
    assert [tier.level for tier in asked.site.tiers] == [1, 2, 3, 4]
    said = {item.name: item for item in inputs.assumptions}
    assert "one outage of a day in two years" in said["backup: outages"].source
    assert "50 USD/kWh" in said["backup: value of lost load, medical, radio, water, corridor lights"].value
    assert "40%" in said["backup: reserve that is tried"].value


@pytest.mark.parametrize(
    ("change", "currency", "word"),
    [
        (("0.3]]", "0.2]]"), "USD", "sum to 1"),
        (("hub/scenario.toml", "nowhere.toml"), "USD", "backup.outage"),
        (("", ""), "EUR", "prices in EUR"),
        (("compliance = 0.8", "compliance = 1.8"), "USD", "compliance"),
    ],
)
def test_backup_that_makes_no_sense_is_refused(tmp_path, change, currency, word):
    with pytest.raises(InputError) as caught:
        load_study(with_backup(tmp_path, HUB.replace(*change), currency))
    assert word in str(caught.value)
