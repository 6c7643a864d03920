"""Charging stations: how well each is connected and kept, and what can be asked of one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from html import escape

from fastapi import Request
from nicegui import ui

from bothways.adapters.web.figures import NOT_KNOWN, age, day, power
from bothways.adapters.web.frame import Screens, Viewer, confirm, frame, heading, tried
from bothways.adapters.web.tables import Table, cell
from bothways.adapters.web.words import Words, later
from bothways.domain.errors import BothwaysError
from bothways.operations.access.roles import Action, site_scope
from bothways.operations.desk.commands import Commands
from bothways.operations.desk.desk import Unknown
from bothways.operations.desk.quality import SOON, StationQuality, qualities
from bothways.operations.orders import StationCommand

_EVERY_S = 5.0
_TRIGGERS = {
    "boot": later("its start message"), "status": later("the state of its plugs"),
    "meter_values": later("its meter values"), "heartbeat": later("a sign of life"),
}  # fmt: skip


async def stations_screen(screens: Screens, viewer: Viewer, _: Request) -> None:
    """All stations that the viewer oversees; an installer sees installations instead."""
    viewer.actor.require(Action.SITE_VIEW, *viewer.actor.scopes_for(Action.SITE_VIEW))
    viewer.actor.require(Action.STATION_VIEW, *viewer.actor.scopes_for(Action.STATION_VIEW))
    with frame(screens, viewer, viewer.words("Stations"), "/stations"):
        await StationsPage(screens, viewer).build()


async def station_screen(screens: Screens, viewer: Viewer, request: Request) -> None:
    """One station with what can be asked of it."""
    page = StationPage(screens, viewer, str(request.path_params["station_id"]))
    await page.load()
    with frame(screens, viewer, viewer.words("Station {name}", name=page.station_id), "/stations"):
        page.build()


def calls(item: StationQuality, now: datetime, words: Words) -> str:
    """What calls for somebody, in words; empty for a station that is well."""
    missing = words("not connected yet") if item.accepted_at is None else words("offline")
    parts = [] if item.online else [missing]
    for one in item.disagreements:
        told, shown = power(one.ordered_kw, words), power(one.measured_kw, words)
        parts.append(words("{evse} was ordered {told}, its meter shows {shown}", evse=one.evse_id, told=told,
                           shown=shown))  # fmt: skip
    if item.certificate_until is not None and item.certificate_until - now < SOON:
        days = (item.certificate_until - now).days
        parts.append(words("its certificate ends in {days} days", days=days))
    if item.missed_heartbeats > 1:
        parts.append(words("{count} heartbeats missed", count=item.missed_heartbeats))
    if item.reconnects > 5:
        parts.append(words("{count} new connections in a day", count=item.reconnects))
    return "; ".join(parts)


class StationsPage:
    """The list, those first that call for somebody; a search narrows it."""

    def __init__(self, screens: Screens, viewer: Viewer) -> None:
        self.screens, self.viewer, self.words = screens, viewer, viewer.words

    async def build(self) -> None:
        """Lays the page out."""
        words = self.words
        self.total = ui.label("").props('role="status"')
        self.search = ui.input(words("Search: station, site, model, firmware")).props("outlined dense clearable")
        self.search.style("max-width: 26rem; width: 100%").on_value_change(self.refresh)
        head = (
            words("Station"), words("Site"), words("What calls for attention"), words("Last word"), words("Firmware"),
            words("Model"), words("Certificate"), "#" + words("New connections, 24 h"), words("Security profile"),
        )  # fmt: skip
        self.state = ui.label("").classes("bw-stale").props('role="status"')
        self.state.set_visibility(False)
        self.table = Table(words("Stations"), head, words("No station is registered here, or none fits the search."))
        await self.refresh()
        ui.timer(_EVERY_S, self.refresh, immediate=False)

    async def refresh(self) -> None:
        """Brings the list up to date."""
        words, now = self.words, self.screens.desk.now()
        try:
            found = await qualities(self.screens.desk, self.viewer.actor)
        except BothwaysError as error:
            self.state.text = words("The list is not up to date: {why}", why=str(error))
            self.state.set_visibility(True)
            return
        self.state.set_visibility(False)
        calling = sum(item.calls(now) for item in found)
        quiet = len(found) - calling
        self.total.text = words("Call for somebody: {calling}. Well: {quiet}.", calling=calling, quiet=quiet)
        sought = (self.search.value or "").strip().casefold()
        shown = [item for item in found if sought in _text(item)]
        self.table.show([self._row(item, now) for item in shown])

    def _row(self, item: StationQuality, now: datetime) -> list[str]:
        words = self.words
        return [
            cell(item.station_id, f"/station/{item.station_id}"), cell(item.site_id),
            cell(calls(item, now, words) or words("nothing")), cell(_word(item, now, words)),
            cell(item.firmware or NOT_KNOWN), cell(item.vendor_model or NOT_KNOWN), cell(_certificate(item, words)),
            cell(str(item.reconnects)), cell(str(item.security_profile)),
        ]  # fmt: skip


def _text(item: StationQuality) -> str:
    return " ".join((item.station_id, item.site_id, item.vendor_model, item.firmware)).casefold()


def _word(item: StationQuality, now: datetime, words: Words) -> str:
    if item.last_seen is None:
        return words("never")
    old = max(0.0, (now - item.last_seen).total_seconds())
    return words("online") if item.online and old < 330.0 else age(old, words)  # a sign of life comes every 5 min


def _certificate(item: StationQuality, words: Words) -> str:
    if item.certificate_until is not None:
        return words("until {day}", day=day(item.certificate_until, "UTC", words))
    return words("none shown") if item.security_profile == 3 else words("not used")


class StationPage:
    """One station: facts, and commands that are confirmed with a reason and written to the audit log."""

    def __init__(self, screens: Screens, viewer: Viewer, station_id: str) -> None:
        self.screens, self.viewer, self.station_id, self.words = screens, viewer, station_id, viewer.words
        self.commands = Commands(screens.desk)

    async def load(self) -> None:
        """Reads the station.

        Raises:
            Unknown: no such station, or not for this viewer.
        """
        detail = await self.commands.station(self.viewer.actor, self.station_id)
        site = detail.station.site_id
        if not self.viewer.actor.may(Action.SITE_VIEW, site_scope(site)):
            msg = f"there is no station {self.station_id!r}"
            raise Unknown(msg)
        found = await qualities(self.screens.desk, self.viewer.actor, site)
        self.quality = next(item for item in found if item.station_id == self.station_id)
        self.evses = detail.evses

    def build(self) -> None:
        """Lays the page out."""
        words, item = self.words, self.quality
        now = self.screens.desk.now()
        with ui.element("section").classes("bw-card").props(f'aria-label="{words("State")}"'):
            ui.label(calls(item, now, words) or words("Nothing calls for attention.")).classes("bw-strong")
            told = (
                (words("Last word"), _word(item, now, words)),
                (words("Site"), item.site_id),
                (words("Model"), item.vendor_model or NOT_KNOWN),
                (words("Firmware"), item.firmware or NOT_KNOWN),
                (words("Protocol"), item.protocol or NOT_KNOWN),
                (words("Security profile"), str(item.security_profile)),
                (words("Certificate"), _certificate(item, words)),
                (words("New connections, 24 h"), str(item.reconnects)),
                (words("Heartbeats missed"), str(item.missed_heartbeats)),
                (words("Accepted"), day(item.accepted_at, "UTC", words)),
                (
                    words("Charging points"),
                    ", ".join(self._evse(one.charge_kw, one.discharge_kw) for one in self.evses),
                ),
            )
            rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in told)
            ui.html(f'<dl class="bw-facts">{rows}</dl>', sanitize=False)
        if self.viewer.actor.may(Action.STATION_COMMAND, site_scope(item.site_id)):
            self._commands()

    def _evse(self, charge_kw: float, discharge_kw: float) -> str:
        words = self.words
        if discharge_kw <= 0.0:
            return words("charges {power}", power=power(charge_kw, words))
        return f"{words('charges {power}', power=power(charge_kw, words))} / −{power(discharge_kw, words)}"

    def _commands(self) -> None:
        words = self.words
        with ui.element("section").classes("bw-card").props(f'aria-label="{words("Commands")}"'):
            heading(words("Ask the station"))
            ui.label(words("Every command is written to the audit log with your reason.")).classes("bw-small")
            with ui.element("div").classes("bw-line"):
                self._ask(words("Restart when idle"), words("It restarts when nobody charges."),
                          StationCommand("reset"))  # fmt: skip
                self._ask(
                    words("Restart now"), words("Charging is interrupted."), StationCommand("reset", at_once=True)
                )
                for evse in self.evses:
                    name = words("Release the cable of {evse}", evse=evse.evse_id)
                    explained = words("The plug is unlocked, where the station can do so.")
                    self._ask(name, explained, StationCommand("unlock", evse.evse_id))
                self._ask(words("Take out of use"), words("Nobody can begin to charge until it is put into use again."),
                          StationCommand("availability", operative=False))  # fmt: skip
                self._ask(words("Put into use"), words("It can be used again."),
                          StationCommand("availability", operative=True))  # fmt: skip
            with ui.element("div").classes("bw-line"):
                for name, text in _TRIGGERS.items():
                    what = words("Ask for {what}", what=words(text))
                    self._ask(what, words("The station sends it by itself."), StationCommand("trigger", message=name))

    def _ask(self, label: str, explained: str, command: StationCommand) -> None:
        asked = confirm(
            self.words, f"{label}: {self.station_id}", explained, label, self._send(command), urgent=False
        )  # fmt: skip
        ui.button(label, on_click=asked.open, color=None).props("no-caps flat").classes("bw-plain")

    def _send(self, command: StationCommand) -> Callable[[str], Awaitable[object]]:
        async def act(reason: str) -> None:
            words, viewer = self.words, self.viewer
            answers: list[str] = []

            async def ask() -> None:
                said = await self.commands.command(viewer.actor, self.station_id, command, reason)
                answers.append(said.status)

            if await tried(self.screens, viewer, ask):
                answer = words("The station says: {status}", status=answers[0])
                ui.notify(answer, type="info", timeout=5000, position="top")

        return act
