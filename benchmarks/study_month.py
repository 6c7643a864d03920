"""The JPL month: all strategies of each case in the closed loop, with time and memory of the whole process."""

from __future__ import annotations

import resource
import time
from pathlib import Path

from bothways.app.cli import runtime


def main() -> None:
    """Prints the table; the goals are 40 s for a case with all strategies and 1 GB."""
    runtime.prepare()
    from bothways.app.study.loading import load_study
    from bothways.studies.baseline import run_uncontrolled
    from bothways.studies.closed_loop import run_closed_loop
    from bothways.studies.foresight import run_foresight

    scenario = Path(__file__).resolve().parents[1] / "examples" / "workplace-jpl" / "scenario.toml"
    start = time.perf_counter()
    inputs = load_study(scenario).inputs
    print(f"loading {time.perf_counter() - start:.2f} s, {inputs.stays.size} stays, {inputs.grid.periods} steps")
    for case in inputs.cases:
        begin = time.perf_counter()
        reference = run_uncontrolled(inputs, case)
        for strategy in ("smart", "bidirectional"):
            start = time.perf_counter()
            run = run_closed_loop(inputs, case, strategy)
            took = time.perf_counter() - start
            each = took / max(1, run.planning.plans) * 1e3
            print(f"  {case.name:28.28s} {strategy:14s} {took:6.2f} s  {run.planning.plans} plans  {each:.2f} ms each")
            start = time.perf_counter()
            run_foresight(inputs, case, strategy, reference.trace)
            print(f"  {'':28s} {'future known':14s} {time.perf_counter() - start:6.2f} s  1 plan")
        print(f"  {case.name:28.28s} {'all':14s} {time.perf_counter() - begin:6.2f} s  (goal 40 s, then 10 s)")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB  (goal 1000 MB)")


if __name__ == "__main__":
    main()
