"""``bothways plan`` for vehicles that visit several sites."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from bothways.planning.journeys.problem import JourneyProblem
    from bothways.planning.journeys.solve import JourneySolution
    from bothways.planning.problem import PlanOptions

_MOST_LISTED = 10


def plan_journeys(
    content: dict[str, object], at: str, options: PlanOptions, schedule: Path | None, *, as_json: bool
) -> None:
    """Reads sites and trips, plans them together, and shows or prints the answer.

    Args:
        content: the problem as it was read.
        at: its file, for the messages.
        options: gap and time limit; the solver is HiGHS whatever is asked, unless it is the engine, which is refused.
        schedule: where to write the schedules, one table ``NAME.power_kw`` per site.
        as_json: whether to print the answer as JSON and nothing else.
    """
    import json as encoder  # noqa: PLC0415
    import time  # noqa: PLC0415

    from bothways.domain.errors import InputError, Problem  # noqa: PLC0415
    from bothways.planning.journeys.run import run_journeys  # noqa: PLC0415

    if options.solver == "engine":
        remedy = "Use --solver auto or highs."
        raise InputError([Problem("--solver", "engine", "a solver that can plan trips between sites", remedy)])
    begin = time.perf_counter()
    asked, answer, told = run_journeys(content, options, at=at)
    seconds = time.perf_counter() - begin
    if schedule is not None and answer.sites:
        _write(schedule, asked, answer)
    if as_json:
        whole = {**told, "seconds": round(seconds, 6)}
        typer.echo(encoder.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _show(asked, answer, options, seconds)
    if answer.status == "infeasible":
        raise typer.Exit(1)


def _write(path: Path, asked: JourneyProblem, answer: JourneySolution) -> None:
    import io  # noqa: PLC0415

    import numpy as np  # noqa: PLC0415

    from bothways.adapters.files.writing import write_bytes  # noqa: PLC0415

    tables: dict[str, Any] = {
        f"{name}.power_kw": plan.power_kw for name, plan in zip(asked.names, answer.sites, strict=True)
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **tables)
    write_bytes(path, buffer.getvalue())


def _show(asked: JourneyProblem, answer: JourneySolution, options: PlanOptions, seconds: float) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    console = Console()
    if answer.status == "infeasible":
        console.print("No schedule can keep the hard limits and make the trips:")
        for sentence in answer.infeasible_because:
            console.print(f"  - {sentence}", markup=False, soft_wrap=True)
        return
    status = f"optimal within {options.gap:g}" if answer.status == "optimal" else "feasible, not proven optimal"
    table = Table(box=None, show_header=False, padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    rows = [
        ("status", status),
        ("objective", f"{answer.objective:,.4f}"),
        ("lower bound", f"{answer.lower_bound:,.4f}"),
        ("gap", f"{answer.gap:.2g}"),
        ("solver, seconds", f"{answer.solver}, {seconds:.3f}"),
        ("trips", f"{asked.trips.size:,}, {asked.trips.energy_kwh.sum():,.1f} kWh"),
    ]
    for name, plan in zip(asked.names, answer.sites, strict=True):
        short = int((plan.shortfall_kwh > 0.0).sum())
        cost = f"cost {plan.evaluation.objective:,.2f}, highest import {plan.evaluation.peak_import_kw:,.1f} kW"
        rows.append((name, f"{cost}, {short} stays short of energy"))
    for name, value in rows:
        table.add_row(name, value)
    console.print(table)
    for name, plan in zip(asked.names, answer.sites, strict=True):
        listed = [f"{name}, vehicle {i}: {reason}" for i, reason in enumerate(plan.reasons) if reason]
        for sentence in listed[:_MOST_LISTED]:
            console.print(sentence, markup=False, soft_wrap=True)
