"""What a planner that ignores losses at part load costs, in the closed loop: the plant has them in both runs.

    python benchmarks/part_load_loop.py

The small office of the tests over five days, 4 and 20 vehicles on 7 kW chargers with the default losses, with and
without a demand charge of 10 per kW. Both planners see the efficiencies of full power; one of them also the curve.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from bothways.battery.losses import default_losses
from bothways.dispatch import policy
from bothways.planning.part_load import PartLoad
from bothways.planning.problem import PlanProblem
from bothways.planning.watch import Watch
from bothways.studies.closed_loop import run_closed_loop
from bothways.studies.inputs import StudyInputs
from bothways.studies.runs import StrategyRun

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "unit" / "studies"))
from small_study import small_case, small_grid, small_inputs, small_stays

DAYS = 5
KNOWING = policy.plan_problem


def ignoring(site: policy.SiteView, connected: policy.Connected) -> PlanProblem:
    """The planner's problem without the curve."""
    return KNOWING(site, replace(connected, part_load=None))


def cost(inputs: StudyInputs, run: StrategyRun) -> float:
    """Energy, demand and wear at the optimiser's prices."""
    case, net, step_h = inputs.cases[0], run.flows.net, inputs.grid.step_h
    bought = case.import_price.values @ np.maximum(net, 0.0) - case.export_price.values @ np.maximum(-net, 0.0)
    demand = sum(term.price_per_kw * max(0.0, net[term.steps].max() - term.above_kw) for term in case.demand)
    given = np.maximum(-run.trace.evse_power_kw, 0.0).sum()
    return float(step_h * (bought + given * inputs.settings.wear_per_kwh) + demand)


def main() -> None:
    """Prints a line per strategy."""
    grid = small_grid(DAYS)
    for vehicles in (4, 20):
        for demand in (0.0, 10.0):
            stays = small_stays(grid, vehicles=vehicles)
            lossy = stays.with_losses(PartLoad((default_losses(7.0),), np.zeros(stays.size, np.int64)))
            case = small_case(grid, demand=demand, office_kw=10.0 * vehicles)
            inputs = small_inputs(days=DAYS, stays=lossy, case=case)
            for strategy in ("smart", "bidirectional"):
                found = []
                for planner in (KNOWING, ignoring):
                    policy.plan_problem = planner
                    begin = time.perf_counter()
                    watch = Watch(clock=time.perf_counter, prepared=True)
                    run = run_closed_loop(inputs, inputs.cases[0], strategy, watch=watch)
                    found.append((cost(inputs, run), time.perf_counter() - begin, run.planning.worst_gap))
                (knows, long, gap), (ignores, short, _) = found
                print(
                    f"{vehicles:>3} vehicles, demand {demand:>4g}, {strategy:<13} | "
                    f"knowing {knows:9.2f} in {long:5.1f} s, worst gap {gap:.1e} | "
                    f"ignoring {ignores:9.2f} in {short:5.1f} s | {ignores / knows - 1.0:.2%}"
                )


if __name__ == "__main__":
    main()
