"""``bothways plan``: one fleet, one site, one horizon, and how good the plan is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from bothways.planning.problem import PlanOptions, PlanProblem, PlanSolution

_MOST_LISTED = 10

_LISTED_BY = {
    "demand_charges": "price_per_kw", "group_limits": "name", "loss_curves": "rated_kw", "products": "name",
}  # fmt: skip


def plan(
    problem: Annotated[Path, typer.Argument(help="The problem (JSON or .npz).", show_default=False)],
    solver: Annotated[str, typer.Option("--solver", help="auto, highs or engine.")] = "auto",
    gap: Annotated[
        float, typer.Option("--gap", min=1e-9, max=1.0, help="Relative gap at which a plan counts as optimal.")
    ] = 1e-4,
    time_limit: Annotated[
        float, typer.Option("--time-limit", min=0.001, help="Solver time after which the best plan is returned [s].")
    ] = 60.0,
    schedule: Annotated[
        Path | None, typer.Option("--schedule", help="Write power_kw (vehicles × steps) here (.npz).")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON and nothing else.")] = False,
) -> None:
    """Plans a fleet: least cost within every hard limit, and a bound on how much better it could be.

    One site, or several that vehicles drive between (keys sites and trips).

    What cannot be met is said per vehicle, with the reason. Exit code 1 where no schedule keeps the hard limits.
    Ctrl-C ends the search with the best plan so far.
    """
    from bothways.app.cli.watching import Watching  # noqa: PLC0415
    from bothways.domain.errors import DomainError, InputError, Problem  # noqa: PLC0415
    from bothways.planning.parsing import problem_from_mapping  # noqa: PLC0415
    from bothways.planning.problem import PlanOptions  # noqa: PLC0415
    from bothways.planning.solve import solver_for  # noqa: PLC0415

    _check_options(solver, schedule)
    content = _read(problem)
    options = PlanOptions(gap=gap, time_limit_s=time_limit, solver=solver, keep_schedule=schedule is not None)
    if isinstance(content, dict) and "products" in content:
        _with_products(content, str(problem), options, schedule, as_json=json)
        return
    if isinstance(content, dict) and "sites" in content:
        from bothways.app.cli.plan_journeys import plan_journeys  # noqa: PLC0415

        plan_journeys(content, str(problem), options, schedule, as_json=json)
        return
    asked = problem_from_mapping(content, at=str(problem))
    with Watching() as watching:
        run = solver_for(asked, options, watching.watch)
        watching.begin()
        try:
            answer = run(asked, options)
        except DomainError as error:
            remedy = "Use --solver auto, which takes what fits the problem."
            raise InputError(
                [Problem("--solver", solver, "a solver that can plan this problem", f"{error}. {remedy}")]
            ) from error
    seconds = watching.seconds
    if schedule is not None and answer.status != "infeasible":
        _write_schedule(schedule, answer)
    if json:
        import json as encoder  # noqa: PLC0415

        typer.echo(encoder.dumps(_told(asked, options, answer, seconds), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _show(asked, options, answer, seconds, schedule)
    if answer.status == "infeasible":
        raise typer.Exit(1)


def _with_products(
    content: dict[str, object], at: str, options: PlanOptions, schedule: Path | None, *, as_json: bool
) -> None:
    """Plans schedule and capacity bids together."""
    import json as encoder  # noqa: PLC0415
    import time  # noqa: PLC0415

    from bothways.planning.reserve.solve import run_reserve  # noqa: PLC0415

    begin = time.perf_counter()
    asked, answer, told = run_reserve(content, options, at=at)
    seconds = time.perf_counter() - begin
    because = "products: schedule and bids are planned together"
    if schedule is not None and answer.plan.status != "infeasible":
        _write_schedule(schedule, answer.plan)
    if as_json:
        whole = {**_told(asked.plan, options, answer.plan, seconds, because), **told}
        typer.echo(encoder.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _show(asked.plan, options, answer.plan, seconds, schedule, because)
        products: Any = told["products"]
        for item in products:
            bids = ", ".join(f"{kw:,.1f}" for kw in item["bid_kw"])
            typer.echo(f"{item['name']}: {bids} kW per block, {item['capacity_income']:,.2f} for capacity")
    if answer.plan.status == "infeasible":
        raise typer.Exit(1)


def _check_options(solver: str, schedule: Path | None) -> None:
    from bothways.adapters.files.writing import check_result_file  # noqa: PLC0415
    from bothways.domain.errors import Problems  # noqa: PLC0415
    from bothways.planning.solve import SOLVERS  # noqa: PLC0415

    problems = Problems()
    known = ("auto", *SOLVERS)
    if solver not in known:
        problems.add("--solver", solver, ", ".join(known), "Name one of these, or leave the option out.")
    if schedule is not None and (schedule.is_dir() or schedule.suffix != ".npz"):
        problems.add(
            "--schedule", str(schedule), "a file whose name ends in .npz", "Name it, for example, schedule.npz."
        )
    problems.raise_if_any()
    if schedule is not None:
        check_result_file(schedule)


def _read(path: Path) -> object:
    from bothways.adapters.files.reading import read_bytes, read_json  # noqa: PLC0415

    if path.suffix.lower() == ".npz":
        return arrays_as_mapping(read_bytes(path), str(path))
    return read_json(path)


def arrays_as_mapping(content: bytes, source: str) -> dict[str, object]:
    """Unpacks the arrays of an .npz file into the nested mapping that a JSON problem would be.

    ``vehicles.arrival`` becomes ``{"vehicles": {"arrival": …}}``, likewise ``energy_reserve.…`` and ``trips.…``; the
    columns of ``demand_charges.…``, ``group_limits.…``, ``loss_curves.…`` and ``products.…`` become lists.
    ``sites.home.vehicles.arrival`` belongs to the site ``home``.

    Raises:
        InputError: no .npz file, damaged, or with content other than arrays of numbers.
    """
    import io  # noqa: PLC0415
    import zipfile  # noqa: PLC0415

    import numpy as np  # noqa: PLC0415

    from bothways.adapters.files.reading import MAX_BYTES  # noqa: PLC0415
    from bothways.domain.errors import InputError, Problem  # noqa: PLC0415

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(item.file_size for item in archive.infolist())
        if size > 4 * MAX_BYTES:
            msg = f"{size} bytes when unpacked"
            raise ValueError(msg)
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {str(name): np.asarray(archive[name]) for name in archive.files}
    except Exception as error:  # numpy and zipfile raise almost anything on damaged bytes
        reason = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
        remedy = "Write the file with numpy.savez, arrays of numbers only."
        raise InputError(
            [Problem(source, f"a file that cannot be unpacked ({reason})", "an .npz file", remedy)]
        ) from error
    return _nested(arrays)


def _nested(arrays: dict[str, Any]) -> dict[str, object]:
    mapping: dict[str, object] = {}
    groups: dict[str, dict[str, Any]] = {key: {} for key in ("vehicles", "energy_reserve", "trips", *_LISTED_BY)}
    sites: dict[str, dict[str, Any]] = {}
    for name, array in arrays.items():
        group, dot, key = name.partition(".")
        if dot and group == "sites" and "." in key:
            site, _, inner = key.partition(".")
            sites.setdefault(site, {})[inner] = array
        elif dot and group in groups:
            groups[group][key] = array
        else:
            mapping[name] = array
    for group, columns in groups.items():
        if columns:
            mapping[group] = _listed(columns, _LISTED_BY[group]) if group in _LISTED_BY else columns
    if sites:
        mapping["sites"] = {site: _nested(columns) for site, columns in sites.items()}
    return mapping


def _listed(columns: dict[str, Any], by: str) -> list[dict[str, Any]]:
    """One object per value of column ``by``; a column of another length stays whole, so that reading it says so."""
    leading = columns.get(by)
    if leading is None or leading.ndim == 0:
        return [columns]
    return [
        {key: array[at] if array.shape[:1] == leading.shape[:1] else array for key, array in columns.items()}
        for at in range(leading.shape[0])
    ]


def _write_schedule(path: Path, answer: PlanSolution) -> None:
    import io  # noqa: PLC0415

    import numpy as np  # noqa: PLC0415

    from bothways.adapters.files.writing import write_bytes  # noqa: PLC0415

    buffer = io.BytesIO()
    np.savez_compressed(buffer, power_kw=answer.power_kw)
    write_bytes(path, buffer.getvalue())


def _told(
    asked: PlanProblem, options: PlanOptions, answer: PlanSolution, seconds: float, because: str = ""
) -> dict[str, Any]:
    import math  # noqa: PLC0415

    def finite(value: float) -> float | None:
        return value if math.isfinite(value) else None

    return {
        "status": answer.status,
        "objective": finite(answer.objective),
        "lower_bound": finite(answer.lower_bound),
        "gap": finite(answer.gap),
        "seconds": round(seconds, 6),
        "solver": answer.solver,
        "solver_because": because or _because(asked, options),
        "peak_import_kw": answer.peak_import_kw,
        "curtailed_kwh": float(answer.curtailed_kw.sum()) * asked.step_h,
        "shortfall_kwh": answer.shortfall_kwh.tolist(),
        "floor_deficit_kwh": answer.floor_deficit_kwh.tolist(),
        "reasons": list(answer.reasons),
        "infeasible_because": list(answer.infeasible_because),
        "notes": list(answer.notes),
        "groups": [
            {"name": limit.name, "power_kw": power.tolist(), "price": price.tolist()}
            for limit, power, price in zip(asked.group_limits, answer.group_power_kw, answer.group_price, strict=True)
        ],
        "reserve_kwh": answer.reserve_kwh.tolist(),
        "reserve_deficit_kwh": answer.reserve_deficit_kwh.tolist(),
        "reserve_price": answer.reserve_price.tolist(),
    }


def _because(asked: PlanProblem, options: PlanOptions) -> str:
    """Why this solver was taken."""
    from bothways.planning.solve import reason_for  # noqa: PLC0415

    return "auto: " + reason_for(asked)[1] if options.solver == "auto" else "asked for"


def _vehicles(count: int) -> str:
    return "1 vehicle" if count == 1 else f"{count} vehicles"


def _energies(asked: PlanProblem, answer: PlanSolution) -> list[tuple[str, str]]:
    if answer.power_kw.shape[0] != asked.fleet.size:  # a very large fleet without its table
        return []
    into = float(answer.power_kw.clip(min=0.0).sum()) * asked.step_h
    out = float((-answer.power_kw).clip(min=0.0).sum()) * asked.step_h
    return [("charged, AC", f"{into:,.1f} kWh"), ("discharged, AC", f"{out:,.1f} kWh")]


def _coupled(asked: PlanProblem, answer: PlanSolution) -> list[tuple[str, str]]:
    """What group limits carry and cost, and what the reserve holds and costs."""
    lines = []
    for limit, power, price in zip(asked.group_limits, answer.group_power_kw, answer.group_price, strict=True):
        dearest = float(price[abs(price).argmax()])
        lines.append((limit.name, f"{power.min():,.1f} … {power.max():,.1f} kW, price up to {dearest:.4g} per kWh"))
    if asked.energy_reserve is not None:
        missing, price = answer.reserve_deficit_kwh, answer.reserve_price
        held = f"at least {answer.reserve_kwh.min():,.1f} kWh, {missing.max():,.1f} kWh missing at most"
        lines.append(("energy reserve", held))
        priced = f"up to {price.max():.4g} per kWh (step {price.argmax()}), {price.sum():.4g} over all steps"
        lines.append(("reserve price", priced))
    return lines


def _show(
    asked: PlanProblem,
    options: PlanOptions,
    answer: PlanSolution,
    seconds: float,
    schedule: Path | None,
    because: str = "",
) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    console = Console()
    if answer.status == "infeasible":
        console.print("No schedule can keep the hard limits:")
        for sentence in answer.infeasible_because:
            console.print(f"  - {sentence}", markup=False, soft_wrap=True)
        return
    short = [i for i, missing in enumerate(answer.shortfall_kwh.tolist()) if missing > 0.0]
    status = f"optimal within {options.gap:g}" if answer.status == "optimal" else "feasible, not proven optimal"
    table = Table(box=None, show_header=False, padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    for name, value in (
        ("status", status),
        ("objective", f"{answer.objective:,.4f}"),
        ("lower bound", f"{answer.lower_bound:,.4f}"),
        ("gap", f"{answer.gap:.2g}"),
        ("solver, seconds", f"{answer.solver}, {seconds:.3f}"),
        ("solver because", because or _because(asked, options)),
        ("vehicles × steps", f"{asked.fleet.size:,} × {asked.periods:,}"),
        *_energies(asked, answer),
        ("highest import", f"{answer.peak_import_kw:,.1f} kW"),
        ("curtailed", f"{answer.curtailed_kw.sum() * asked.step_h:,.1f} kWh"),
        ("short of energy", f"{_vehicles(len(short))}, {answer.shortfall_kwh.sum():,.1f} kWh"),
        *_coupled(asked, answer),
    ):
        table.add_row(name, value)
    console.print(table)
    for i in short[:_MOST_LISTED]:
        console.print(f"vehicle {i}: {answer.reasons[i]}", markup=False, soft_wrap=True)
    if len(short) > _MOST_LISTED:
        console.print(f"and {len(short) - _MOST_LISTED} further vehicles (all with --json)")
    for note in answer.notes:
        console.print(f"note: {note}", markup=False, soft_wrap=True)
    if schedule is not None:
        console.print(f"schedule: {schedule}", markup=False, soft_wrap=True)
