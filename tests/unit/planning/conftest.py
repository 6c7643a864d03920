"""A small problem that every planning test varies."""

import math
from dataclasses import replace

import numpy as np
import pytest

from bothways.planning.problem import DemandCharge, Fleet, PlanProblem

WHOLE = {"arrival", "departure"}


def fleet_of(**columns):
    """A fleet from lists; one lossless 10 kW vehicle of 40 kWh by default."""
    size = max((len(value) for value in columns.values() if isinstance(value, list)), default=1)
    given = {
        "arrival": 0, "departure": 4, "energy_at_arrival_kwh": 10.0, "energy_required_kwh": 20.0,
        "energy_min_kwh": 0.0, "energy_max_kwh": 40.0, "charge_kw": 10.0, "discharge_kw": 10.0,
        "charge_efficiency": 1.0, "discharge_efficiency": 1.0, "wear_per_kwh": 0.0, "min_charge_kw": 0.0,
        "no_pause": False,
    }  # fmt: skip
    given |= columns
    kinds = {"no_pause": np.bool_} | dict.fromkeys(WHOLE, np.int64)
    return Fleet(
        **{
            key: np.array(value if isinstance(value, list) else [value] * size, dtype=kinds.get(key, np.float64))
            for key, value in given.items()
        }
    )


def problem_of(prices, *, export=None, base=0.0, fleet=None, demand=0.0, peak_so_far=0.0, **rest):
    """A problem with steps of one hour; a demand charge on all steps if ``demand`` is given."""
    periods = len(prices)
    charges = (DemandCharge(demand, np.ones(periods, dtype=bool), peak_so_far),) if demand else ()
    given = {
        "step_h": 1.0,
        "periods": periods,
        "import_price": np.array(prices, dtype=float),
        "export_price": np.array(prices, dtype=float) - 0.05 if export is None else np.array(export, dtype=float),
        "base_load_kw": np.full(periods, base) if np.isscalar(base) else np.array(base, dtype=float),
        "fleet": fleet if fleet is not None else fleet_of(departure=periods),
        "demand_charges": charges,
        "export_limit_kw": math.inf,
    }
    return PlanProblem(**(given | rest))


@pytest.fixture(scope="session")
def plan_fleet():
    return fleet_of


@pytest.fixture(scope="session")
def plan_problem():
    return problem_of


@pytest.fixture(scope="session")
def changed():
    return replace
