"""Results for other programs: tables that add up, JSON without surprises, a screen of 80 columns."""

import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from report_cases import make_case, make_inputs, make_result
from rich.console import Console

from bothways.domain.timegrid import TimeGrid
from bothways.studies.report.screen import render_summary
from bothways.studies.report.tables import interval_table, money_table, stays_table, summary


@pytest.fixture(scope="module")
def result():
    return make_result(
        cases=lambda grid: (make_case(grid, "Garage"), make_case(grid, "Office", office_kw=90.0, solar_kw=60.0))
    )


def test_intervals_balance_the_site_for_every_strategy(result):
    case = result.cases[1]
    table = interval_table(case, result)
    assert table.height == result.inputs.grid.periods
    for outcome in case.outcomes:
        key = outcome.run.key
        balance = table.select(
            pl.col("load_kw") - pl.col("pv_kw") + pl.col(f"{key}_curtailed_kw") + pl.col(f"{key}_vehicles_kw")
            + pl.col(f"{key}_battery_kw") - pl.col(f"{key}_net_kw")
        ).to_series()  # fmt: skip
        assert np.abs(balance.to_numpy()).max() < 1e-9
    assert table["marginal_co2_kg_per_kwh"].null_count() == 0
    assert table["time_utc"].dtype == pl.Datetime("us", "UTC")
    assert table["time_utc"][0] == datetime(2019, 5, 1, 7, tzinfo=UTC)
    assert table["time_local"][0] == "2019-05-01T00:00:00-07:00"


def test_local_time_of_a_25_hour_day_tells_its_hours_apart():
    grid = TimeGrid.for_days(date(2019, 11, 3), date(2019, 11, 3), timedelta(minutes=15), "America/Los_Angeles")
    assert grid.periods == 100
    whole = make_result(days=2, evses=2)
    flows = {name: column[:100] for name, column in whole.cases[0].outcomes[0].run.flows.__dict__.items()}
    outcome = whole.cases[0].outcomes[0]
    outcome = replace(outcome, run=replace(outcome.run, flows=replace(outcome.run.flows, **flows)))
    case = replace(whole.cases[0], case=make_case(grid, "day"), outcomes=(outcome,))
    emissions = replace(whole.inputs.emissions, marginal_kg_per_kwh=None, average_kg_per_kwh=None)
    study = replace(whole, inputs=replace(whole.inputs, grid=grid, emissions=emissions), cases=(case,))
    table = interval_table(case, study)
    local = table["time_local"].to_list()
    assert len(set(local)) == 100
    assert [text for text in local if "T01:30" in text] == ["2019-11-03T01:30:00-07:00", "2019-11-03T01:30:00-08:00"]
    assert table["marginal_co2_kg_per_kwh"].null_count() == table["average_co2_kg_per_kwh"].null_count() == 100


def test_stays_agree_with_the_outcomes(result):
    case, size = result.cases[0], result.inputs.stays.size
    table = stays_table(result, case)
    assert table.height == size * len(case.outcomes)
    assert table["vehicle_id"].null_count() == table.height
    silent = int((result.inputs.stays.declared < 0).sum())
    assert silent > 0
    assert table["declared_departure_utc"].null_count() == silent * len(case.outcomes)
    for outcome in case.outcomes:
        mine = table.filter(strategy=outcome.run.key)
        assert mine["missing_kwh"].sum() == pytest.approx(outcome.unserved_kwh)
        assert mine["discharged_kwh"].sum() == pytest.approx(outcome.discharged_kwh)
        assert mine["reason"].drop_nulls().len() == len(outcome.unserved)
        assert mine["session_id"].to_list() == list(result.inputs.stays.session_id)
        assert (mine["departure_utc"] > mine["arrival_utc"]).all()


