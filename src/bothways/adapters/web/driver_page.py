"""The driver's page, for a phone: the battery first, then when the vehicle is ready, then what was used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from html import escape
from zoneinfo import ZoneInfo

from nicegui import ui

from bothways.adapters.web.driver_data import DataCard
from bothways.adapters.web.driver_money import MoneyCard
from bothways.adapters.web.driver_queue import QueueCard, SharingCard
from bothways.adapters.web.driver_week import WeekCard
from bothways.adapters.web.evses import UNKNOWN_SPREAD, aged, ages, battery, flowing
from bothways.adapters.web.figures import clock, energy, number, percent
from bothways.adapters.web.frame import Screens, Viewer, heading, tried
from bothways.adapters.web.outlook import told
from bothways.adapters.web.sayings import spoken
from bothways.adapters.web.tables import Table, cell
from bothways.adapters.web.words import Words
from bothways.domain.errors import BothwaysError
from bothways.operations.access.roles import Action, Actor, NotAllowed, site_scope
from bothways.operations.desk.desk import NeedForm, Unknown
from bothways.operations.desk.driver.stays import Stays
from bothways.operations.desk.views import EvseView, NeedView, SessionView

_EVERY_S = 1.0
_USED_EVERY = 15
_KWH_PER_KM = 0.2  # as islands assume it where nobody states another
_SOC, _WALL, _FLOOR, _CAP_KWH = 0.8, "07:30", 0.3, 10.0


class DriverPage:
    """One holder's page."""

    def __init__(self, screens: Screens, viewer: Viewer, holder: str) -> None:
        self.screens, self.viewer, self.holder = screens, viewer, holder
        self.words = viewer.words
        self.tz = "UTC"
        self.need: NeedView | None = None
        self.evse: EvseView | None = None
        self.site_id = ""
        self._looks = 0
        self._stays = Stays(screens.desk)
        self.queue = QueueCard(screens, viewer, holder)
        self.money = MoneyCard(screens, viewer, holder)

    async def load(self) -> None:
        """Reads what is in force; raises where the holder is somebody else's."""
        desk, actor = self.screens.desk, self.viewer.actor
        self.tz = await desk.zone_of(actor, self.holder)
        try:
            self.need = await desk.need(actor, self.holder)
        except (Unknown, NotAllowed):  # staff state one for who is not there yet, and see nobody else's
            self.need = None

    async def build(self) -> None:
        """Lays the page out."""
        words = self.words
        with ui.element("section").classes("bw-card").props(f'aria-label="{words("Battery")}"'):
            self.battery = ui.label("").classes("bw-big")
            self.flow = ui.label("").classes("bw-mid").style("white-space: normal")
            self.aged = ui.label("").classes("bw-small")
            self.doing = ui.label("")
            self.place = ui.label("").classes("bw-small")
            self.why = ui.label("").classes("bw-small")
        with ui.element("section").classes("bw-card").props(f'aria-label="{words("When it is ready")}"'):
            self.range = ui.label("").classes("bw-mid").style("white-space: normal")
            self.in_force = ui.label("").classes("bw-strong").props('role="status"')
            with ui.element("div").classes("bw-alarm").props('role="status"') as self.short:
                self.short_told = [ui.label("").style("white-space: normal") for _ in range(2)]
            self._now_buttons()
        self.queue.build()
        with ui.element("section").classes("bw-card").props(f'aria-label="{words("Change")}"'):
            self._wish()
        with ui.element("section").classes("bw-card").props(f'aria-label="{words("Giving energy back")}"'):
            self._consent()
        await WeekCard(self.screens, self.viewer, self.holder, self._standing).build()
        await self.money.build()
        with ui.element("section").classes("bw-card"):
            heading(words("What was charged"))
            head = (words("Since"), words("Until"), "#" + words("Charged"), "#" + words("Discharged"))
            self.used = Table(words("What was charged"), head, words("Nothing yet."))
        DataCard(self.screens, self.viewer).build()
        await self.refresh()
        ui.timer(_EVERY_S, self.refresh, immediate=False)

    def _now_buttons(self) -> None:
        words = self.words
        self.now = ui.button(words("Charge now"), on_click=self._charge_now, color=None)
        self.now.props("no-caps unelevated").classes("bw-do bw-now")
        self.later = ui.button(words("Back to the plan"), on_click=self._save, color=None)
        self.later.props("no-caps flat").classes("bw-plain bw-now")
        self.leave = ui.button(words("Leave now"), on_click=self._leave, color=None)
        self.leave.props("no-caps flat").classes("bw-plain bw-now")

    def _wish(self) -> None:
        words, need = self.words, self.need
        soc = _SOC if need is None or need.soc is None else need.soc
        wall = _WALL if need is None else f"{need.ready_by.astimezone(ZoneInfo(self.tz)):%H:%M}"
        heading(words("Ready by"))
        self.wall = ui.input(words("Time of day, where the charger is"), value=wall).props("outlined type=time")
        self.soc = _slider(words("Battery at least"), soc, 20, words)
        ui.button(words("Save"), on_click=self._save, color=None).props("no-caps").classes("bw-do")

    def _consent(self) -> None:
        words, need = self.words, self.need
        heading(words("Giving energy back"))
        self.floor = _slider(words("Never below"), _FLOOR if need is None else need.floor_soc, 0, words)
        agreed = need is not None and need.discharge_consent
        self.consent = ui.checkbox(words("The building or the grid may take energy from my battery"), value=agreed)
        cap = _CAP_KWH if need is None or need.discharge_cap_kwh is None else need.discharge_cap_kwh
        self.cap = ui.number(words("At most, per day [kWh]"), value=cap, min=0, max=1000).props("outlined")
        self.wear = ui.label("").classes("bw-small")
        ui.label(
            words("In ten years of giving back every evening, six of seven kinds of cells lose up to 2.2 points of "
                  "capacity more than by driving alone, one loses 12 (laws fitted to published measurements; "
                  "chapter Wear).")
        ).classes("bw-small")  # fmt: skip
        ui.button(words("Save"), on_click=self._save, color=None).props("no-caps").classes("bw-do")

    def _standing(self) -> tuple[str, NeedForm]:
        """What is filled in, for a week: the time of day and the rest."""
        cap = None if self.cap.value is None else float(self.cap.value)
        form = NeedForm(
            self.screens.desk.now(), soc=self.soc(), floor_soc=self.floor(), discharge_consent=bool(self.consent.value),
            discharge_cap_kwh=cap,
        )  # fmt: skip
        return self.wall.value or "", form

    async def _leave(self) -> None:
        """Ends the transaction, so that the cable comes off."""

        async def act() -> None:
            await self._stays.leave(self.viewer.actor, self.holder)

        if await tried(self.screens, self.viewer, act, self.words("It stops; the cable comes off in a moment.")):
            await self.refresh()

    async def _form(self, *, charge_now: bool) -> NeedForm:
        ready = await self.screens.desk.ready_at(self.viewer.actor, self.holder, self.wall.value or "")
        cap = None if self.cap.value is None else float(self.cap.value)
        return NeedForm(
            ready, soc=self.soc(), floor_soc=self.floor(), discharge_consent=bool(self.consent.value),
            discharge_cap_kwh=cap, charge_now=charge_now,
        )  # fmt: skip

    async def _save(self) -> None:
        async def act() -> None:
            form = await self._form(charge_now=False)
            self.need = await self.screens.desk.set_need(self.viewer.actor, self.holder, form)

        if await tried(self.screens, self.viewer, act, self.words("Saved.")):
            await self.refresh()

    async def _charge_now(self) -> None:
        """What is in force goes on to hold, except that it charges at once."""

        async def act() -> None:
            desk, actor, need = self.screens.desk, self.viewer.actor, self.need
            form = await self._form(charge_now=True)
            if need is not None and need.ready_by > desk.now():
                form = replace(form, ready_by=need.ready_by, soc=need.soc, energy_kwh=need.energy_kwh)
            self.need = await desk.set_need(actor, self.holder, form)

        if await tried(self.screens, self.viewer, act):
            await self.refresh()

    async def refresh(self) -> None:
        """Brings everything up to date."""
        try:
            found = self.screens.desk.where(self.viewer.actor, self.holder)
            if self._looks % _USED_EVERY == 0:
                await self.load()
                await self._show_used()
                await self.money.refresh()
            await self.queue.refresh()
        except BothwaysError:
            ui.navigate.to("/")
            return
        self._looks += 1
        self.site_id, self.evse = ("", None) if found is None else found
        self._show_battery()
        self._show_need()
        self._show_outlook()

    def _show_outlook(self) -> None:
        """Says what is possible where the wish is not."""
        texts = told(self._stays.outlook(self.viewer.actor, self.holder), self.tz, self.words)
        for label, text in zip(self.short_told, [*texts, "", ""], strict=False):
            label.text = text
        self.short.set_visibility(bool(texts))
        charging = self.evse is not None and self.evse.session is not None and self.evse.session.transaction_id != ""
        self.leave.set_visibility(charging)

    def _show_battery(self) -> None:
        words, evse = self.words, self.evse
        if evse is None or evse.session is None:
            self.battery.text = words("Not plugged in")
            self.flow.text = self.place.text = self.aged.text = ""
            self.range.set_visibility(False)
            self.doing.text = words("What you say here holds as soon as the vehicle is plugged in.")
            self.why.text = ""
            self.wear.text = words("Every kWh given back is charged again and wears the battery a little.")
            return
        self.battery.text = battery(evse.session, words)
        place = f"{evse.station_id} / {evse.evse_id}"
        now = self.screens.desk.as_of(self.site_id)
        self.flow.text = flowing(evse, words)
        self.flow.classes(remove="bw-aged", add="bw-aged" if aged(evse) else "")
        self.aged.text = ages(evse, words, now)
        self._show_range(evse.session)
        since, as_of = clock(evse.session.since, self.tz, words, now), clock(now, self.tz, words)
        self.place.text = (
            words("Plugged in at {place} since {time}", place=place, time=since)
            + " · " + words("As of {time}.", time=as_of)
        )  # fmt: skip
        self.doing.text = spoken(evse.doing, words)
        why = spoken(evse.why_not_discharging, words) if evse.discharge_kw > 0.0 else words("this charger only charges")
        self.why.text = words("Gives nothing back: {why}.", why=why) if why else ""
        self.wear.text = self._wear(evse)

    def _show_range(self, session: SessionView) -> None:
        """How far what is stored lasts; nothing where nobody knows how much that is."""
        self.range.set_visibility(session.soc.high - session.soc.low < UNKNOWN_SPREAD)
        km, per = session.stored_kwh / _KWH_PER_KM, energy(100.0 * _KWH_PER_KM, self.words, 0)
        self.range.text = self.words(
            "About {km} km now, at {energy} per 100 km", km=number(round(km, -1), 0, self.words), energy=per
        )

    def _wear(self, evse: EvseView) -> str:
        words, session = self.words, evse.session
        if session is None or session.soc.value < 0.05 or not self.cap.value:
            return words("Every kWh given back is charged again and wears the battery a little.")
        share = float(self.cap.value) / (session.stored_kwh / session.soc.value)
        cap = energy(float(self.cap.value), words)
        return words(
            "Every kWh given back is charged again and wears the battery: {cap} a day is {share} % of a full cycle.",
            cap=cap, share=round(share * 100),
        )  # fmt: skip

    def _show_need(self) -> None:
        words, need = self.words, self.need
        going = need is not None and need.charge_now
        self.now.set_visibility(not going)
        self.later.set_visibility(going)
        if need is None:
            self.in_force.text = words("Nothing is said yet: it charges at once, as far as the site allows.")
            return
        by = clock(need.ready_by, self.tz, words)
        if need.soc is not None:
            wish = words("{soc} % by {time}", soc=round(need.soc * 100), time=by)
        else:
            wish = words("{energy} by {time}", energy=energy(need.energy_kwh, words), time=by)
        if need.ready_by <= self.screens.desk.now():
            self.in_force.text = words("Your last wish has passed ({wish}). Say when you leave next.", wish=wish)
        elif going:
            self.in_force.text = words("Charging now, at full power, until {wish}.", wish=wish)
        else:
            self.in_force.text = words("Ready with {wish}.", wish=wish)

    async def _show_used(self) -> None:
        words, now = self.words, self.screens.desk.now()
        rows = await self.screens.desk.transactions(self.viewer.actor, holder=self.holder, limit=10)
        self.used.show([
            [
                cell(clock(row.started_at, self.tz, words, now)),
                cell(words("still here") if row.ended_at is None else clock(row.ended_at, self.tz, words, now)),
                cell(energy(row.charged_kwh, words)), cell(energy(row.discharged_kwh, words)),
            ]
            for row in rows
        ])  # fmt: skip


