"""``bothways store``: what the live system remembers, kept safe, taken out, and forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

store = typer.Typer(help="The live system's store: backup, restore, export, forget, erase.", no_args_is_help=True)

Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="Configuration file of the live system.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


@store.command()
def backup(
    config: Config,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file; nothing is overwritten.")],
    as_json: Json = False,
) -> None:
    """Writes the whole store into one file while the server runs, from SQLite or PostgreSQL alike."""
    from bothways.app.live.keeping import backup as run  # noqa: PLC0415

    run(config, file, as_json=as_json)


@store.command()
def restore(
    config: Config,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `bothways store backup` wrote.")],
    as_json: Json = False,
) -> None:
    """Fills the configured store, which must be empty, from a backup. New transaction ids go on above the old ones."""
    from bothways.app.live.keeping import restore as run  # noqa: PLC0415

    run(config, file, as_json=as_json)


@store.command()
def export(
    config: Config,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A name that ends in .csv or .parquet.")],
    what: Annotated[str, typer.Option(help="samples, transactions, or visits for `bothways soh`.")] = "samples",
    begin: Annotated[
        str, typer.Option("--from", help="First instant or day, ISO 8601; a day begins in UTC.")
    ] = "1970-01-01",
    end: Annotated[str, typer.Option("--to", help="First instant or day that is not exported.")] = "2200-01-01",
    station: Annotated[str | None, typer.Option(help="One station alone.")] = None,
    as_json: Json = False,
) -> None:
    """Writes measured values, transactions, or visits of vehicles to a CSV or Parquet file."""
    from bothways.app.live.keeping import export as run  # noqa: PLC0415

    run(config, file, what, begin, end, station, as_json=as_json)


@store.command()
def forget(
    config: Config,
    message_days: Annotated[int, typer.Option(help="Days that messages other than transactions are kept.")] = 90,
    as_json: Json = False,
) -> None:
    """Deletes measured values older than store.keep_samples_days, and old messages. Transactions stay."""
    from bothways.app.live.keeping import forget as run  # noqa: PLC0415

    run(config, message_days, as_json=as_json)


@store.command()
def erase(
    config: Config,
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="The id token of the person.")],
    as_json: Json = False,
) -> None:
    """Replaces a person's id token by a random pseudonym and deletes the person's needs. Backups are not changed."""
    from bothways.app.live.keeping import erase as run  # noqa: PLC0415

    run(config, token, as_json=as_json)
