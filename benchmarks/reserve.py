"""Prints how long schedule and capacity bids take together: build, solve, proven gap, and HiGHS on the same instance.

    python benchmarks/reserve.py                            # 10 … 1 000 vehicles, two markets
    python benchmarks/reserve.py --sizes 3000 10000 --highs-up-to 0
    python benchmarks/reserve.py --markets fcr --gap 1e-4

Times are processor times of one call; kernels are compiled before the clock starts. Set OPENBLAS_NUM_THREADS=1 where
other programs use the machine too: waiting threads count as processor time. The HiGHS column is the exact program at
the same gap, ended after ``--time-limit`` seconds ("–" where it had no plan then); ratio is HiGHS over the decomposed
method. Every plan is called at every step in both directions (``check_calls``) up to 1 000 vehicles.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from bothways.domain.errors import SolverError
from bothways.planning.layout import Layout
from bothways.planning.problem import PlanOptions
from bothways.planning.reserve.calls import check_calls
from bothways.planning.reserve.decomposed import Search, run_search
from bothways.planning.reserve.exact import solve_reserve_highs
from bothways.planning.reserve.model import build
from bothways.planning.reserve.products import ReservePlanProblem, ReserveProduct
from bothways.planning.shortfall import reach
from plan_cases import case


def products_of(market: str) -> tuple[ReserveProduct, ...]:
    """``fcr``: one symmetric product; ``three``: with one-sided products of an hour beside it, and activation."""
    share = 0.05 if market == "three" else 0.0
    fcr = ReserveProduct(
        "FCR", "symmetric", np.full(6, 0.015), 16, 0.25, activation_up=share, activation_down=share
    )  # fmt: skip
    if market == "fcr":
        return (fcr,)
    return (
        fcr,
        ReserveProduct("aFRR up", "up", np.full(6, 0.008), 16, 1.0),
        ReserveProduct("aFRR down", "down", np.full(6, 0.006), 16, 1.0),
    )


def line(market: str, size: int, options: argparse.Namespace) -> str:
    """One row of the table."""
    problem = ReservePlanProblem(case("base", size, options.seed), products_of(market))
    started = time.process_time()
    search = Search(problem)
    built = time.process_time()
    told: list[int] = []
    run_search(search, options.gap, None, lambda step, *_: told.append(step))
    answer = search.answer(options.gap)
    solved = time.process_time()
    worst = f"{check_calls(problem, answer).worst:.0e}" if size <= 1000 else ""
    text = f"{market:6} {size:7d} {built - started:8.2f} {solved - built:9.2f} {told[-1]:6d}"
    text += f" {answer.plan.gap:9.1e} {worst:>7}"
    if size > options.highs_up_to:
        return text
    layout = Layout.of(problem.plan)
    begin = time.process_time()
    build(problem, layout, reach(problem.plan, layout), one_direction=np.zeros(0, dtype=np.int64), whole=False)
    made = time.process_time() - begin
    begin = time.process_time()
    try:
        exact = solve_reserve_highs(problem, PlanOptions(gap=options.gap, time_limit_s=options.time_limit))
    except SolverError:
        return text + f" {made:8.2f} {time.process_time() - begin:9.2f} {'–':>9}"
    taken = time.process_time() - begin
    slack = 1e-6 * abs(exact.plan.objective)
    if answer.plan.lower_bound > exact.plan.objective + slack or exact.plan.lower_bound > answer.plan.objective + slack:
        raise SystemExit(f"bounds contradict each other: {answer.plan.lower_bound} … {exact.plan.objective}")
    return text + f" {made:8.2f} {taken:9.2f} {exact.plan.gap:9.1e} {taken / (solved - started):7.1f}×"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 30, 100, 300, 1000])
    parser.add_argument("--markets", nargs="+", default=["fcr", "three"])
    parser.add_argument("--gap", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--highs-up-to", type=int, default=100)
    parser.add_argument("--time-limit", type=float, default=600.0)
    options = parser.parse_args()
    begin = time.process_time()
    run_search(Search(ReservePlanProblem(case("base", 5, 0), products_of("three"))), 0.5, None, None)
    print(f"kernels ready after {time.process_time() - begin:.1f} s")
    print(
        f"{'market':6} {'× 96':>7} {'build s':>8} {'solve s':>9} {'steps':>6} {'gap':>9} {'calls':>7} "
        f"{'HiGHS: b':>8} {'solve s':>9} {'gap':>9} {'ratio':>8}"
    )
    for market in options.markets:
        for size in options.sizes:
            print(line(market, size, options), flush=True)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2:.2f} GB")


if __name__ == "__main__":
    main()
