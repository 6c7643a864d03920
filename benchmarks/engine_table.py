"""Prints the engine's table: vehicles, seconds, passes, gap, and how much longer HiGHS takes on the same instance.

    python benchmarks/engine_table.py                       # 10 … 10 000 vehicles, base and hard cases
    python benchmarks/engine_table.py --sizes 1000000       # one size
    python benchmarks/engine_table.py --highs-up-to 0       # without HiGHS

Times are medians of ``--repeat`` calls of ``solve_engine`` with all that is in them: packing, search, bounds, answer.
Kernels are compiled before the clock starts; the time that takes is printed. On a machine that others use too,
processor time is the fairer figure; the re-plan and the ratio to HiGHS are in processor time.
"""

from __future__ import annotations

import argparse
import gc
import resource
import statistics
import time
from dataclasses import dataclass, replace

import numpy as np

from bothways.planning.engine.simd import LANES
from bothways.planning.engine.solve import EngineState, solve_engine
from bothways.planning.highs.reference import solve_with_highs
from bothways.planning.problem import DemandCharge, Fleet, PlanOptions, PlanProblem

PERIODS = 96
HARD = (
    "no demand charge", "5 per kW", "identical", "flat price", "negative price", "no load", "export = import",
    "limit 3.0", "limit 2.5", "limit 2.0", "limit 1.6", "limit 1.3", "three charges",
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One row of the table; times in seconds, processor time where the name says so."""

    seconds: float
    cpu_s: float
    passes: int
    gap: float
    warm_cpu_s: float
    highs_cpu_s: float | None


def fleet_of(size: int, rng: np.random.Generator) -> Fleet:
    """Workplace stays around midday: four batteries, three chargers, four in five vehicles two-way."""
    arrival = np.clip(np.round(rng.normal(34, 6, size)), 0, 60).astype(np.int64)
    stay = np.clip(np.round(rng.normal(36, 10, size)), 4, PERIODS).astype(np.int64)
    capacity, start = rng.choice([40.0, 60.0, 75.0, 100.0], size), rng.uniform(0.2, 0.7, size)
    power = rng.choice([7.4, 11.0, 22.0], size)
    wish = np.minimum(0.9, start + rng.uniform(0.0, 0.5, size))
    return Fleet(
        arrival=arrival,
        departure=np.minimum(PERIODS, arrival + stay),
        energy_at_arrival_kwh=capacity * start,
        energy_required_kwh=capacity * wish,
        energy_min_kwh=capacity * 0.15,
        energy_max_kwh=capacity,
        charge_kw=power,
        discharge_kw=np.where(rng.random(size) < 0.8, power, 0.0),
        charge_efficiency=np.full(size, 0.95),
        discharge_efficiency=np.full(size, 0.95),
        wear_per_kwh=np.full(size, 0.03),
        min_charge_kw=np.zeros(size),
        no_pause=np.zeros(size, dtype=np.bool_),
    )


def case(kind: str, size: int, seed: int) -> PlanProblem:
    """One instance: time-of-use tariff, building and PV in proportion to the fleet."""
    rng = np.random.default_rng(seed)
    hour = np.arange(PERIODS) * 0.25
    buy = np.where((hour >= 16) & (hour < 21), 0.38, np.where((hour >= 7) & (hour < 16), 0.22, 0.14))
    buy = buy + 0.02 * np.sin(hour)
    sun = np.maximum(0.0, np.sin((hour - 6) / 12 * np.pi)) * (hour < 18)
    everywhere = np.ones(PERIODS, dtype=np.bool_)
    problem = PlanProblem(
        step_h=0.25,
        periods=PERIODS,
        import_price=buy,
        export_price=0.8 * buy - 0.02,
        base_load_kw=size * (1.0 + 0.8 * np.exp(-(((hour - 15) / 4) ** 2)) - 0.9 * sun),
        fleet=fleet_of(size, rng),
        demand_charges=(DemandCharge(0.5, everywhere),),
        import_limit_kw=4.0 * size,
        import_limit_penalty_per_kwh=1.0,
        export_limit_kw=3.0 * size,
    )
    return changed(problem, kind, hour)


def changed(problem: PlanProblem, kind: str, hour: np.ndarray) -> PlanProblem:
    """The base case turned into a hard one."""
    size, buy, everywhere = problem.fleet.size, problem.import_price, np.ones(PERIODS, dtype=np.bool_)
    fleet = problem.fleet
    one = {name: np.full_like(getattr(fleet, name), getattr(fleet, name)[0]) for name in fleet.__dataclass_fields__}
    low = np.where((hour >= 10) & (hour < 14), -0.05, buy)
    evening, day = (hour >= 16) & (hour < 21), (hour >= 8) & (hour < 23)
    changes: dict[str, dict[str, object]] = {
        "base": {},
        "no demand charge": {"demand_charges": ()},
        "5 per kW": {"demand_charges": (DemandCharge(5.0, everywhere),)},
        "identical": {"fleet": Fleet(**one)},
        "flat price": {"import_price": np.full(PERIODS, 0.2), "export_price": np.full(PERIODS, 0.1)},
        "negative price": {"import_price": low, "export_price": np.minimum(problem.export_price, low - 0.01)},
        "no load": {"base_load_kw": np.zeros(PERIODS)},
        "export = import": {"export_price": buy.copy()},
        "three charges": {
            "demand_charges": (
                DemandCharge(0.4, everywhere, 0.5 * size),
                DemandCharge(0.6, evening),
                DemandCharge(0.2, day, 0.2 * size),
            )
        },
    }
    if kind.startswith("limit"):
        return replace(problem, import_limit_kw=float(kind.split()[1]) * size)
    return replace(problem, **changes[kind])


def news(problem: PlanProblem, seed: int) -> PlanProblem:
    """The same problem after small news: load off by 3 %, one vehicle in twenty with other energy than thought."""
    rng = np.random.default_rng(seed)
    fleet = problem.fleet
    off = np.where(rng.random(fleet.size) < 0.05, rng.uniform(0.9, 1.1, fleet.size), 1.0)
    start = np.minimum(fleet.energy_at_arrival_kwh * off, fleet.energy_max_kwh)
    load = problem.base_load_kw * rng.uniform(0.97, 1.03, problem.periods)
    return replace(problem, base_load_kw=load, fleet=replace(fleet, energy_at_arrival_kwh=start))


def timed(problem: PlanProblem, repeat: int, threads: int | None, warm: EngineState | None) -> Line:
    """Medians of ``repeat`` calls and the last answer."""
    wall, cpu = [], []
    for _ in range(repeat):
        gc.collect()
        begin, begin_cpu = time.perf_counter(), time.process_time()
        plan, state = solve_engine(problem, threads=threads, warm=warm)
        wall.append(time.perf_counter() - begin)
        cpu.append(time.process_time() - begin_cpu)
    return Line(statistics.median(wall), statistics.median(cpu), state.sweeps, plan.gap, float("nan"), None)


def line(problem: PlanProblem, repeat: int, threads: int | None, *, with_highs: bool, with_warm: bool) -> Line:
    """Engine cold and warm, and HiGHS beside it where asked."""
    told = timed(problem, repeat, threads, None)
    if with_warm:
        _, state = solve_engine(problem, threads=threads)
        told = replace(told, warm_cpu_s=timed(news(problem, 7), repeat, threads, state).cpu_s)
    if with_highs:
        begin = time.process_time()
        exact = solve_with_highs(problem, PlanOptions(gap=1e-6, time_limit_s=600.0))
        told = replace(told, highs_cpu_s=time.process_time() - begin)
        plan, _ = solve_engine(problem, threads=threads)
        slack = 1e-9 * max(1.0, abs(exact.objective))
        if plan.lower_bound > exact.objective + slack or exact.lower_bound > plan.objective + slack:
            message = f"bounds contradict each other: {plan.lower_bound} … {plan.objective} and {exact.objective}"
            raise SystemExit(message)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 30, 100, 300, 1000, 10_000])
    parser.add_argument("--kinds", nargs="+", default=["base", *HARD])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--highs-up-to", type=int, default=1000, help="largest size at which HiGHS runs beside it")
    parser.add_argument("--no-warm", action="store_true")
    options = parser.parse_args()
    begin = time.perf_counter()
    solve_engine(case("base", 100, 0), PlanOptions(gap=1e-8))
    print(f"{LANES} lanes; kernels ready after {time.perf_counter() - begin:.2f} s")
    print(
        f"{'vehicles':>9} {'case':17} {'seed':>4} {'wall ms':>9} {'cpu ms':>9} "
        f"{'passes':>6} {'gap':>8} {'re-plan':>8} {'HiGHS':>9}"
    )
    for size in options.sizes:
        for kind in options.kinds:
            for seed in options.seeds:
                problem = case(kind, size, seed)
                told = line(
                    problem, options.repeat, options.threads,
                    with_highs=size <= options.highs_up_to, with_warm=not options.no_warm,
                )  # fmt: skip
                ratio = "" if told.highs_cpu_s is None else f"{told.highs_cpu_s / told.cpu_s:8.1f}×"
                print(
                    f"{size:9d} {kind:17} {seed:4d} {told.seconds * 1e3:9.1f} {told.cpu_s * 1e3:9.1f} "
                    f"{told.passes:6d} {told.gap:8.1e} {told.warm_cpu_s * 1e3:8.1f} {ratio:>9}",
                    flush=True,
                )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"peak memory of this process {peak:.2f} GB")


if __name__ == "__main__":
    main()
