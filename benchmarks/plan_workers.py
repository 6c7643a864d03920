"""One solver at one size in a process of its own: times, memory and bounds, a line of JSON for each case."""

from __future__ import annotations

import gc
import json
import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bothways.planning.problem import PlanOptions, PlanProblem, PlanSolution
from plan_cases import case, news

GAP = 1e-4
ENOUGH_S = 3.0  # no further repeat of a case once its calls have taken this long together


@dataclass(frozen=True)
class Record:
    """What one solver did with one case.

    Attributes:
        solver: ``engine``, ``auto``, ``highs``, ``pyomo`` or ``re-plan`` (engine with prices of an earlier plan).
        size: number of vehicles.
        case: name of the instance.
        build_s: from the problem to the solver's own arrays or model [s].
        solve_s: the rest of the call, answer included [s].
        cpu_s: processor time of build and solve [s].
        objective: cost of the schedule; None without an answer.
        lower: proven lower bound, where there is one.
        gap: relative gap, where there is one.
        status: ``optimal``, ``feasible``, ``no answer``.
        used: which solver answered, in words.
        memory_mb: greatest resident memory of the process so far [MB]; the first case of a process is exact.
        load: load average over the last minute.
        passes: passes over the fleet that the engine made.
    """

    solver: str
    size: int
    case: str
    build_s: float
    solve_s: float
    cpu_s: float
    objective: float | None
    lower: float | None
    gap: float | None
    status: str
    used: str
    memory_mb: float = 0.0
    load: float = 0.0
    passes: int = 0

    @property
    def total_s(self) -> float:
        """Build and solve [s]."""
        return self.build_s + self.solve_s


@dataclass(frozen=True)
class Clocked:
    """Medians of a repeated call: start of the search, whole call, processor time [s]; and the last result."""

    build_s: float
    wall_s: float
    cpu_s: float
    result: Any


@contextmanager
def watched_search() -> Iterator[list[float]]:
    """Notes when the engine's search object is made: what comes before it is the packing of the fleet."""
    from bothways.planning.engine import solve as door

    made, original = [], door.Search

    def noted(*args: Any, **named: Any) -> Any:
        search = original(*args, **named)
        made.append(time.perf_counter())
        return search

    door.Search = noted  # type: ignore[assignment,misc]
    try:
        yield made
    finally:
        door.Search = original  # type: ignore[misc]


def clocked(call: Callable[[], Any], repeat: int) -> Clocked:
    """Calls up to ``repeat`` times, fewer where that takes long."""
    builds, walls, cpus = [], [], []
    result = None
    while len(walls) < repeat and sum(walls) < ENOUGH_S:
        result = None
        gc.collect()
        with watched_search() as made:
            begin, begin_cpu = time.perf_counter(), time.process_time()
            result = call()
            walls.append(time.perf_counter() - begin)
            cpus.append(time.process_time() - begin_cpu)
        builds.append(made[0] - begin if made else 0.0)
    return Clocked(statistics.median(builds), statistics.median(walls), statistics.median(cpus), result)


def planned(solver: str, size: int, kind: str, told: Clocked, plan: PlanSolution, passes: int = 0) -> Record:
    return Record(
        solver, size, kind, told.build_s, told.wall_s - told.build_s, told.cpu_s, plan.objective, plan.lower_bound,
        plan.gap, plan.status, plan.solver, passes=passes,
    )  # fmt: skip


def engine(problem: PlanProblem, size: int, kind: str, options: dict[str, Any]) -> Iterator[Record]:
    """The engine from a cold start; for the base case also a re-plan after small news, cold and warm."""
    from bothways.planning.engine.solve import solve_engine

    asked, threads = PlanOptions(gap=GAP), options["threads"]
    told = clocked(lambda: solve_engine(problem, asked, threads=threads), options["repeat"])
    plan, state = told.result
    yield planned("engine", size, kind, told, plan, state.sweeps)
    if kind != "base":
        return
    changed = news(problem, 7)
    for name, warm in (("re-plan", state), ("re-plan, cold", None)):
        told = clocked(lambda warm=warm: solve_engine(changed, asked, warm=warm, threads=threads), options["repeat"])
        yield planned(name, size, kind, told, told.result[0], told.result[1].sweeps)


