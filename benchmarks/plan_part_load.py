"""Losses at part load: seconds and gaps of a plan that counts them, and what one that does not would cost by the curve.

    python benchmarks/plan_part_load.py                        # 10, 30, 100 and 1 000 vehicles
    python benchmarks/plan_part_load.py --sizes 10000 --cases base

The instances are those of ``plan.py``, every vehicle with the default losses of a charger of its rating. *Ignoring*
plans the same vehicles with the efficiencies of full power at every power; its cost is that of charging and discharging
the same energies through the real converters. Times are processor time, kernels loaded before.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np

from bothways.battery.losses import default_losses
from bothways.planning.engine.converters.solve import prepare_converters
from bothways.planning.engine.solve import prepare
from bothways.planning.evaluation import evaluate
from bothways.planning.part_load import PartLoad, power_for
from bothways.planning.problem import PlanOptions, PlanProblem
from bothways.planning.solve import solve
from plan_cases import case


def lossy(problem: PlanProblem) -> PlanProblem:
    """The instance with the default losses of every charger's rating."""
    rated, kind = np.unique(np.maximum(problem.fleet.charge_kw, problem.fleet.discharge_kw), return_inverse=True)
    return replace(problem, part_load=PartLoad(tuple(default_losses(float(each)) for each in rated), kind))


def main() -> None:
    """Runs what the options ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 30, 100, 1_000])
    parser.add_argument("--cases", nargs="+", default=["base", "no demand charge"])
    parser.add_argument("--gap", type=float, default=1e-3)
    parser.add_argument("--time", type=float, default=10.0, help="time limit of HiGHS [s]")
    options = parser.parse_args()
    prepare()
    prepare_converters()
    print("vehicles | case | solver | knowing: cost, gap, seconds | ignoring: seconds, cost, more, missing kWh")
    for size in options.sizes:
        for kind in options.cases:
            problem = lossy(case(kind, size, 1))
            asked = PlanOptions(gap=options.gap, time_limit_s=options.time)
            begin = time.process_time()
            knows = solve(problem, asked)
            between = time.process_time()
            ignores = solve(replace(problem, part_load=None), asked)
            end = time.process_time()
            change = np.diff(ignores.energy_kwh, axis=1)
            really = evaluate(problem, power_for(problem, change, np.arange(size)[:, None]))
            more = really.objective - knows.objective
            missing = float(np.maximum(really.shortfall_kwh - knows.shortfall_kwh, 0.0).sum())
            print(
                f"{size:>6} | {kind:<16} | {knows.solver:<30} | {knows.objective:12.3f}, {knows.gap:.1e}, "
                f"{between - begin:6.2f} s | {end - between:6.2f} s, {really.objective:12.3f}, {more:8.3f} "
                f"({more / max(1.0, abs(knows.objective)):.2%}), {missing:.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
