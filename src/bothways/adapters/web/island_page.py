"""The page of an island, for the worst day: time left, what is on, what to do by hand next, vehicles, big actions."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from fastapi import Request
from nicegui import ui

from bothways.adapters.web.figures import age, clock, energy, number, power
from bothways.adapters.web.frame import Screens, Viewer, frame, heading, style, tried
from bothways.adapters.web.island_actions import Actions
from bothways.adapters.web.island_happened import happened_said
from bothways.adapters.web.island_sayings import island_said
from bothways.adapters.web.tables import Table, cell
from bothways.adapters.web.words import Words, later
from bothways.domain.errors import BothwaysError
from bothways.operations.access.roles import Action, site_scope
from bothways.operations.desk.desk import Unknown
from bothways.operations.desk.island import IslandDesk
from bothways.operations.desk.island_views import HORIZON_H, GivingView, IslandView, TaskView

_EVERY_S = 1.0
_OLD_S = 5.0
_TIERS = {
    1: later("medical, communications, way out, water"), 2: later("cooling of food and medicine, one warm room"),
    3: later("lift, kitchen, part of heating"), 4: later("comfort"),
}  # fmt: skip
_PHASES = {
    "grid-connected": later("On the grid"), "islanding": later("Being separated from the street"),
    "black start": later("Starting on its own sources"), "island": later("Island: on its own sources"),
    "resynchronise": later("Returning to the grid"), "fault": later("Waiting for a person"),
    "locked out": later("Emergency stop"),
}  # fmt: skip
_ON = {"on": later("on"), "off": later("off"), "partly": later("partly on"), "open": later("off"),
       "closed": later("on"), "unknown": later("not known")}  # fmt: skip
_MODES = {"off": later("rests"), "charging": later("charges"), "giving": later("gives"),
          "forming": later("holds the island"), "unknown": later("does not answer")}  # fmt: skip
_GRID = {"good": later("good"), "poor": later("poor"), "lost": later("lost"), "unknown": later("not known")}


def hours(value: float | None, words: Words) -> str:
    """A time left with its unit.

    >>> hours(5.234, Words("nl")), hours(0.4, Words("en")), hours(None, Words("en"))
    ('5,2 h', '24 min', 'more than 96 h')
    """
    if value is None:
        return words("more than {hours} h", hours=number(HORIZON_H, 0, words))
    return f"{number(value, 1, words)} h" if value >= 1.0 else f"{number(value * 60.0, 0, words)} min"


class IslandPage:
    """One person's view of one island; it sends what changed, once a second."""

    def __init__(self, screens: Screens, viewer: Viewer, site_id: str, desk: IslandDesk) -> None:
        self.screens, self.viewer, self.site_id, self.desk = screens, viewer, site_id, desk
        self.words = viewer.words
        self._shown: dict[str, object] = {}

    def look(self) -> IslandView:
        """The island now."""
        return self.desk.view(self.viewer.actor, self.site_id)

    def build(self) -> None:
        """Lays the page out, the most urgent first."""
        words = self.words
        ui.add_css(style("island"))
        self.state = ui.element("section").classes("bw-island").props(f'aria-label="{words("State")}" role="status"')
        with self.state:
            self.phase = ui.label("").classes("bw-phase")
            self.seen = ui.label("")
        self.drill = ui.label(words("Drill: nothing acts, the main contactor stays closed.")).classes("bw-drill")
        self.stale = ui.label("").classes("bw-stale").props('role="alert"')
        self.notices = ui.element("section").classes("bw-stack").props(f'aria-label="{words("Messages")}"')
        self.actions = Actions(self.screens, self.viewer, self.site_id, self.desk, self.refresh)
        self.actions.build_first()
        with ui.element("section").classes("bw-stack").props(f'aria-label="{words("Do now")}"'):
            heading(words("Do by hand now"))
            self.tasks = ui.element("div").classes("bw-stack")
        with ui.element("section").classes("bw-stack").props(f'aria-label="{words("Time left")}"'):
            heading(words("Time left"))
            self.tiers = ui.element("div").classes("bw-tiles")
            self.energy = ui.label("").classes("bw-small")
        self.actions.build()
        heading(words("What is on"))
        self.sections = Table(
            words("Sections"), (words("section"), words("serves"), words("state"), f"#{words('load')}"), ""
        )
        heading(words("Vehicles: what each can still give"))
        self.vehicles = ui.element("div").classes("bw-cards")
        heading(words("Sources"))
        self.sources = Table(words("Sources"), (words("source"), words("state"), f"#{words('power')}"), "")
        heading(words("If the server is lost"))
        self.alone = ui.element("div").classes("bw-stack")
        ui.link(words("Paper plan, to print"), f"/site/{self.site_id}/island/paper", new_tab=True).classes("bw-link")
        heading(words("What happened"))
        self.happened = ui.element("div").classes("bw-stack")
        self.refresh()
        ui.timer(_EVERY_S, self.refresh, immediate=False)

    def _may(self, action: Action) -> bool:
        return self.viewer.actor.may(action, site_scope(self.site_id))

    # --- what is shown ------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Brings everything up to date; a viewer who lost the right is sent to the page that remains."""
        try:
            view = self.look()
        except BothwaysError:
            ui.navigate.to("/")
            return
        self._show_state(view)
        self.actions.show(view)
        self._changed("notices", view.notices, lambda: self._show_notices(view), self.notices)
        self._changed("tasks", view.tasks, lambda: self._show_tasks(view), self.tasks)
        self._changed("tiers", view.tiers, lambda: self._show_tiers(view), self.tiers)
        self._changed("vehicles", _rough(view.vehicles), lambda: self._show_vehicles(view), self.vehicles)
        self._changed("happened", view.happened, lambda: self._show_happened(view), self.happened)
        self._changed("alone", _alone(view), lambda: self._show_alone(view), self.alone)
        self._show_tables(view)

    def _changed(self, name: str, value: object, show: Callable[[], None], place: ui.element) -> None:
        if self._shown.get(name) == value and name in self._shown:
            return
        self._shown[name] = value
        place.clear()
        with place:
            show()

    def _show_state(self, view: IslandView) -> None:
        words, measured = self.words, age(view.age_s, self.words)
        self.phase.text = words(_PHASES[view.phase])
        grave = view.phase in {"fault", "locked out"} or view.stopped
        kind = "grave" if grave else "calm" if view.phase == "grid-connected" else "alone"
        self.state.classes(remove="grave calm alone", add=kind)
        grid, main = words(_GRID[view.grid]), words(_ON[view.main])
        shown = {"grid": grid, "main": main, "age": measured}
        self.seen.text = (
            words("Grid {grid} · main switch {main} in the drill · seen {age}", **shown)
            if view.drill
            else words("Grid {grid} · main switch {main} · seen {age}", **shown)
        )
        self.drill.set_visibility(view.drill)
        old = view.age_s is None or view.age_s > _OLD_S or bool(view.failure)
        why = view.failure or words("no reading")
        self.stale.text = words("The devices are not seen ({why}). Go by the paper plan.", why=why)
        self.stale.set_visibility(old)
        lasting = words(
            "{energy} above all reserves · PV {pv}", energy=energy(view.energy_kwh, words), pv=power(view.pv_kw, words)
        )
        if not view.permitted:
            lasting = words("This site has no permission to island: nothing will be energised.")
        self.energy.text = lasting

    def _show_notices(self, view: IslandView) -> None:
        for notice in view.notices:
            kind = "critical" if notice.severity in {"alarm", "ask"} else notice.severity
            with ui.element("div").classes(f"bw-alarm {escape(kind)}"):
                ui.label(island_said(notice.text, self.words)).classes("bw-strong")
                if notice.remedy:
                    ui.label(island_said(notice.remedy, self.words))

    def _show_tasks(self, view: IslandView) -> None:
        words = self.words
        if not view.tasks:
            ui.label(words("Nothing.")).classes("bw-small")
        first = True
        for task in view.tasks:
            with ui.element("div").classes("bw-card"):
                ui.label(island_said(task.text, words)).classes("bw-task" if first and not task.done else "bw-strong")
                if task.done:
                    ui.label(words("done")).classes("bw-small")
                    continue
                if task.wait:
                    ui.label(words("Wait: {why}", why=island_said(task.wait, words))).classes("bw-strong")
                first = False
                if (view.drill or task.by_person) and self._may(Action.SITE_OVERRIDE):
                    self._done_button(task)
                else:
                    ui.label(words("Its feedback will confirm it.")).classes("bw-small")

    def _done_button(self, task: TaskView) -> None:
        words = self.words

        async def done() -> None:
            async def act() -> None:
                closed = task.action == "close"
                await self.desk.done(self.viewer.actor, self.site_id, task.device, closed=closed)

            await tried(self.screens, self.viewer, act, words("Noted."))
            self.refresh()

        ui.button(words("I have done it"), on_click=done, color=None).props("no-caps unelevated").classes(
            "bw-do bw-now"
        )

    def _show_tiers(self, view: IslandView) -> None:
        words = self.words
        for tier in view.tiers:
            with ui.element("div").classes(f"bw-card bw-tier {escape(tier.on)}"):
                title = words("Tier {number}: {what}", number=tier.tier, what=words(_TIERS[tier.tier]))
                ui.label(title).classes("bw-small")
                ui.label(hours(tier.lasts_h, words)).classes("bw-huge")
                what = {
                    "state": words(_ON[tier.on]),
                    "load": power(tier.load_kw, words),
                    "target": hours(tier.target_h, words),
                }
                ui.label(words("{state} · {load} · shall last {target}", **what)).classes("bw-small")

    def _show_vehicles(self, view: IslandView) -> None:
        words = self.words
        if not view.vehicles:
            ui.label(words("No vehicle is connected.")).classes("bw-small")
        for vehicle in view.vehicles:
            with ui.element("div").classes("bw-card"):
                ui.label(vehicle.holder or vehicle.place).classes("bw-strong")
                ui.label(words("can give {energy}", energy=energy(vehicle.can_give_kwh, words))).classes("bw-mid")
                stored = energy(vehicle.stored_kwh, words)
                kept = words("keeps {kept} of {stored}", kept=energy(vehicle.keeps_kwh, words), stored=stored)
                ui.label(f"{vehicle.place} · {kept}").classes("bw-small")
                if vehicle.why_not:
                    ui.label(words(vehicle.why_not)).classes("bw-small")
                if self._may(Action.NEED_SET):
                    self._keep_button(vehicle)

    def _keep_button(self, vehicle: GivingView) -> None:
        words = self.words
        text = words("Give again") if vehicle.opted_out else words("Keep everything")

        async def change() -> None:
            async def act() -> None:
                await self.desk.driver(
                    self.viewer.actor, self.site_id, vehicle.place, vehicle.reserve_km, opted_out=not vehicle.opted_out
                )

            await tried(self.screens, self.viewer, act, words("Noted."))
            self.refresh()

        ui.button(text, on_click=change, color=None).props(
            f'no-caps flat aria-label="{escape(text)}: {escape(vehicle.place)}"'
        ).classes("bw-plain")

    def _show_tables(self, view: IslandView) -> None:
        words = self.words
        self.sections.show(
            [
                (
                    cell(f"{s.tier} · {s.section_id}"), cell(s.serves),
                    cell(self._state_of(s.position, s.aside, s.tripped)), cell(power(s.load_kw, words)),
                )
                for s in view.sections
            ]
        )  # fmt: skip
        self.sources.show(
            [
                (
                    cell(s.source_id), cell(words("cut off") if s.cut_off else words(_MODES[s.mode])),
                    cell(power(s.output_kw, words)),
                )
                for s in view.sources
            ]
        )  # fmt: skip

    def _state_of(self, position: str, aside: bool, tripped: bool) -> str:
        words = self.words
        parts = [words(_ON[position])]
        parts += [words("out of service")] if aside else []
        parts += [words("switched itself off")] if tripped else []
        return ", ".join(parts)

    def _show_alone(self, view: IslandView) -> None:
        words = self.words
        for text, names in _alone(view)[1]:
            ui.label(f"{', '.join(names)}: {island_said(text, words)}").classes("bw-small")
        if view.stay_on is None:
            ui.label(words("All sections stay as they are.")).classes("bw-small")
        else:
            ui.label(words("Sections that stay on: {names}.", names=", ".join(view.stay_on))).classes("bw-small")

    def _show_happened(self, view: IslandView) -> None:
        for line in view.happened:
            with ui.element("div").classes("bw-line"):
                ui.label(clock(line.at, view.tz, self.words, view.at)).classes("bw-small")
                ui.label(happened_said(line.who, line.text, self.words))