def _slider(text: str, value: float, least: int, words: Words) -> Callable[[], float]:
    """A slider from ``least`` to 100 %, with its value beside its name; returns how to read it."""
    with ui.element("div").classes("bw-field"):
        with ui.element("div").classes("bw-apart"):
            ui.label(text)
            shown = ui.label("").classes("bw-mid")
        bar = ui.slider(min=least, max=100, step=5, value=round(value * 100))
        bar.props(f'aria-label="{escape(text)} [%]"')
        bar.on_value_change(lambda: shown.set_text(percent(bar.value / 100.0, words)))
        shown.set_text(percent(bar.value / 100.0, words))
    return lambda: float(bar.value) / 100.0


def is_staff(actor: Actor) -> bool:
    """Whether somebody speaks for whoever is plugged in at a site."""
    return any(not scope.startswith("token:") for scope in actor.scopes_for(Action.NEED_SET))


class ChoosePage:
    """For staff, and for drivers with several vehicles: which one."""

    def __init__(self, screens: Screens, viewer: Viewer) -> None:
        self.screens, self.viewer, self.words = screens, viewer, viewer.words

    async def build(self) -> None:
        """Lays the page out."""
        words = self.words
        ui.label(words("Whose vehicle?"))
        card = ui.input(words("Number of the card")).props("outlined")

        def go() -> None:
            if (card.value or "").strip():
                ui.navigate.to(f"/driver?holder={card.value.strip()}")

        card.on("keydown.enter", go)
        ui.button(words("Open"), on_click=go, color=None).props("no-caps").classes("bw-do")
        table = Table(
            words("Vehicles"), (words("Vehicle"), words("Plugged in at")), words("No vehicle is plugged in.")
        )  # fmt: skip
        holders = self.screens.desk.holders(self.viewer.actor)
        table.show([[cell(name, f"/driver?holder={name}"), cell(at or words("nowhere"))] for name, at in holders])
        await self._sharing()

    async def _sharing(self) -> None:
        """For staff: the codes that guests read, to be printed, and which charging points share a queue."""
        words, desk, actor = self.words, self.screens.desk, self.viewer.actor
        for name in desk.site_ids():
            if not (actor.may(Action.NEED_SET, site_scope(name)) and actor.may(Action.SITE_VIEW, site_scope(name))):
                continue
            places = [f"{evse.station_id}/{evse.evse_id}" for evse in desk.site(actor, name).evses]
            head = words("Codes for guests")
            codes = Table(head, (words("Charging point"), words("Code")), words("There are none."))
            codes.show([[cell(place), cell(words("Print the code"), f"/guest-code/{place}")] for place in places])
            await SharingCard(self.screens, self.viewer, name, places).build()
