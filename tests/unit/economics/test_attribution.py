import math

import numpy as np
import pytest

from bothways.domain.errors import DomainError
from bothways.economics.attribution import attribute, energy_ledger

SITE = {
    "load_kw": [5.0, 5.0, 5.0],
    "production_kw": [8.0, 0.0, 20.0],
    "charge_kw": [4.0, 0.0, 0.0],
    "discharge_kw": [0.0, 7.0, 2.0],
    "import_kw": [1.0, 0.0, 0.0],
    "export_kw": [0.0, 2.0, 7.0],
    "curtailed_kw": [0.0, 0.0, 10.0],
}


def test_every_kwh_is_in_one_line():
    ledger = energy_ledger(0.25, **SITE)
    lines = {key: list(values * 4) for key, values in ledger.lines.items() if values.any()}
    assert lines == {
        ("production", "building"): [5.0, 0.0, 5.0],
        ("production", "vehicles"): [3.0, 0.0, 0.0],
        ("production", "grid"): [0.0, 0.0, 5.0],
        ("production", "curtailed"): [0.0, 0.0, 10.0],
        ("vehicles", "building"): [0.0, 5.0, 0.0],
        ("vehicles", "grid"): [0.0, 2.0, 2.0],
        ("grid", "vehicles"): [1.0, 0.0, 0.0],
    }
    assert ledger.from_source("production") * 4 == pytest.approx(SITE["production_kw"])
    assert ledger.to_sink("building") * 4 == pytest.approx(SITE["load_kw"])
    assert ledger.totals()["vehicles", "grid"] == 1.0


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"import_kw": [2.0, 0.0, 0.0]}, "interval 0"),
        ({"load_kw": [5.0, math.nan, 5.0]}, "finite"),
        ({"load_kw": [5.0, 5.0]}, "values"),
        ({"load_kw": 5.0}, "values"),
        ({"discharge_kw": [0.0, 7.0, -2.0]}, "discharge_kw"),
        ({"import_kw": [3.0, 0.0, 0.0], "export_kw": [2.0, 2.0, 7.0]}, "at once"),
        ({"curtailed_kw": [0.0, 0.0, 21.0], "discharge_kw": [0.0, 7.0, 13.0]}, "more is curtailed"),
    ],
)
def test_flows_that_cannot_be_divided_are_refused(change, word):
    with pytest.raises(DomainError, match=word):
        energy_ledger(0.25, **SITE | change)


def test_a_kwh_is_not_sold_twice():
    with pytest.raises(DomainError, match=r"interval 1: 6 sold \(peak 4, reserve 2\) of 5 there"):
        attribute([5.0, 5.0], {"peak": [5.0, 4.0], "reserve": [0.0, 2.0]})


def test_what_nobody_claims_is_a_line():
    lines = attribute([5.0, 0.0], {})
    assert list(lines) == ["unattributed"]
    assert np.array_equal(lines["unattributed"], [5.0, 0.0])


@pytest.mark.parametrize(
    "claims", [{"unattributed": [0.0]}, {"peak": [-1.0]}, {"peak": [math.nan]}, {"peak": [0.0, 0.0]}]
)
def test_claims_are_checked(claims):
    with pytest.raises(DomainError):
        attribute([1.0], claims)
