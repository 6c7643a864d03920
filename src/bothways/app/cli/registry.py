"""The commands by name: a command's module is imported when the command is asked for, never for the list of all.

Importing and building the options of eighteen commands takes as long as everything else that ``bothways --help`` does,
and nobody who runs one command needs the other seventeen.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup

from bothways.app.cli.helping import protect

if TYPE_CHECKING:
    from typer._click import Command, Context, HelpFormatter

_STUDIES, _BATTERIES, _SITES, _RECORDS = (
    "Studies and plans",
    "Batteries",
    "Live sites",
    "What a live site has on record",
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A command as the list of all shows it.

    Attributes:
        panel: heading under which it is listed.
        place: ``module:attribute`` below ``bothways.app.cli``, a function or a group of commands.
        summary: one line.
    """

    panel: str
    place: str
    summary: str


ENTRIES = {
    "study": Entry(_STUDIES, "study:study", "What smart and bidirectional chargers are worth at a site."),
    "plan": Entry(_STUDIES, "plan:plan", "The cheapest schedule of a fleet, and how far from the best it can be."),
    "bill": Entry(_STUDIES, "bill:bill", "The bill of a load under a tariff, by month and component."),
    "outage": Entry(_STUDIES, "outage:outage", "Which loads stay on when the grid fails, how long, how surely."),
    "drill": Entry(_STUDIES, "drill:drill", "An outage played in accelerated time, and scored."),
    "replay": Entry(_STUDIES, "replay:replay", "A study's hours played through the live system, bill against bill."),
    "age": Entry(_BATTERIES, "age:age", "What a way of using a battery does to it, for every cell."),
    "replace": Entry(_BATTERIES, "replace:replace", "When to replace a battery, what to lease it and buy it back for."),
    "soh": Entry(_BATTERIES, "soh:soh", "A battery's state of health from its visits, and a certificate of it."),
    "verify": Entry(_BATTERIES, "soh:verify", "Whether a battery's certificate is unchanged, and whose it is."),
    "serve": Entry(_SITES, "serve:serve", "Runs real charging stations, or a demonstration (--demo)."),
    "doctor": Entry(_SITES, "doctor:doctor", "What a live site lacks: store, ports, TLS, stations, permissions."),
    "station-simulator": Entry(
        _SITES, "station_simulator:station_simulator", "Virtual charging stations for any back end."
    ),
    "store": Entry(_SITES, "store:store", "Back up, restore, export, forget, erase."),
    "station": Entry(_RECORDS, "station:station", "Charging stations and their secrets."),
    "account": Entry(_RECORDS, "account:account", "People and programs."),
    "permit": Entry(_RECORDS, "account:permit", "A site's grid connection; without it nothing is discharged."),
    "pair": Entry(_RECORDS, "account:pair", "What a vehicle and a charger can do together."),
}
"""Every command by name, in the order in which they are listed."""


def build(name: str) -> Command:
    """Imports a command and builds its options.

    Args:
        name: a key of :data:`ENTRIES`.
    """
    module, _, attribute = ENTRIES[name].place.partition(":")
    found = getattr(importlib.import_module(f"bothways.app.cli.{module}"), attribute)
    holder = typer.Typer(add_completion=False)
    holder.callback()(_nothing)
    if isinstance(found, typer.Typer):
        holder.add_typer(found, name=name)
    else:
        holder.command(name=name)(found)
    command = cast("TyperGroup", typer.main.get_command(holder)).commands[name]
    protect(command)
    return command


def _nothing() -> None:
    """Makes the holder of a command a group, whatever it holds."""


class _Commands(MutableMapping[str, "Command"]):
    """All commands by name; each is built when it is first taken out."""

    def __init__(self) -> None:
        self._built: dict[str, Command] = {}

    def __getitem__(self, name: str) -> Command:
        if name not in self._built:
            self._built[name] = build(name)
        return self._built[name]

    def __contains__(self, name: object) -> bool:
        return name in ENTRIES or name in self._built

    def __setitem__(self, name: str, command: Command) -> None:
        self._built[name] = command

    def __delitem__(self, name: str) -> None:
        del self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(ENTRIES)

    def __len__(self) -> int:
        return len(ENTRIES)


class AllCommands(TyperGroup):
    """The group of all commands, which imports only the one that is run."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{**settings, "commands": None})
        self.commands = _Commands()
        self._listing = False

    def list_commands(self, ctx: Context) -> list[str]:
        """Names in the order of the list."""
        del ctx
        return list(self.commands)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """A command; while the list is printed, only what the list shows of it."""
        if self._listing and cmd_name in ENTRIES:
            entry = ENTRIES[cmd_name]
            return TyperCommand(cmd_name, help=entry.summary, rich_help_panel=entry.panel)
        return super().get_command(ctx, cmd_name)

    def format_help(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Prints the list of all commands."""
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False
