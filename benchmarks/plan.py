"""The planner against HiGHS and pyomo: seconds to build and to solve, memory, gap, from ten vehicles to a million.

    python benchmarks/plan.py                                    # 10 … 100 000 vehicles, base and hard cases
    python benchmarks/plan.py --sizes 1000000 --cases base       # a million
    python benchmarks/plan.py --solvers engine --repeat 7        # without anybody beside it
    python benchmarks/plan.py --plot cost.html                   # cost against N, all solvers

Every solver has a process of its own for each size, so that its peak memory is its own; kernels and libraries are
loaded before the clock starts, and what that costs is measured apart. All of them get the same instance. A solver that
has no answer to the base case within ``--limit`` is asked neither for that size's other cases nor for larger fleets.
Times are medians; ratios are of processor time, which a busy machine disturbs less than seconds on the wall, and the
load average stands beside every row. The run ends with an error where bounds or optima contradict each other.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from plan_cases import HARD, MORE
from plan_workers import SOLVERS, Record, compiled, work

HERE = Path(__file__).resolve()
PEERS = ("highs", "pyomo")
WEEK_VEHICLES = 100
SLACK = 1e-6
"""Relative difference that optima of two solvers may show: HiGHS meets rows to 1e-7."""

_START_S = 120.0  # for a process to load its libraries, and to compile the kernels if it is the first one
_GRACE_S = 10.0


def spawned(order: dict[str, Any]) -> Iterator[Record]:
    """Carries out an order of :func:`plan_workers.work` in a process of its own, stopped where it takes too long."""
    command = [sys.executable, str(HERE), "--worker", json.dumps(order)]
    patience = order["limit"] * (order["repeat"] if order["solver"] not in PEERS else 1) + _GRACE_S
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        left, idle_mb, too_long, beaten = list(order["cases"]), 0.0, threading.Event(), False

        def stop() -> None:
            too_long.set()
            worker.kill()

        timer = threading.Timer(_START_S, stop)
        timer.start()
        for line in worker.stdout:
            timer.cancel()
            told = json.loads(line)
            if "ready" in told:
                idle_mb = told["memory_mb"]
            elif "done" in told:
                left.remove(told["done"])
            else:
                record = Record(**told)
                yield record
                if record.status == "no answer" and record.case == "base":
                    beaten = True
                    worker.kill()
                    break
            timer = threading.Timer(patience, stop)
            timer.start()
        timer.cancel()
    if beaten:
        return
    if left and too_long.is_set():
        yield Record(
            order["solver"], order["size"], left[0], 0.0, order["limit"], 0.0, None, None, None, "no answer",
            order["solver"], idle_mb, os.getloadavg()[0],
        )  # fmt: skip
    elif worker.returncode:
        message = f"{order['solver']} at {order['size']} ended with {worker.returncode}"
        raise SystemExit(message)


def measured(options: argparse.Namespace) -> Iterator[list[Record]]:
    """All records of one size after the other, then those of the week."""
    beaten: set[str] = set()
    plain = [kind for kind in options.cases if kind != "week"]
    runs = [(size, plain) for size in options.sizes if plain]
    if "week" in options.cases:
        runs.append((WEEK_VEHICLES, ["week"]))
    for size, cases in runs:
        records: list[Record] = []
        for solver in options.solvers:
            if solver in beaten and cases != ["week"]:
                continue
            few = solver in PEERS and size > options.peers_hard_up_to
            here = [kind for kind in cases if kind in {"base", "week"}] if few else cases
            if not here:
                continue
            order = {
                "solver": solver, "size": size, "cases": here, "seed": options.seed, "repeat": options.repeat,
                "limit": options.limit, "threads": options.threads,
            }  # fmt: skip
            for record in spawned(order):
                records.append(record)
                if record.status == "no answer" and record.case == "base":
                    beaten.add(solver)
        yield records


def by_case(records: Iterable[Record]) -> dict[str, dict[str, Record]]:
    """The records of one size, by case and then solver."""
    table: dict[str, dict[str, Record]] = {}
    for record in records:
        table.setdefault(record.case, {})[record.solver] = record
    return table


def contradictions(records: Iterable[Record]) -> list[str]:
    """Sentences on bounds above somebody's schedule and on optima that differ."""
    found = []
    for kind, row in by_case(records).items():
        answers = [record for name, record in row.items() if name in SOLVERS and record.objective is not None]
        for one in answers:
            room = SLACK * max(1.0, abs(one.objective or 0.0))
            found += [
                f"{one.size} × {kind}: {other.solver}'s bound {other.lower} is above {one.solver}'s {one.objective}"
                for other in answers
                if other.lower is not None and one.objective is not None and other.lower > one.objective + room
            ]
        differ = difference(row)
        if differ is not None and differ > SLACK:
            found.append(f"{row['highs'].size} × {kind}: optima of pyomo and HiGHS differ by {differ:.1e}")
    return found