def test_money_in_long_form_adds_up(result):
    for case in result.cases:
        table = money_table(case)
        for outcome in case.outcomes:
            mine = table.filter(strategy=outcome.run.key)
            monthly = mine.filter(pl.col("month").is_not_null())
            parts = monthly.filter(~pl.col("item").is_in(["total", "peak"]) & ~pl.col("item").str.starts_with("other:"))
            whole = dict(
                zip(
                    *mine.filter(pl.col("month").is_null()).select("item", "amount").to_dict(as_series=False).values(),
                    strict=True,
                )
            )
            assert parts["amount"].sum() == pytest.approx(whole["bill"])
            assert whole["bill"] + whole["wear"] + whole["unserved"] == pytest.approx(whole["cost"])
            assert whole["cost"] == pytest.approx(outcome.cost)
            assert whole["marginal CO2"] == pytest.approx(outcome.carbon.marginal_kg)


def test_summary_is_strict_json(result):
    found = summary(result)
    again = json.loads(json.dumps(found, allow_nan=False))
    assert again["name"] == "Garage"
    assert again["currency"] == "USD"
    assert again["period"]["start_local"] == "2019-05-01T00:00:00-07:00"
    for told, case in zip(again["cases"], result.cases, strict=True):
        assert told["limits"]["import_limit_kw"] is None
        strategies = told["strategies"]
        assert list(strategies) == [outcome.run.key for outcome in case.outcomes]
        for outcome in case.outcomes:
            mine = strategies[outcome.run.key]
            assert mine["cost"] == pytest.approx(outcome.cost, abs=1e-6)
            bill = mine["bill"]
            names = ("energy", "demand_tou", "demand_flat", "fixed", "export_credit", "other")
            assert sum(bill[name] for name in names) == pytest.approx(bill["total"], abs=1e-9)
            assert sum(month["total"] for month in bill["months"]) == pytest.approx(bill["total"], abs=1e-9)
        yearly = {key: strategies[key]["cost_per_year"] for key in strategies}
        savings = told["savings"]
        assert savings["bidirectional_against_smart_per_year"] == pytest.approx(
            yearly["smart"] - yearly["bidirectional"], abs=1e-5
        )
        assert savings["smart_cost_of_not_knowing_per_year"] == pytest.approx(
            yearly["smart"] - yearly["smart_foresight"], abs=1e-5
        )
        assert told["investments"][2]["irr"] == {"value": 0.12, "note": ""}
        assert len(told["sensitivity"]["rows"]) == 3


def test_summary_of_a_bare_study_says_none():
    found = summary(make_result(signal=False, bare=True))
    case = found["cases"][0]
    assert case["sensitivity"] is None
    assert case["investments"] == []
    assert case["strategies"]["smart"]["marginal_co2_kg"] is None
    assert case["strategies"]["uncontrolled"]["planning"]["lower_bound"] is None


def printed(result, width=80):
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(render_summary(result))
    return out.getvalue()


def test_the_screen_keeps_to_80_columns_and_one_line_per_strategy(result):
    text = printed(result)
    lines = text.splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 80
    assert "…" not in text
    for label in ("Uncontrolled", "Smart, foresight", "Bidir., foresight"):
        assert sum(line.startswith(label) for line in lines) == len(result.cases)
    assert "Garage" in text
    assert "USD per" in text


def test_large_money_still_fits_the_screen(result):
    bill = result.cases[0].outcomes[0].bill
    huge = replace(bill, total=9_876_543.2)
    outcomes = tuple(replace(outcome, bill=huge) for outcome in result.cases[0].outcomes)
    text = printed(replace(result, cases=(replace(result.cases[0], outcomes=outcomes),)))
    assert "9,876,543" in text
    assert "…" not in text
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80


def test_markup_in_names_is_printed_as_it_is(result):
    named = replace(result.cases[0], case=replace(result.cases[0].case, name="[red]Garage[/red] [link=x]"))
    assert "[red]Garage[/red] [link=x]" in printed(replace(result, cases=(named,)))


def test_vehicles_are_named_where_they_are_known():
    inputs = make_inputs(days=2, evses=2)
    whole = make_result(days=2, evses=2, vehicle_id=tuple(f"car{k % 2}" for k in range(inputs.stays.size)))
    assert set(stays_table(whole, whole.cases[0])["vehicle_id"]) == {"car0", "car1"}