def auto(problem: PlanProblem, size: int, kind: str, options: dict[str, Any]) -> Iterator[Record]:
    """What is taken unless told otherwise, where kernels are loaded, as in the live system and in studies."""
    from bothways.planning.solve import solve
    from bothways.planning.watch import Watch

    asked, watch = PlanOptions(gap=GAP, time_limit_s=options["limit"]), Watch(prepared=True)
    told = clocked(lambda: solve(problem, asked, watch), options["repeat"])
    yield planned("auto", size, kind, told, told.result)


def direct(problem: PlanProblem, limit_s: float) -> tuple[float, float, float | None, float]:
    """HiGHS with arrays passed whole: seconds to build, seconds to solve, objective and bound."""
    from bothways.planning.highs.model import build
    from bothways.planning.highs.runner import Runner
    from bothways.planning.layout import Layout
    from bothways.planning.shortfall import reach

    begin = time.perf_counter()
    layout = Layout.of(problem)
    program = build(problem, layout, reach(problem, layout)).program
    left = limit_s - (time.perf_counter() - begin)
    runner = Runner(program, time_limit_s=max(left, 0.0), gap=GAP)
    built = time.perf_counter()
    answer = runner.run()
    done = time.perf_counter()
    proven = answer.status == "optimal" and answer.x is not None
    return built - begin, done - built, float(program.cost @ answer.x) if proven else None, answer.bound


def highs(problem: PlanProblem, size: int, kind: str, options: dict[str, Any]) -> Iterator[Record]:
    """HiGHS by itself, once or, where it is quick, several times."""
    builds: list[float] = []

    def call() -> tuple[float, float, float | None, float]:
        answer = direct(problem, options["limit"])
        builds.append(answer[0])
        return answer

    told = clocked(call, options["repeat"])
    objective, bound = told.result[2:]
    build_s = statistics.median(builds)
    gap = None if objective is None else (objective - bound) / max(1.0, abs(objective))
    status = "no answer" if objective is None else "optimal"
    yield Record(
        "highs", size, kind, build_s, told.wall_s - build_s, told.cpu_s, objective, bound, gap, status, "HiGHS"
    )


def pyomo(problem: PlanProblem, size: int, kind: str, options: dict[str, Any]) -> Iterator[Record]:
    """The pyomo model of the same instance, solved by HiGHS through pyomo's direct interface (appsi)."""
    from plan_pyomo import solve_with_pyomo

    builds: list[float] = []

    def call() -> float | None:
        answer = solve_with_pyomo(problem, options["limit"])
        builds.append(answer.build_s)
        return answer.objective

    told = clocked(call, options["repeat"])
    build_s = statistics.median(builds)
    status = "no answer" if told.result is None else "optimal"
    yield Record(
        "pyomo", size, kind, build_s, told.wall_s - build_s, told.cpu_s, told.result, None, None, status, "pyomo"
    )


SOLVERS = {"engine": engine, "auto": auto, "highs": highs, "pyomo": pyomo}


def warmed(solver: str) -> None:
    """Loads what a process loads once, so that no case pays for it."""
    small = case("base", 10, 0)
    if solver in {"engine", "auto"}:
        from bothways.planning.engine.solve import prepare, solve_engine

        prepare()
        solve_engine(case("base", 100, 0), PlanOptions(gap=1e-8))  # all forms, not only the two that prepare() calls
    for _ in SOLVERS[solver](small, 10, "small", {"repeat": 1, "limit": 10.0, "threads": None}):
        pass


def work(order: dict[str, Any]) -> None:
    """Carries out ``order`` (solver, size, cases, seed, repeat, limit, threads) and prints a line for each record."""
    warmed(order["solver"])
    _say({"ready": order["solver"], "memory_mb": memory_mb()})
    for kind in order["cases"]:
        problem = case(kind, order["size"], order["seed"])
        for record in SOLVERS[order["solver"]](problem, order["size"], kind, order):
            _say({**asdict(record), "memory_mb": memory_mb(), "load": os.getloadavg()[0]})
        _say({"done": kind})


def compiled() -> None:
    """Prints how long a process takes until the engine is ready: importing, and compiling or loading its kernels."""
    begin = time.perf_counter()
    from bothways.planning.engine.solve import prepare

    imported = time.perf_counter()
    prepare()
    _say({"import_s": imported - begin, "prepare_s": time.perf_counter() - imported, "load": os.getloadavg()[0]})


def memory_mb() -> float:
    """Greatest resident memory of this process so far [MB].

    Linux hands ``ru_maxrss`` on from the process that started this one, so its own high-water mark is read first.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _say(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)