def difference(row: dict[str, Record]) -> float | None:
    """Relative difference between the optima of pyomo's model and of HiGHS' arrays, where both answered."""
    ours, theirs = row.get("highs"), row.get("pyomo")
    if ours is None or theirs is None or ours.objective is None or theirs.objective is None:
        return None
    return abs(ours.objective - theirs.objective) / max(1.0, abs(ours.objective))


def seconds(value: float) -> str:
    """Milliseconds below a second, seconds above."""
    if value >= 1.0:
        return f"{value:.1f} s" if value < 100.0 else f"{value:.0f} s"
    return f"{value * 1e3:.0f} ms" if value >= 0.01 else f"{value * 1e3:.1f} ms"


def two(record: Record | None) -> str:
    """Build + solve."""
    if record is None:
        return "–"
    if record.status == "no answer":
        return "no answer"
    return f"{seconds(record.build_s)} + {seconds(record.solve_s)}"


def ratio(peer: Record | None, own: Record) -> str:
    """Processor time of a peer over the engine's; of one without an answer, what it had used by then."""
    if peer is None or peer.cpu_s <= 0.0 or own.cpu_s <= 0.0:
        return "–"
    times = peer.cpu_s / own.cpu_s
    least = "" if peer.objective is not None else "> "
    return f"{least}{times:.1f}×" if times < 10 else f"{least}{times:.0f}×"


HEAD = (
    "vehicles", "case", "engine build + solve", "cpu", "passes", "gap", "status", "auto", "cpu", "by",
    "HiGHS build + solve", "ratio", "pyomo build + solve", "ratio", "optima differ", "load",
)  # fmt: skip


def rows(records: list[Record]) -> Iterator[tuple[str, ...]]:
    """One row per case, for the table."""
    for kind, row in by_case(records).items():
        own = row.get("engine") or row.get("auto") or next(iter(row.values()))
        chosen, differ = row.get("auto"), difference(row)
        load = max(record.load for record in row.values())
        yield (
            str(own.size), kind, two(row.get("engine")), seconds(own.cpu_s), str(own.passes),
            "–" if own.gap is None else f"{own.gap:.0e}", own.status,
            "–" if chosen is None else seconds(chosen.total_s), "–" if chosen is None else seconds(chosen.cpu_s),
            "–" if chosen is None else chosen.used,
            two(row.get("highs")), ratio(row.get("highs"), own), two(row.get("pyomo")), ratio(row.get("pyomo"), own),
            "–" if differ is None else f"{differ:.0e}", f"{load:.1f}",
        )  # fmt: skip


def printed(cells: Iterable[str]) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


def headed(cells: tuple[str, ...]) -> None:
    print()
    printed(cells)
    printed("---" for _ in cells)


def print_extras(everything: list[Record]) -> None:
    """Memory of each process in its base case, and re-plans."""
    headed(("vehicles", "solver", "peak memory", "load"))
    for record in everything:
        if record.solver in SOLVERS and record.case in {"base", "week"} and record.status != "no answer":
            printed(
                (
                    str(record.size),
                    f"{record.solver}, {record.case}",
                    f"{record.memory_mb:.0f} MB",
                    f"{record.load:.1f}",
                )
            )
    headed(("vehicles", "after small news", "wall", "cpu", "passes", "gap", "load"))
    for record in everything:
        if record.solver.startswith("re-plan"):
            printed((
                str(record.size), record.solver, seconds(record.total_s), seconds(record.cpu_s), str(record.passes),
                f"{record.gap:.0e}", f"{record.load:.1f}",
            ))  # fmt: skip


