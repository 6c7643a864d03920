"""The reference optimiser through HiGHS: building the arrays, solving, proving the bound and writing the schedule.

Quoted for comparison, measured elsewhere on two cores: a plain HiGHS model of 100 vehicles over one week with wear and
site peak 1.4 s; pyomo with HiGHS 0.6 s for 100 vehicles and 96 steps.
"""

from __future__ import annotations

import statistics
import time

import numpy as np

from bothways.planning.problem import DemandCharge, Fleet, PlanOptions, PlanProblem
from bothways.planning.solve import solve

QUOTED = {(100, 96): ("pyomo + HiGHS", 0.6), (100, 672): ("plain HiGHS model", 1.4)}


def problem(vehicles: int, steps: int) -> PlanProblem:
    """A site of 15-minute steps with a demand charge, a soft limit, and vehicles that come every day."""
    rng = np.random.default_rng(1)
    days = max(1, steps // 96)
    count = vehicles * days
    day = np.repeat(np.arange(days), vehicles) * 96
    arrival = day + rng.integers(20, 50, count)
    departure = np.minimum(steps, arrival + rng.integers(12, 44, count))
    energy = rng.uniform(8.0, 25.0, count)
    hour = (np.arange(steps) % 96) / 4.0
    fleet = Fleet(
        arrival=arrival,
        departure=departure,
        energy_at_arrival_kwh=energy,
        energy_required_kwh=energy + rng.uniform(2.0, 15.0, count),
        energy_min_kwh=np.full(count, 5.0),
        energy_max_kwh=np.full(count, 60.0),
        charge_kw=np.full(count, 7.0),
        discharge_kw=np.where(rng.random(count) < 0.7, 7.0, 0.0),
        charge_efficiency=np.full(count, 0.95),
        discharge_efficiency=np.full(count, 0.95),
        wear_per_kwh=np.full(count, 0.03),
        min_charge_kw=np.zeros(count),
        no_pause=np.zeros(count, dtype=np.bool_),
    )
    return PlanProblem(
        step_h=0.25,
        periods=steps,
        import_price=0.15 + 0.08 * np.sin((hour - 10.0) / 24.0 * 2.0 * np.pi),
        export_price=np.full(steps, 0.05),
        base_load_kw=vehicles * (0.5 + 0.2 * np.sin((hour - 8.0) / 24.0 * 2.0 * np.pi)),
        fleet=fleet,
        demand_charges=(DemandCharge(5.0, np.ones(steps, dtype=np.bool_)),),
        import_limit_kw=3.0 * vehicles,
        import_limit_penalty_per_kwh=1.0,
    )


def main() -> None:
    """Prints the table; the goal for 100 vehicles and 96 steps is 0.2 s."""
    for vehicles, steps in ((10, 96), (25, 96), (100, 96), (100, 672)):
        asked = problem(vehicles, steps)
        taken = []
        for _ in range(5):
            start = time.perf_counter()
            answer = solve(asked, PlanOptions(solver="highs"))
            taken.append(time.perf_counter() - start)
        median = statistics.median(taken)
        peer = QUOTED.get((vehicles, steps))
        ratio = f"  {peer[1] / median:.1f}x {peer[0]} ({peer[1]} s, quoted)" if peer else ""
        print(f"{vehicles:5d} vehicles x {steps:4d} steps  {median * 1e3:8.1f} ms  {answer.status}{ratio}")


if __name__ == "__main__":
    main()
