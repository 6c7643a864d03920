"""Measures of a cash flow, and fleet arithmetic, against numbers that others published or computed."""

import json
from pathlib import Path

import pytest

from bothways.economics import arithmetic, returns
from bothways.economics.figures import Figure

HERE = Path(__file__).parent


def _load(*parts: str):
    return json.loads(HERE.joinpath(*parts).read_text(encoding="utf-8"))


PUBLISHED = _load("economics-returns", "published.json")
COMPUTED = _load("economics-returns", "numpy_financial.json")["cases"]


def _measure(case) -> Figure:
    match case["measure"]:
        case "npv":
            return Figure(returns.npv(case["rate"], case["flow"]))
        case "irr":
            return returns.irr(case["flow"])
        case "mirr":
            return returns.mirr(case["flow"], case["finance_rate"], case["reinvest_rate"])
        case "simple_payback":
            return returns.simple_payback(case["flow"])
        case "discounted_payback":
            return returns.discounted_payback(case["flow"], case["rate"])
        case "annuity_factor":
            return Figure(returns.annuity_factor(case["rate"], case["years"]))
    raise AssertionError(case["measure"])


@pytest.mark.parametrize("case", PUBLISHED, ids=lambda case: case["id"])
def test_published_examples(case):
    found = _measure(case)
    if case["expected"] is None:
        assert found.value is None
        assert {"several": "changes sign"}.get(case["why"], case["why"]) in found.note
    else:
        assert found.value == pytest.approx(case["expected"], abs=0.5000001 * 10.0 ** -case["digits"])


@pytest.mark.parametrize("case", COMPUTED, ids=range(len(COMPUTED)))
def test_agrees_with_numpy_financial(case):
    flow = case["flow"]
    assert returns.npv(case["rate"], flow) == pytest.approx(case["npv"], rel=1e-12, abs=1e-9)
    assert returns.mirr(flow, case["finance_rate"], case["reinvest_rate"]).value == pytest.approx(
        case["mirr"], abs=1e-12
    )
    assert returns.annuity(1000.0, case["rate"], len(flow) - 1) == pytest.approx(case["annuity_of_1000"], rel=1e-12)
    assert returns.sign_changes(flow) == case["sign_changes"]
    found = returns.irr(flow).value
    if case["irr"] is None:
        assert found is None
    else:
        assert found == pytest.approx(case["irr"], abs=1e-9)


def test_oracle_covers_both_kinds_of_flow():
    kinds = [case["irr"] is None for case in COMPUTED]
    assert 5 < sum(kinds) < 25


def test_fleet_arithmetic_t3():
    given = _load("economics-t3-fleet-arithmetic", "input.json")
    expected = _load("economics-t3-fleet-arithmetic", "expected.json")
    home = given["f1"]["home_kwh_per_day"]
    days = [round(arithmetic.days_of_supply(kwh, home), 1) for kwh in given["f1"]["usable_kwh"]]
    assert days == expected["f1"]["days"]
    assert [arithmetic.usable_for_days(d, home) for d in given["f1"]["days"]] == expected["f1"]["usable_kwh"]
    f2 = given["f2"]
    vehicles = [arithmetic.vehicles_for_bid(f2["bid_kw"], kw, f2["availability"]) for kw in f2["charger_kw"]]
    assert vehicles == expected["f2"]["vehicles"]
