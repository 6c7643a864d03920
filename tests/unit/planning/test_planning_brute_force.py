"""Integer plans against trying everything: on/off vehicles, every pattern of every vehicle."""

import itertools
import math

import numpy as np
import pytest

from bothways.planning.evaluation import evaluate
from bothways.planning.problem import PlanOptions
from bothways.planning.solve import solve


def cheapest_of_all(problem, bounds_kwh):
    """Tries every on/off pattern; a pattern counts if it breaks nothing and leaves each vehicle at ``bounds_kwh``."""
    fleet, periods = problem.fleet, problem.periods
    per_vehicle = []
    for i in range(fleet.size):
        stay = range(int(fleet.arrival[i]), int(fleet.departure[i]))
        patterns = []
        for bits in itertools.product((0.0, 1.0), repeat=len(stay)):
            row = np.zeros(periods)
            row[list(stay)] = np.array(bits) * fleet.charge_kw[i]
            patterns.append(row)
        per_vehicle.append(patterns)
    best = math.inf
    for rows in itertools.product(*per_vehicle):
        seen = evaluate(problem, np.array(rows))
        if seen.violations.none and (seen.energy_end_kwh >= bounds_kwh - 1e-9).all():
            best = min(best, seen.objective)
    return best


@pytest.mark.parametrize("seed", range(12))
def test_on_off_vehicles(plan_problem, plan_fleet, seed):
    rng = np.random.default_rng(seed)
    periods, size = 5, 2
    arrival = rng.integers(0, 2, size)
    departure = rng.integers(3, periods + 1, size)
    power = rng.choice([3.0, 7.0, 11.0], size)
    start = rng.uniform(2.0, 10.0, size)
    steps_wanted = rng.integers(0, 3, size)
    fleet = plan_fleet(
        arrival=arrival.tolist(), departure=departure.tolist(), charge_kw=power.tolist(), min_charge_kw=power.tolist(),
        energy_at_arrival_kwh=start.tolist(), energy_required_kwh=(start + 0.9 * (steps_wanted - 0.3) * power).tolist(),
        energy_max_kwh=60.0, discharge_kw=0.0, charge_efficiency=0.9, no_pause=(rng.random(size) < 0.5).tolist(),
    )  # fmt: skip
    problem = plan_problem(
        rng.uniform(0.05, 0.4, periods).tolist(), base=rng.uniform(-6.0, 6.0, periods).tolist(), fleet=fleet,
        demand=float(rng.choice([0.0, 0.5])), import_limit_kw=9.0, import_limit_penalty_per_kwh=0.2,
        export_limit_kw=float(rng.choice([2.0, math.inf])), import_hard_limit_kw=float(rng.choice([20.0, math.inf])),
    )  # fmt: skip
    plan = solve(problem, PlanOptions(gap=1e-7, solver="highs"))
    expected = cheapest_of_all(problem, np.minimum(fleet.energy_required_kwh, plan.energy_kwh[:, -1]))
    assert plan.status == "optimal"
    assert not plan.shortfall_kwh.any()
    assert plan.objective == pytest.approx(expected, abs=1e-6)
    assert plan.lower_bound <= expected + 1e-9
