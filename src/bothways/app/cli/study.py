"""``bothways study``: what are bidirectional chargers worth at this site?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def study(
    scenario: Annotated[Path, typer.Argument(help="Scenario file (TOML).", show_default=False)],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for report and tables [default: out/<scenario>].")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the results as JSON and nothing else.")] = False,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Replace the scenario's seed.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out the sensitivity runs.")] = False,
) -> None:
    """Studies a site: the same vehicles uncontrolled, smart and bidirectional, in money, wear, service and carbon.

    The report (HTML), tables (Parquet, CSV) and summary (JSON) are written to the output folder, all or nothing.
    """
    from bothways.adapters.files.writing import check_result_folder  # noqa: PLC0415
    from bothways.app.study.display import ConsoleProgress, show, show_warnings  # noqa: PLC0415
    from bothways.app.study.loading import load_study  # noqa: PLC0415
    from bothways.app.study.publishing import publish  # noqa: PLC0415
    from bothways.app.study.running import Progress, run_study  # noqa: PLC0415

    folder = out or Path("out") / (scenario.resolve().parent.name if scenario.stem == "scenario" else scenario.stem)
    check_result_folder(folder)
    loaded = load_study(scenario, seed)
    show_warnings(loaded.warnings)
    ranges = None if quick else loaded.ranges
    try:
        if json:
            result = run_study(loaded.inputs, loaded.investment, ranges, Progress())
        else:
            with ConsoleProgress() as progress:
                result = run_study(loaded.inputs, loaded.investment, ranges, progress)
    except KeyboardInterrupt:
        typer.echo("interrupted; nothing was written", err=True)
        raise typer.Exit(130) from None
    command = f"bothways study {scenario}" + (f" --seed {seed}" if seed is not None else "")
    summary = publish(result, folder, rerun=command)
    show(result, summary, folder, as_json=json)
