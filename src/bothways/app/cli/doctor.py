"""``bothways doctor``: looks at a configuration and its surroundings and says what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def doctor(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="Configuration file of the live system.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")] = False,
) -> None:
    """Checks store, ports, TLS, clock, bus, stations and sources; exit code 1 where something is broken."""
    from bothways.app.live.doctor import examine  # noqa: PLC0415

    if not examine(config, as_json=as_json):
        raise typer.Exit(1)
