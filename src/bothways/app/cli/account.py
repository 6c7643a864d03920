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
    as_json: Json = False,
) -> None:
    """Creates an account and shows its invitation, once; with it the person sets a password within three days."""
    from bothways.app.live.people import invite_account  # noqa: PLC0415

    invite_account(config, name, role, scope, as_json=as_json)


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
