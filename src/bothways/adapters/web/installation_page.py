"""Putting a station into service, step by step; what an installer sees of the system, and nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from html import escape
from urllib.parse import urlsplit

from fastapi import Request
from nicegui import ui

from bothways.adapters.web.figures import NOT_KNOWN, age
from bothways.adapters.web.frame import Screens, Viewer, confirm, frame, heading, tried
from bothways.adapters.web.sayings import found_said
from bothways.adapters.web.tables import Table, cell
from bothways.adapters.web.words import Words, later
from bothways.domain.errors import BothwaysError
from bothways.operations.access.roles import Action
from bothways.operations.desk.onboarding import Credentials, InstallationView, StepView, onboarding_of
from bothways.operations.desk.station_form import StationForm

Act = Callable[[], Awaitable[object]]

_EVERY_S = 1.0
STEPS = {
    "registered": later("Registered, credentials made"), "connected": later("First connection"),
    "boot": later("It says what it is"), "test_charge": later("Test charge"),
    "test_discharge": later("Test discharge"), "handed_over": later("Handed over"),
}  # fmt: skip
_STATES = {
    "waiting": later("to be done"), "running": later("running …"), "done": later("done"), "failed": later("failed"),
    "skipped": later("not needed"),
}  # fmt: skip
_MARKS = {"waiting": "○", "running": "…", "done": "✓", "failed": "✗", "skipped": "–"}
_NEXT = {
    "connected": later("Type the address, the id and the password into the station, and switch it on. This page goes "
                       "on by itself when it connects."),
    "boot": later("The station is connected; it will say what it is within a minute."),
    "test_charge": later("Plug a vehicle in with a card that is accepted here, then begin the test."),
    "test_discharge": later("With the driver's agreement, and where the grid connection permits it: begin the test."),
    "handed_over": later("Everything was tried. Hand the station over."),
    "": later("This station is in service."),
}  # fmt: skip
_METHODS = {
    "none": later("charges only"), "v2x": later("OCPP 2.1, vehicle-to-grid modes"),
    "negative_limit": later("negative limits"), "datatransfer": later("a vendor's message"),
    "external": later("by another system"),
}  # fmt: skip


async def installations_screen(screens: Screens, viewer: Viewer, request: Request) -> None:
    """Installations under way, and beginning one."""
    viewer.actor.require(Action.STATION_ADD, *viewer.actor.scopes_for(Action.STATION_ADD))
    with frame(screens, viewer, viewer.words("Installations"), "/installations"):
        await InstallationsPage(screens, viewer, str(request.base_url)).build()


async def installation_screen(screens: Screens, viewer: Viewer, request: Request) -> None:
    """One installation."""
    page = InstallationPage(screens, viewer, str(request.path_params["station_id"]), str(request.base_url))
    await page.load()
    with frame(screens, viewer, viewer.words("Installation of {name}", name=page.station_id), "/installations"):
        page.build()


def address_of(told: Credentials, base_url: str) -> str:
    """Where the station connects, as far as this process knows its port.

    >>> address_of(Credentials("A", "x", "/ocpp/A", 9000, False), "http://hub.local:8080/")
    'ws://hub.local:9000/ocpp/A'
    """
    host = urlsplit(base_url).hostname or ""
    port = f":{told.port}" if told.port else ""
    return f"{'wss' if told.tls else 'ws'}://{host}{port}{told.path}"


def show_credentials(told: Credentials, base_url: str, words: Words) -> None:
    """Address, id and password, with the word that they are shown once."""
    with ui.element("section").classes("bw-card").props(f'role="status" aria-label="{words("Credentials")}"'):
        heading(words("Type this into the station"))
        rows = ((words("Address"), address_of(told, base_url)), (words("Id and user name"), told.station_id),
                (words("Password"), told.password))  # fmt: skip
        html = "".join(f"<dt>{escape(name)}</dt><dd><code>{escape(value)}</code></dd>" for name, value in rows)
        ui.html(f'<dl class="bw-facts">{html}</dl>', sanitize=False)
        ui.label(words("The password is shown this once. A lost one can be renewed.")).classes("bw-strong")


class InstallationsPage:
    """The list, and the form of a new station."""

    def __init__(self, screens: Screens, viewer: Viewer, base_url: str) -> None:
        self.screens, self.viewer, self.words, self.base_url = screens, viewer, viewer.words, base_url
        self.onboarding = onboarding_of(screens.desk)

    async def build(self) -> None:
        """Lays the page out."""
        words = self.words
        head = (words("Station"), words("Site"), words("Next step"), words("Begun by"))
        self.table = Table(words("Installations"), head, words("No installation is under way."))
        with ui.element("section").classes("bw-card").props(f'aria-label="{words("New station")}"'):
            heading(words("Put a new station into service"))
            sites = self.onboarding.sites(self.viewer.actor)
            with ui.element("div").classes("bw-line"):
                self.station = ui.input(words("Id, as printed on the station")).props("outlined dense")
                self.site = ui.select(sites, value=sites[0] if sites else None, label=words("Site"))
                self.evses = ui.number(words("Charging points"), value=1, min=1, max=64)
                self.charge = ui.number(words("Charges with [kW]"), value=11.0, min=1.0)
                self.least = ui.number(words("Smallest charging power [kW]"), value=4.14, min=0.0)
                self.back = ui.number(words("Discharges with [kW]"), value=0.0, min=0.0)
                methods = {name: words(text) for name, text in _METHODS.items()}
                self.method = ui.select(methods, value="none", label=words("Is told to discharge by"))
                phases = {number: str(number) for number in (1, 2, 3)}
                self.phases = ui.select(phases, value=3, label=words("Phases"))
                self.first = ui.select(phases, value=1, label=words("Its L1 is on the site's phase"))
            for field in (self.site, self.evses, self.charge, self.least, self.back, self.method, self.phases,
                          self.first):  # fmt: skip
                field.props("outlined dense").style("min-width: 11rem")
            begin = ui.button(words("Register the station"), on_click=self._begin, color=None)
            begin.props("no-caps").classes("bw-do")
        self.told = ui.element("div").classes("bw-stack")
        await self.refresh()

    async def refresh(self) -> None:
        """Brings the list up to date."""
        found = await self.onboarding.installations(self.viewer.actor)
        self.table.show([
            [cell(item.station_id, f"/installation/{item.station_id}"), cell(item.site_id),
             cell(self.words(STEPS[item.next_step]) if item.next_step else NOT_KNOWN), cell(item.begun_by)]
            for item in found
        ])  # fmt: skip

    async def _begin(self) -> None:
        form = StationForm(
            station_id=(self.station.value or "").strip(), site_id=str(self.site.value or ""),
            evses=int(self.evses.value or 0), charge_kw=float(self.charge.value or 0.0),
            discharge_kw=float(self.back.value or 0.0), min_charge_kw=float(self.least.value or 0.0),
            phases=int(self.phases.value), first_phase=int(self.first.value), discharge=str(self.method.value),
        )  # fmt: skip
        made: list[Credentials] = []

        async def act() -> None:
            made.append(await self.onboarding.begin(self.viewer.actor, form))

        if await tried(self.screens, self.viewer, act):
            self.told.clear()
            with self.told:
                show_credentials(made[0], self.base_url, self.words)
                ui.link(self.words("Go on with this installation"), f"/installation/{form.station_id}")
            await self.refresh()


class InstallationPage:
    """One installation: where it stands, and the next step; it goes on by itself when the station does."""

    def __init__(self, screens: Screens, viewer: Viewer, station_id: str, base_url: str) -> None:
        self.screens, self.viewer, self.words = screens, viewer, viewer.words
        self.station_id, self.base_url = station_id, base_url
        self.onboarding = onboarding_of(screens.desk)
        self._shown: object = None

    async def load(self) -> None:
        """Reads the installation.

        Raises:
            Unknown: no such installation, or not for this viewer.
        """
        self.view = await self.onboarding.installation(self.viewer.actor, self.station_id)

    def build(self) -> None:
        """Lays the page out."""
        words = self.words
        self.next = ui.label("").classes("bw-strong").props('role="status"')
        self.state = ui.label("").classes("bw-stale")
        self.state.set_visibility(False)
        head = ("", words("Step"), words("State"), words("When"), words("What was found"))
        self.table = Table(words("Steps"), head, "")
        self.buttons = ui.element("div").classes("bw-line")
        self.told = ui.element("div").classes("bw-stack")
        self._show()
        ui.timer(_EVERY_S, self.refresh, immediate=False)

    async def refresh(self) -> None:
        """Brings the page up to date."""
        try:
            await self.load()
        except BothwaysError as error:
            self.state.text = self.words("This page is not up to date: {why}", why=str(error))
            self.state.set_visibility(True)
            return
        self.state.set_visibility(False)
        self._show()

    def _show(self) -> None:
        words, view = self.words, self.view
        self.next.text = words(_NEXT[view.next_step])
        self.table.show([self._row(step) for step in view.steps])
        now = (view.next_step, any(step.state == "running" for step in view.steps))
        if now == self._shown:
            return
        self._shown = now
        self.buttons.clear()
        with self.buttons:
            self._offer(view)

    def _row(self, step: StepView) -> list[str]:
        words = self.words
        old = None if step.at is None else (self.screens.desk.now() - step.at).total_seconds()
        when = NOT_KNOWN if old is None else age(0.0 if old < 60.0 else old, words)
        return [cell(_MARKS[step.state]), cell(words(STEPS[step.name])), cell(words(_STATES[step.state])), cell(when),
                cell(found_said(step.detail, words))]  # fmt: skip

    def _offer(self, view: InstallationView) -> None:
        """What can be done now."""
        words, station, onboarding = self.words, self.station_id, self.onboarding
        if not view.next_step:
            return
        if view.next_step == "connected":
            self._button(words("Make a new password"), self._renew)
        if view.next_step in {"test_charge", "test_discharge", "handed_over"}:
            charge = words("Begin the test charge")
            self._button(charge, lambda: self._do(lambda: onboarding.test_charge(self.viewer.actor, station)))
            if view.can_discharge:
                sure = confirm(
                    words, words("Test discharge?"),
                    words("The vehicle gives back up to 2 kWh. Its driver must be present and agree; say who it is."),
                    words("The driver agrees: begin"), self._discharge, urgent=False,
                )  # fmt: skip
                ui.button(words("Begin the test discharge"), on_click=sure.open, color=None).props("no-caps").classes(
                    "bw-do"
                )
        if view.steps[3].state == "done":
            end = confirm(
                words, words("Hand the station over?"), words("The record of this installation is closed."),
                words("Hand over"), self._hand_over, urgent=False,
            )  # fmt: skip
            ui.button(words("Hand over"), on_click=end.open, color=None).props("no-caps").classes("bw-do")

    @staticmethod
    def _button(label: str, act: Act) -> None:
        ui.button(label, on_click=act, color=None).props("no-caps").classes("bw-do")

    async def _do(self, act: Act) -> None:
        await tried(self.screens, self.viewer, act)
        await self.refresh()

    async def _discharge(self, reason: str) -> None:
        actor = self.viewer.actor
        await self._do(lambda: self.onboarding.test_discharge(actor, self.station_id, agreed=True, said=reason))

    async def _hand_over(self, reason: str) -> None:
        await self._do(lambda: self.onboarding.hand_over(self.viewer.actor, self.station_id, reason))

    async def _renew(self) -> None:
        made: list[Credentials] = []

        async def act() -> None:
            made.append(await self.onboarding.renew(self.viewer.actor, self.station_id))

        await self._do(act)
        if made:
            self.told.clear()
            with self.told:
                show_credentials(made[0], self.base_url, self.words)
