"""Vehicles that visit several sites: against a linear program written down independently, with SciPy."""

import math

import numpy as np
import pytest
from random_plans import random_problem
from scipy.optimize import linprog

from bothways.planning.evaluation import evaluate
from bothways.planning.highs.reference import solve_with_highs
from bothways.planning.journeys.problem import JourneyProblem, Trips
from bothways.planning.journeys.solve import solve_journeys
from bothways.planning.problem import DemandCharge, Fleet, PlanOptions, PlanProblem

STEPS = 12


def journeys(seed: int) -> JourneyProblem:
    """Vehicles that are at home, drive to work, and most of them back home; a few take no trip."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 5))
    leave = rng.integers(2, 5, size)
    back = rng.integers(7, 10, size)
    capacity = rng.choice([30.0, 60.0], size)
    kw, efficiency = rng.choice([3.7, 11.0], size), rng.uniform(0.85, 1.0, size)
    wear = rng.uniform(0.0, 0.05, size)

    def fleet(arrival: np.ndarray, departure: np.ndarray, start: np.ndarray, wish: np.ndarray) -> Fleet:
        rows = arrival.size // size
        return Fleet(
            arrival=arrival.astype(np.int64), departure=departure.astype(np.int64), energy_at_arrival_kwh=start,
            energy_required_kwh=wish, energy_min_kwh=np.zeros(arrival.size), energy_max_kwh=np.tile(capacity, rows),
            charge_kw=np.tile(kw, rows), discharge_kw=np.tile(kw, rows), charge_efficiency=np.tile(efficiency, rows),
            discharge_efficiency=np.tile(efficiency, rows), wear_per_kwh=np.tile(wear, rows),
            min_charge_kw=np.zeros(arrival.size), no_pause=np.zeros(arrival.size, dtype=np.bool_),
        )  # fmt: skip

    start = capacity * rng.uniform(0.3, 0.9, size)
    home = fleet(
        np.concatenate([np.zeros(size), back + 1]), np.concatenate([leave, np.full(size, STEPS)]),
        np.concatenate([start, np.zeros(size)]), np.concatenate([np.zeros(size), start * 0.8]),
    )  # fmt: skip
    work = fleet(leave + 1, back, np.zeros(size), np.zeros(size))
    used = rng.uniform(1.0, 0.2 * capacity, size)

    def site(one: Fleet, level: float) -> PlanProblem:
        buy = level * rng.uniform(0.5, 1.5, STEPS)
        charge = DemandCharge(float(rng.choice([0.0, 0.5])), np.ones(STEPS, dtype=np.bool_))
        return PlanProblem(
            1.0, STEPS, buy, 0.9 * buy, rng.uniform(0.0, 5.0, STEPS), one, (charge,),
            terminal_value_per_kwh=float(rng.choice([0.0, 0.1])),
        )  # fmt: skip

    at, zero, one = np.arange(size), np.zeros(size, dtype=np.int64), np.ones(size, dtype=np.int64)
    trips = Trips(
        np.concatenate([zero, one]), np.concatenate([at, at]), np.concatenate([one, zero]),
        np.concatenate([at, at + size]), np.concatenate([used, used]),
    )  # fmt: skip
    return JourneyProblem(("home", "work"), (site(home, 0.35), site(work, 0.15)), trips)


def independent(problem: JourneyProblem) -> float:
    """The least cost by one dense program per battery and site meter; requirements and floors as they are."""
    costs: list[float] = []
    bounds: list[tuple[float, float | None]] = []
    equal: list[tuple[dict[int, float], float]] = []
    under: list[tuple[dict[int, float], float]] = []

    def column(cost: float, low: float, high: float | None) -> int:
        costs.append(cost)
        bounds.append((low, high))
        return len(costs) - 1

    last: dict[tuple[int, int], int] = {}
    first: dict[tuple[int, int], dict[int, float]] = {}
    starts = {(int(s), int(r)) for s, r in zip(problem.trips.to_site, problem.trips.to_vehicle, strict=True)}
    ends = {(int(s), int(r)) for s, r in zip(problem.trips.from_site, problem.trips.from_vehicle, strict=True)}
    for number, site in enumerate(problem.sites):
        fleet, meter = site.fleet, [dict[int, float]() for _ in range(site.periods)]
        for i in range(fleet.size):
            before: int | None = None
            for t in range(int(fleet.arrival[i]), int(fleet.departure[i])):
                c = column(0.0, 0.0, float(fleet.charge_kw[i]))
                d = column(float(fleet.wear_per_kwh[i]), 0.0, float(fleet.discharge_kw[i]))
                is_last = t == fleet.departure[i] - 1
                worth = site.terminal_value_per_kwh if is_last and (number, i) not in ends else 0.0
                least = float(fleet.energy_required_kwh[i]) if is_last else 0.0
                e = column(-worth, least, float(fleet.energy_max_kwh[i]))
                row = {
                    e: 1.0, c: -float(fleet.charge_efficiency[i]), d: 1.0 / float(fleet.discharge_efficiency[i]),
                }  # fmt: skip
                if before is not None:
                    row[before] = -1.0
                    equal.append((row, 0.0))
                elif (number, i) in starts:
                    first[number, i] = row
                else:
                    equal.append((row, float(fleet.energy_at_arrival_kwh[i])))
                meter[t][c], meter[t][d] = -1.0, 1.0
                before = e
            assert before is not None
            last[number, i] = before
        peak = column(site.demand_charges[0].price_per_kw, 0.0, None)
        for t in range(site.periods):
            bought, sold = column(float(site.import_price[t]), 0, None), column(-float(site.export_price[t]), 0, None)
            equal.append(({**meter[t], bought: 1.0, sold: -1.0}, float(site.base_load_kw[t])))
            under.append(({bought: 1.0, peak: -1.0}, 0.0))
    trips = problem.trips
    for m in range(trips.size):
        one = last[int(trips.from_site[m]), int(trips.from_vehicle[m])]
        row = first[int(trips.to_site[m]), int(trips.to_vehicle[m])]
        equal.append(({**row, one: -1.0}, -float(trips.energy_kwh[m])))
        under.append(({one: -1.0}, -float(trips.energy_kwh[m])))

    def matrix(rows: list[tuple[dict[int, float], float]]) -> tuple[np.ndarray, np.ndarray]:
        table = np.zeros((len(rows), len(costs)))
        for k, (row, _) in enumerate(rows):
            table[k, list(row)] = list(row.values())
        return table, np.array([side for _, side in rows])

    (a_eq, b_eq), (a_ub, b_ub) = matrix(equal), matrix(under)
    found = linprog(costs, A_ub=a_ub, b_ub=b_ub, A_eq=a_eq, b_eq=b_eq, bounds=bounds, method="highs")
    assert found.status == 0, found.message
    return float(found.fun)


@pytest.mark.parametrize("seed", range(12))
def test_the_optimum_is_that_of_an_independent_program(seed: int) -> None:
    problem = journeys(seed)
    plan = solve_journeys(problem, PlanOptions(gap=1e-7))
    assert plan.status == "optimal"
    assert not any(site.shortfall_kwh.any() for site in plan.sites)
    assert plan.objective == pytest.approx(independent(problem), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("seed", range(12, 18))
def test_energy_is_conserved_from_stay_to_stay(seed: int) -> None:
    problem = journeys(seed)
    plan = solve_journeys(problem)
    trips = problem.trips
    for m in range(trips.size):
        before = plan.sites[int(trips.from_site[m])].evaluation.energy_end_kwh[int(trips.from_vehicle[m])]
        after = plan.sites[int(trips.to_site[m])].problem.fleet.energy_at_arrival_kwh[int(trips.to_vehicle[m])]
        assert after == pytest.approx(before - trips.energy_kwh[m], abs=1e-9)
        assert after >= -1e-9
        assert (plan.leaves_kwh[m], plan.arrives_kwh[m]) == pytest.approx((before, after))
    for site in plan.sites:
        seen = evaluate(site.problem, site.power_kw)
        assert seen.violations.none
        assert seen.objective == pytest.approx(site.evaluation.objective)


def test_without_trips_the_sites_are_planned_as_if_alone() -> None:
    none = np.zeros(0, dtype=np.int64)
    one = random_problem(24)
    problem = JourneyProblem(("a",), (one,), Trips(none, none, none, none, np.zeros(0)))
    alone = solve_with_highs(one, PlanOptions(gap=1e-9))
    plan = solve_journeys(problem, PlanOptions(gap=1e-9))
    assert plan.objective == pytest.approx(alone.objective, rel=1e-7, abs=1e-7)
    assert math.isclose(plan.lower_bound, alone.lower_bound, rel_tol=1e-6, abs_tol=1e-6)
