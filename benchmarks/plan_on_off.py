"""Minimum powers, no pauses and burning prices: seconds and gaps of the engine, HiGHS's whole numbers beside it.

    python benchmarks/plan_on_off.py                              # 30 … 10 000 vehicles, base and hard cases
    python benchmarks/plan_on_off.py --sizes 100000 --cases base  # larger
    python benchmarks/plan_on_off.py --highs 60                   # HiGHS beside it, 60 s each, up to 1 000 vehicles

The instances are those of ``plan.py``; every vehicle has its 6 A minimum (1.38 or 4.14 kW), one in ten must not
pause. In the case "burning" nobody has either, and three hours at noon cost −0.60 per kWh instead. Times are
processor time of one thread, kernels loaded before. The run ends with an error where somebody's schedule lies below
another's bound.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace

import numpy as np

from bothways.domain.errors import SolverError
from bothways.planning.engine.onoff.solve import prepare_on_off, solve_on_off
from bothways.planning.evaluation import evaluate
from bothways.planning.highs.reference import solve_with_highs
from bothways.planning.problem import PlanOptions, PlanProblem, PlanSolution
from plan_cases import HARD, case

BURNING = "burning"
HIGHS_UP_TO = 1_000
_SMALL_CHARGER_KW = 7.4
_SLACK = 1e-6


def on_off_case(kind: str, size: int, seed: int) -> PlanProblem:
    """An instance of ``plan.py`` whose vehicles are on or off."""
    if kind == BURNING:
        problem = case("base", size, seed)
        hour = np.arange(problem.periods) * problem.step_h
        buy = np.where((hour >= 11) & (hour < 14), -0.6, problem.import_price)
        return replace(problem, import_price=buy, export_price=np.minimum(problem.export_price, buy - 0.02))
    problem, rng = case(kind, size, seed), np.random.default_rng(seed + 1)
    least = np.where(problem.fleet.charge_kw == _SMALL_CHARGER_KW, 1.38, 4.14)
    runs = rng.random(size) < 0.1
    return replace(problem, fleet=replace(problem.fleet, min_charge_kw=least, no_pause=runs))


def row(name: str, size: int, kind: str, plan: PlanSolution, seconds: float) -> str:
    """One line of the table."""
    return (
        f"{size:>7} | {kind:<16} | {name:<6} | {plan.status:<8} | {plan.objective:>14.3f} | "
        f"{plan.lower_bound:>14.3f} | {plan.gap:7.1e} | {seconds:7.2f} s | load {os.getloadavg()[0]:.1f}"
    )


def main() -> None:
    """Runs what the options ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[30, 100, 1_000, 10_000])
    parser.add_argument("--cases", nargs="+", default=["base", *HARD, BURNING])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--gap", type=float, default=1e-4)
    parser.add_argument("--highs", type=float, default=0.0, help="seconds for HiGHS on each instance; 0 for none")
    asked = parser.parse_args()
    prepare_on_off()
    for size in asked.sizes:
        for kind in asked.cases:
            problem = on_off_case(kind, size, asked.seed)
            begin = time.process_time()
            try:
                plan = solve_on_off(problem, PlanOptions(gap=asked.gap))
            except SolverError as error:
                print(f"{size:>7} | {kind:<16} | engine | no answer: {error}", flush=True)
                continue
            print(row("engine", size, kind, plan, time.process_time() - begin), flush=True)
            if not evaluate(problem, plan.power_kw).violations.none:
                msg = f"{kind}, {size}: the engine's schedule breaks a limit"
                raise SystemExit(msg)
            if asked.highs > 0.0 and size <= HIGHS_UP_TO:
                begin = time.process_time()
                exact = solve_with_highs(problem, PlanOptions(gap=asked.gap, time_limit_s=asked.highs))
                print(row("HiGHS", size, kind, exact, time.process_time() - begin), flush=True)
                slack = _SLACK * max(1.0, abs(exact.objective))
                if plan.lower_bound > exact.objective + slack or exact.lower_bound > plan.objective + slack:
                    msg = f"{kind}, {size}: bounds and schedules contradict each other"
                    raise SystemExit(msg)


if __name__ == "__main__":
    main()