def _rough(vehicles: tuple[GivingView, ...]) -> object:
    """What is shown of vehicles: energies change every second by less than anybody reads."""
    return tuple(
        (v.place, v.holder, round(v.can_give_kwh, 1), round(v.keeps_kwh, 1), v.opted_out, v.why_not) for v in vehicles
    )


def _alone(view: IslandView) -> tuple[object, tuple[tuple[str, tuple[str, ...]], ...]]:
    """What devices do without orders, those that do the same together."""
    texts = dict.fromkeys(source.alone for source in view.sources if source.alone)
    return view.stay_on, tuple((text, tuple(s.source_id for s in view.sources if s.alone == text)) for text in texts)


def desk_of_islands(screens: Screens) -> IslandDesk:
    """The use cases with islands.

    Raises:
        Unknown: this system has none.
    """
    found = screens.services.get(IslandDesk)
    if not isinstance(found, IslandDesk):
        msg = "no site here is an island"
        raise Unknown(msg)
    return found


async def island_screen(screens: Screens, viewer: Viewer, request: Request) -> None:
    """The page of an island."""
    site_id = str(request.path_params["site_id"])
    page = IslandPage(screens, viewer, site_id, desk_of_islands(screens))
    page.look()
    with frame(screens, viewer, viewer.words("Outage at {name}", name=site_id), narrow=True):
        page.build()
