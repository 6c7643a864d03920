"""``bothways account`` and ``bothways permit``: people of the live system, and a site's grid connection on paper."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

account = typer.Typer(help="People and programs of the live system.", no_args_is_help=True)

Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="Configuration file of the live system.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


@account.command()
def invite(
    config: Config,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the person will type to sign in.")],
    role: Annotated[
        str,
        typer.Option(help="driver, front_desk, site_operator, fleet_operator, contractor, grid_viewer, administrator."),
    ],
    scope: Annotated[str, typer.Option(help="site:ID, token:ID of a driver's card, or * for everything.")],
    email: Annotated[str, typer.Option(help="Lets an OpenID provider that verified it open the account, once.")] = "",
    as_json: Json = False,
) -> None:
    """Creates an account and shows its invitation, once; with it the person sets a password within three days."""
    from bothways.app.live.people import invite_account  # noqa: PLC0415

    invite_account(config, name, role, scope, email, as_json=as_json)


@account.command()
def recover(
    config: Config, name: Annotated[str, typer.Argument(metavar="NAME", help="The account.")], as_json: Json = False
) -> None:
    """Lets somebody in again who lost everything: ends all sessions, removes the second factor, shows an invitation."""
    from bothways.app.live.people import recover_account  # noqa: PLC0415

    recover_account(config, name, as_json=as_json)


@account.command(name="list")
def list_accounts(config: Config, as_json: Json = False) -> None:
    """Lists all accounts with their roles."""
    from bothways.app.live.people import list_accounts as run  # noqa: PLC0415

    run(config, as_json=as_json)


@account.command()
def disable(config: Config, name: Annotated[str, typer.Argument(metavar="NAME", help="The account.")]) -> None:
    """Ends all sessions of an account and lets it sign in no more."""
    from bothways.app.live.people import disable_account  # noqa: PLC0415

    disable_account(config, name)


@account.command()
def key(
    config: Config,
    rotate: Annotated[bool, typer.Option("--rotate", help="Put a new key first; the one before still opens.")] = False,
) -> None:
    """Makes the file of keys that seals second factors in the database, or renews its key."""
    from bothways.app.live.signing_in import keep_key  # noqa: PLC0415

    keep_key(config, rotate=rotate)


def pair(
    config: Config,
    vehicle: Annotated[str, typer.Argument(metavar="VEHICLE", help="The driver's card, or the vehicle's model.")],
    charger: Annotated[str, typer.Argument(metavar="CHARGER", help="Vendor and model, as `station list` shows it.")],
    source: Annotated[str, typer.Option(help="Who says so: a document, or the protocol of a test.")],
    discharge_kw: Annotated[float, typer.Option(help="Greatest discharging power of the pair [kW]; 0 for none.")],
    uses: Annotated[str, typer.Option(help="What works, separated by commas: V2L, V2H, V2B, V2G.")] = "",
    connector: Annotated[str, typer.Option(help="CHAdeMO, CCS or AC.")] = "CCS",
    resumes: Annotated[
        bool | None, typer.Option("--resumes/--sleeps", help="Whether charging goes on after a pause.")
    ] = None,
) -> None:
    """Records what a vehicle and a charger can do together. An unknown pair is never discharged."""
    from bothways.app.live.people import PairForm, record_pair  # noqa: PLC0415

    record_pair(config, PairForm(vehicle, charger, source, discharge_kw, uses, connector, resumes))


def permit(
    config: Config,
    site: Annotated[str, typer.Argument(metavar="SITE", help="The site.")],
    agreement: Annotated[str, typer.Option(help="Reference of the connection agreement.")],
    export_kw: Annotated[float, typer.Option(help="Export that it allows [kW].")],
    protection: Annotated[str, typer.Option(help="Reference of the loss-of-mains protection.")],
    certificate: Annotated[
        list[str],
        typer.Option(help="NAME=YYYY-MM-DD: a certificate of charger (DC) or vehicle (AC), and its last day."),
    ],
    islanding: Annotated[bool, typer.Option("--islanding", help="The site may run as an island.")] = False,
) -> None:
    """Records a site's grid connection. Until it is complete and valid, nothing is discharged and nothing exported."""
    from bothways.app.live.people import PermitForm, record_permission  # noqa: PLC0415

    record_permission(config, PermitForm(site, agreement, export_kw, protection, tuple(certificate), islanding))
