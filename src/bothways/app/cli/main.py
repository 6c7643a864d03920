"""Entry point of the ``bothways`` command; turns errors into plain words."""

from __future__ import annotations

import os
import sys

import typer

import bothways
from bothways.app.cli import runtime
from bothways.app.cli.registry import AllCommands

app = typer.Typer(
    name="bothways",
    cls=AllCommands,
    help="Energy both ways between vehicles, buildings and the grid: plan, run and protect.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"bothways {bothways.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(
        False,  # noqa: FBT003
        "--version",
        help="Print the version and stop.",
        callback=_version,
        is_eager=True,
    ),
) -> None:
    """Energy both ways between vehicles, buildings and the grid."""
    del version
    runtime.prepare()


def run() -> None:
    """Runs the command line and exits: 0 good, 2 bad input, 1 failure."""
    try:
        app()
    except Exception as error:
        if os.environ.get("BOTHWAYS_DEBUG"):
            raise
        sys.exit(runtime.explain(error))


if __name__ == "__main__":
    run()
