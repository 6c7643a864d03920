"""Entry point of the ``bothways`` command: registers sub-commands and turns errors into plain words."""

from __future__ import annotations

import os
import sys

import typer

import bothways
from bothways.app.cli import (
    account,
    age,
    bill,
    doctor,
    drill,
    outage,
    plan,
    replace,
    replay,
    runtime,
    serve,
    soh,
    station,
    station_simulator,
    store,
    study,
)
from bothways.app.cli.helping import PlainGroup

app = typer.Typer(
    name="bothways",
    cls=PlainGroup,
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


app.command(name="age")(age.age)
app.command(name="doctor")(doctor.doctor)
app.command(name="pair")(account.pair)
app.command(name="permit")(account.permit)
app.command(name="bill")(bill.bill)
app.command(name="plan")(plan.plan)
app.command(name="replace")(replace.replace)
app.command(name="replay")(replay.replay)
app.command(name="serve")(serve.serve)
app.command(name="soh")(soh.soh)
app.command(name="verify")(soh.verify)
app.command(name="drill")(drill.drill)
app.command(name="outage")(outage.outage)
app.command(name="study")(study.study)
app.command(name="station-simulator")(station_simulator.station_simulator)
app.add_typer(account.account, name="account")
app.add_typer(station.station, name="station")
app.add_typer(store.store, name="store")


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
