"""``bothways station``: charging stations of the live system, and their credentials."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

station = typer.Typer(
    help="Charging stations of the live system: add, list, remove, renew a secret.", no_args_is_help=True
)

Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="Configuration file of the live system.")]
StationId = Annotated[str, typer.Argument(metavar="STATION", help="The station's identity in its address.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


@station.command()
def add(
    config: Config,
    station_id: StationId,
    site: Annotated[str | None, typer.Option(help="Site where it stands; may be left out where there is one.")] = None,
    evses: Annotated[int, typer.Option(help="Number of EVSEs.")] = 1,
    charge_kw: Annotated[float, typer.Option(help="Greatest charging power of each EVSE [kW].")] = 11.0,
    discharge_kw: Annotated[float, typer.Option(help="Greatest discharging power of each EVSE [kW].")] = 0.0,
    min_charge_kw: Annotated[
        float | None, typer.Option(help="Smallest charging power other than 0 [kW]; by default 6 A on all phases.")
    ] = None,
    phases: Annotated[int, typer.Option(help="Phases of each EVSE, 1 to 3.")] = 3,
    first_phase: Annotated[int, typer.Option(help="Site phase that its L1 is wired to, 1 to 3.")] = 1,
    discharge: Annotated[
        str, typer.Option(help="How it is told to discharge: none, v2x, negative_limit, datatransfer, external.")
    ] = "none",
    profile: Annotated[int, typer.Option(help="Security profile: 1 Basic, 2 TLS and Basic, 3 mutual TLS.")] = 1,
    as_json: Json = False,
) -> None:
    """Adds a station and shows its secret, once. Only a hash of it is kept."""
    from bothways.app.live.stations import StationForm, add_station  # noqa: PLC0415

    form = StationForm(
        station_id, site, evses, charge_kw, discharge_kw, min_charge_kw, phases, first_phase, discharge, profile
    )
    add_station(config, form, as_json=as_json)


@station.command(name="list")
def list_stations(config: Config, as_json: Json = False) -> None:
    """Lists all stations: site, EVSEs, security, whether they were ever accepted, how they discharge."""
    from bothways.app.live.stations import list_stations as run  # noqa: PLC0415

    run(config, as_json=as_json)


@station.command()
def remove(config: Config, station_id: StationId) -> None:
    """Removes a station. Its transactions stay; its identity is not given again."""
    from bothways.app.live.stations import remove_station  # noqa: PLC0415

    remove_station(config, station_id)


@station.command(name="new-secret")
def new_secret(config: Config, station_id: StationId, as_json: Json = False) -> None:
    """Makes a new secret and shows it, once. The old one works until the station has used the new one."""
    from bothways.app.live.stations import renew_secret  # noqa: PLC0415

    renew_secret(config, station_id, as_json=as_json)
