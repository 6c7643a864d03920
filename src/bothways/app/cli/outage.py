"""``bothways outage``: which loads stay on when the grid fails, for how long, with what probability?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def outage(
    scenario: Annotated[Path, typer.Argument(help="Outage scenario file (TOML).", show_default=False)],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for report and tables [default: out/<scenario>].")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the results as JSON and nothing else.")] = False,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Replace the scenario's seed.")] = None,
    draws: Annotated[
        int | None, typer.Option("--draws", min=10, max=1000, help="Replace the number of vehicle draws per start.")
    ] = None,
) -> None:
    """Plans for outages: survival by load tier from every hour of the year, what vehicles add, what must be kept.

    The report and a paper plan to print (HTML), tables (Parquet, CSV) and summary (JSON) are written to the output
    folder, all or nothing.
    """
    from bothways.adapters.files.writing import check_result_folder  # noqa: PLC0415
    from bothways.app.outage.display import progress, show  # noqa: PLC0415
    from bothways.app.outage.loading import load_outage  # noqa: PLC0415
    from bothways.app.outage.publishing import publish  # noqa: PLC0415
    from bothways.app.study.display import show_warnings  # noqa: PLC0415
    from bothways.resilience.planning import plan_outages  # noqa: PLC0415

    folder = out or Path("out") / (scenario.resolve().parent.name if scenario.stem == "scenario" else scenario.stem)
    check_result_folder(folder)
    loaded = load_outage(scenario, seed, draws)
    show_warnings(loaded.warnings)
    try:
        with progress(quiet=json) as step:
            plan = plan_outages(loaded.site, loaded.fleet, loaded.starts, loaded.wishes, loaded.cases, step)
    except KeyboardInterrupt:
        typer.echo("interrupted; nothing was written", err=True)
        raise typer.Exit(130) from None
    command = f"bothways outage {scenario}"
    command += "" if seed is None else f" --seed {seed}"
    command += "" if draws is None else f" --draws {draws}"
    found = publish(loaded, plan, folder, rerun=command)
    show(loaded, plan, found, folder, as_json=json)