def print_compiling() -> None:
    """How long a process takes until the engine is ready, with an empty cache of kernels and with a full one."""
    headed(("kernels", "importing", "compiling or loading", "load"))
    with tempfile.TemporaryDirectory() as folder:
        for name in ("nothing cached", "cached"):
            answer = subprocess.run(
                [sys.executable, str(HERE), "--worker", "compiled"], check=True, capture_output=True, text=True,
                env={**os.environ, "NUMBA_CACHE_DIR": folder},
            )  # fmt: skip
            told = json.loads(answer.stdout)
            printed((name, seconds(told["import_s"]), seconds(told["prepare_s"]), f"{told['load']:.1f}"))


def plot(everything: list[Record], path: Path) -> None:
    """Draws build and solve against the number of vehicles: a line for each solver, points for the hard cases."""
    import plotly.graph_objects as go

    from bothways.adapters.files.writing import write_bytes

    figure = go.Figure()
    colours = {"engine": "#0b7a75", "auto": "#7a7a7a", "highs": "#c8553d", "pyomo": "#3d5a98"}
    for solver, colour in colours.items():
        told = [item for item in everything if item.solver == solver and item.objective is not None]
        base = sorted((item for item in told if item.case == "base"), key=lambda item: item.size)
        hard = [item for item in told if item.case not in {"base", "week"}]
        figure.add_scatter(
            x=[item.size for item in base], y=[item.total_s for item in base], mode="lines+markers", name=solver,
            line={"color": colour},
        )  # fmt: skip
        figure.add_scatter(
            x=[item.size for item in hard], y=[item.total_s for item in hard], mode="markers", opacity=0.4,
            text=[item.case for item in hard], name=f"{solver}, hard cases", marker={"color": colour, "symbol": "x"},
        )  # fmt: skip
    figure.update_layout(
        title="Planning a fleet over 96 steps: build and solve", template="plotly_white",
        xaxis={"type": "log", "title": "vehicles", "dtick": 1}, yaxis={"type": "log", "title": "seconds", "dtick": 1},
    )  # fmt: skip
    write_bytes(path, figure.to_html(include_plotlyjs=True).encode())


def asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=[10, 100, 1000, 10_000, 100_000])
    parser.add_argument("--cases", nargs="+", default=["base", *HARD, "week"], choices=["base", *HARD, *MORE])
    parser.add_argument("--solvers", nargs="+", default=list(SOLVERS), choices=list(SOLVERS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=5, help="calls of which the median counts, fewer from 3 s on")
    parser.add_argument("--threads", type=int, default=None, help="of the engine; by default its own choice")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds after which a solver has no answer")
    parser.add_argument(
        "--peers-hard-up-to", type=int, default=100, help="largest fleet whose hard cases HiGHS and pyomo get, too"
    )
    parser.add_argument("--no-compile", action="store_true", help="leave out how long compiling takes")
    parser.add_argument("--plot", type=Path, help="HTML file for the drawing")
    parser.add_argument("--json", type=Path, help="file for all records")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measures, prints, draws."""
    options = asked()
    if options.worker is not None:
        if options.worker == "compiled":
            compiled()
        else:
            work(json.loads(options.worker))
        return
    from bothways.planning.engine.simd import LANES

    print(f"{LANES} lanes, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, limit {options.limit:g} s")
    everything: list[Record] = []
    headed(HEAD)
    for records in measured(options):
        everything += records
        for cells in rows([record for record in records if record.solver in SOLVERS]):
            printed(cells)
        if options.json is not None:
            options.json.write_text(json.dumps([asdict(record) for record in everything], indent=1))
    print_extras(everything)
    if not options.no_compile:
        print_compiling()
    if options.plot is not None:
        plot(everything, options.plot)
    wrong = [sentence for size in {item.size for item in everything} for sentence in contradictions(
        item for item in everything if item.size == size)]  # fmt: skip
    if wrong:
        raise SystemExit("\n".join(wrong))


if __name__ == "__main__":
    main()
