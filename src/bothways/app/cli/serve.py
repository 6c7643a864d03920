"""``bothways serve``: runs sites with real charging stations, or a demonstration with virtual ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def serve(
    config: Annotated[
        Path | None, typer.Argument(metavar="CONFIG", help="Configuration file; left out with --demo.")
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Twenty virtual stations at a made-up building; keeps nothing.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Demo: port for stations, 0 for a free one.")] = 9000,
    web_port: Annotated[int, typer.Option(min=0, max=65535, help="Demo: port for people, 0 for a free one.")] = 8080,
    speed: Annotated[float, typer.Option(min=1.0, max=600.0, help="Demo: how many times as fast time runs.")] = 20.0,
    role: Annotated[
        list[str] | None,
        typer.Option(help="What this process does: gateway, planner, web or all; several with commas. Needs [bus]."),
    ] = None,
    duration_s: Annotated[
        float, typer.Option("--duration", min=0.0, help="Stop after so many real seconds; 0 runs on.")
    ] = 0.0,
) -> None:
    """Connects charging stations by OCPP, plans, dispatches every second, and stores everything.

    Stops gracefully on SIGTERM or Ctrl-C. See docs/reference/configuration.md.
    """
    from bothways.domain.errors import InputError, Problem  # noqa: PLC0415

    if (config is None) != demo:
        found = "neither" if config is None else "both"
        remedy = "Give a configuration file, or --demo alone."
        raise InputError([Problem("bothways serve", found, "CONFIG or --demo", remedy)])
    from bothways.app.live import serve as live  # noqa: PLC0415

    if config is None:
        live.serve_demo(port, web_port, speed, duration_s)
    else:
        live.serve(config, duration_s, role or ())
