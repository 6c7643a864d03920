"""A few days speak of a year only if each line is scaled by what it is charged by."""

from dataclasses import replace

import pytest
from small_study import small_case, small_grid, small_inputs

from bothways.studies.baseline import run_uncontrolled
from bothways.studies.compare import outcome_of
from bothways.studies.period import YearScale
from bothways.studies.result import CaseResult
from bothways.tariffs.structure import Amounts, ContractedCapacity, EnergyTier, Tariff


def yearly(tariff):
    """Cost per year of uncontrolled charging over three days under a tariff."""
    grid = small_grid(3)
    case = replace(small_case(grid, demand=0.0), tariff=tariff)
    inputs = small_inputs(case=case)
    run = run_uncontrolled(inputs, case)
    outcome = outcome_of(inputs, case, run, run)
    return CaseResult(case, (outcome,), (), None, YearScale.of(grid)).yearly_cost("uncontrolled")


FREE = Tariff(energy=((EnergyTier(rate=0.0),),))


@pytest.mark.parametrize(
    ("tariff", "expected"),
    [
        (replace(FREE, fixed=Amounts(per_month=10.0)), 120.0),
        (replace(FREE, fixed=Amounts(per_day=1.0)), 365.25),
        (replace(FREE, contracted_import=ContractedCapacity(kw=50.0, per_kw_month=2.0)), 1200.0),
        (replace(FREE, contracted_import=ContractedCapacity(kw=50.0, per_kw_day=0.1)), 50 * 0.1 * 365.25),
        (replace(FREE, minimum=Amounts(per_month=7.0)), 84.0),
    ],
)
def test_each_line_is_scaled_by_what_it_is_charged_by(tariff, expected):
    assert yearly(tariff) == pytest.approx(expected)
