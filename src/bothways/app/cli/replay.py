"""``bothways replay``: a day of a study through the live system over real sockets."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer


def replay(
    scenario: Annotated[Path, typer.Argument(help="Scenario file (TOML).", show_default=False)],
    day: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Local day; by default the one on which most vehicles come."),
    ] = None,
    from_hour: Annotated[float, typer.Option("--from", min=0.0, max=24.0, help="First hour of the day.")] = 0.0,
    hours: Annotated[float, typer.Option(min=0.25, max=168.0, help="How many hours.")] = 24.0,
    case: Annotated[str | None, typer.Option(help="Case of the scenario; by default its first.")] = None,
    strategy: Annotated[str, typer.Option(help="smart or bidirectional.")] = "smart",
    speed: Annotated[float, typer.Option(min=1.0, max=600.0, help="How many times as fast time runs.")] = 60.0,
    tolerance: Annotated[float, typer.Option(min=0.0, help="Greatest difference of the bills, as a share.")] = 0.02,
    json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON and nothing else.")] = False,
) -> None:
    """Plays a study's sessions through the live system over real sockets, and compares the two bills.

    Virtual stations plug in and out as the sessions say, at the study's building. Takes the hours divided by the
    speed. Exit code 1 where the bills differ by more than the tolerance.
    """
    from bothways.app.replay.command import replay as run  # noqa: PLC0415
    from bothways.app.replay.command import show  # noqa: PLC0415
    from bothways.app.replay.window import WindowForm  # noqa: PLC0415

    form = WindowForm(None if day is None else day.date(), from_hour, hours, case, strategy)
    result = run(scenario, form, speed, quiet=json)
    show(result, tolerance, as_json=json)
    if abs(result.difference) > tolerance:
        raise typer.Exit(1)
