"""The page of one site: what flows, the limits, what each charger does and why, alarms, and the big red button."""

from __future__ import annotations

import time
from html import escape
from weakref import WeakKeyDictionary

from nicegui import ui

from bothways.adapters.web.chart import plan_chart, plan_options
from bothways.adapters.web.diagram import one_line
from bothways.adapters.web.evses import EvseCards, aged
from bothways.adapters.web.figures import NOT_KNOWN, age, clock, energy, number, power, rough_age
from bothways.adapters.web.frame import Screens, Viewer, confirm, heading, tried
from bothways.adapters.web.money_panel import MoneyPanel
from bothways.adapters.web.override_panel import OverridePanel
from bothways.adapters.web.sayings import alarm_told
from bothways.adapters.web.words import Words, later
from bothways.domain.errors import BothwaysError
from bothways.operations.access.roles import Action, site_scope
from bothways.operations.desk.desk import Desk
from bothways.operations.desk.island import IslandDesk
from bothways.operations.desk.views import SiteView

_EVERY_S = 1.0
_CHART_EVERY = 5
_NAMED = 4
_FRESH_S = 0.5
_looks: WeakKeyDictionary[Desk, dict[tuple[str, bool], tuple[float, SiteView]]] = WeakKeyDictionary()
_TILES = (
    ("limit", later("Import limit")), ("headroom", later("Free below the limit")),
    ("phases", later("Phases L1, L2, L3")), ("charged", later("Charged since the start")),
    ("discharged", later("Discharged since the start")),
)  # fmt: skip


def affected(subject: str, view: SiteView, words: Words) -> str:
    """Whom an alarm concerns: who is plugged in at its subject, by name where names may be seen."""
    site = subject == view.site_id
    near = [
        evse
        for evse in view.evses
        if evse.session is not None and (site or subject in {evse.station_id, f"{evse.station_id}/{evse.evse_id}"})
    ]
    if not near:
        return words("Nobody is plugged in there.")
    names = [evse.session.holder for evse in near if evse.session is not None and evse.session.holder]
    if site or not names or len(names) > _NAMED:
        return words("Plugged in and affected: {count}.", count=len(near))
    return words("Affects {names}.", names=", ".join(names))


class SitePage:
    """One person's view of one site; it sends what changed, once a second."""

    def __init__(self, screens: Screens, viewer: Viewer, site_id: str) -> None:
        self.screens, self.viewer, self.site_id = screens, viewer, site_id
        self.words = viewer.words
        self._alarms_shown: object = None
        self._drawn = ""
        self._looks = 0

    def look(self) -> SiteView:
        """The site now; made once for all who look within half a second and may see the same."""
        desk, actor, scope = self.screens.desk, self.viewer.actor, site_scope(self.site_id)
        desk.control(actor, self.site_id, Action.SITE_VIEW)
        key, now = (self.site_id, actor.may(Action.SESSION_VIEW, scope)), time.monotonic()
        made, view = _looks.setdefault(desk, {}).get(key, (-_FRESH_S, None))
        if view is None or now - made >= _FRESH_S:
            view = desk.site(actor, self.site_id)
            _looks[desk][key] = (now, view)
        return view

    def build(self) -> None:
        """Lays the page out."""
        words = self.words
        self.stopped = ui.element("div").classes("bw-stopped").props('role="alert"')
        with self.stopped:
            self.stop_text = ui.label("")
            self._release_button()
        self.stale = ui.label("").classes("bw-stale").props('role="status"')
        self.overrides = OverridePanel(self.screens, self.viewer, self.site_id, self.refresh)
        self.alarms = ui.element("section").classes("bw-stack").props(f'aria-label="{words("Alarms")}"')
        with ui.element("section").classes("bw-card").props(f'aria-label="{words("Power now")}"'):
            self.diagram = ui.html("", sanitize=False).classes("bw-diagram")
            with ui.element("div").classes("bw-apart"):
                self.age = ui.label("").classes("bw-small")
                self.plan = ui.label("").classes("bw-small")
        with ui.element("section").classes("bw-tiles").props(f'aria-label="{words("Limits and energies")}"'):
            self.tiles = {name: self._tile(words(text)) for name, text in _TILES}
        self._buttons()
        with ui.element("section").classes("bw-card").props(f'aria-label="{words("Plan and actual")}"'):
            heading(words("All vehicles: plan and actual"))
            self.planned = ui.label("").classes("bw-small")
            self.no_plan = ui.label(words("No plan is in force yet; needs are met as they come.")).classes("bw-small")
            self.chart = plan_chart(words)
        self.money = MoneyPanel(self.screens, self.viewer, self.site_id, self.look().tz)
        with ui.element("section").classes("bw-stack"):
            self.evses = EvseCards(words)
        self.refresh()
        ui.timer(_EVERY_S, self.refresh, immediate=False)

    @staticmethod
    def _tile(text: str) -> ui.label:
        with ui.element("div").classes("bw-card"):
            ui.label(text).classes("bw-small")
            return ui.label(NOT_KNOWN).classes("bw-big")

    def _buttons(self) -> None:
        words, actor, scope = self.words, self.viewer.actor, site_scope(self.site_id)
        with ui.element("div").classes("bw-line"):
            if actor.may(Action.SITE_STOP, scope):
                stop = confirm(
                    words,
                    words("Stop everything?"),
                    words("All charging and discharging at this site ends within 2 s, until somebody releases it."),
                    words("Stop everything"),
                    self._stop,
                    urgent=True,
                )
                ui.button(words("Emergency stop"), on_click=stop.open, color=None).props("no-caps").classes("bw-stop")
            self.overrides.button()
            islands = self.screens.services.get(IslandDesk)
            if isinstance(islands, IslandDesk) and islands.has(self.site_id):
                ui.link(words("Outage page"), f"/site/{self.site_id}/island").classes("bw-link")

    def _release_button(self) -> None:
        words = self.words
        if self.viewer.actor.may(Action.SITE_RELEASE, site_scope(self.site_id)):
            release = confirm(
                words,
                words("Release the stop?"),
                words(
                    "Make sure that it is safe. Charging that was ended begins again when a vehicle is plugged in anew."
                ),
                words("Release the stop"),
                self._release,
                urgent=False,
            )
            ui.button(words("Release"), on_click=release.open, color=None).props("no-caps flat").classes("bw-plain")

    async def _stop(self, reason: str) -> None:
        desk, viewer = self.screens.desk, self.viewer
        await tried(self.screens, viewer, lambda: desk.stop(viewer.actor, self.site_id, reason))
        self.refresh()

    async def _release(self, reason: str) -> None:
        desk, viewer = self.screens.desk, self.viewer
        await tried(self.screens, viewer, lambda: desk.release(viewer.actor, self.site_id, reason))
        self.refresh()

    def refresh(self) -> None:
        """Brings everything up to date; a viewer who lost the right is sent to the page that remains."""
        try:
            view = self.look()
        except BothwaysError:
            ui.navigate.to("/")
            return
        words = self.words
        self.stopped.set_visibility(view.stopped)
        self.stop_text.text = words("Everything is stopped: {reason}", reason=view.stop_reason)
        self._show_state(view)
        self._show_tiles(view)
        self._show_alarms(view)
        self.overrides.show(view)
        self.money.show_price()
        self.evses.show(view.evses, view.tz, view.at)
        self.no_plan.set_visibility(not view.plan)
        self.planned.set_visibility(bool(view.plan))
        self.planned.text = words("Plan made {age}.", age=rough_age(view.plan_made_at, view.at, words))
        if self._looks % _CHART_EVERY == 0:
            trail = self.screens.desk.trail(self.viewer.actor, self.site_id)
            self.chart.options.update(plan_options(view, words, trail))
            self.chart.update()
        self._looks += 1

    def _show_state(self, view: SiteView) -> None:
        words = self.words
        drawn = one_line(view, words)
        if drawn != self._drawn:
            self._drawn = drawn
            self.diagram.set_content(drawn)
        measured = age(view.meter_age_s, words)
        old = sum(aged(evse) for evse in view.evses)
        late = words("Vehicles, old readings: {count}", count=old) if old else ""
        self.age.text = " · ".join(part for part in (words("Site meter: {age}", age=measured), late) if part)
        self.plan.text = "" if view.at is None else words("Local time {time}", time=clock(view.at, view.tz, words))
        starting = view.at is None
        silent = words("The site meter is silent ({age}): vehicles share what is certainly safe.", age=measured)
        self.stale.text = words("The site is starting; first values come within seconds.") if starting else silent
        self.stale.set_visibility(starting or not view.meter_fresh)

    def _show_tiles(self, view: SiteView) -> None:
        words = self.words
        phases = " / ".join(number(kw, 0, words) for kw in view.phase_kw) + " kW" if view.phase_kw else NOT_KNOWN
        for name, text in (
            ("limit", power(view.import_limit_kw, words) if view.import_limit_kw is not None else words("none")),
            ("headroom", power(view.headroom_kw, words)), ("phases", phases),
            ("charged", energy(view.charged_kwh, words)), ("discharged", energy(view.discharged_kwh, words)),
        ):  # fmt: skip
            self.tiles[name].text = text

    def _show_alarms(self, view: SiteView) -> None:
        now = [
            (alarm.kind, alarm.subject, alarm.text, affected(alarm.subject, view, self.words)) for alarm in view.alarms
        ]
        if now == self._alarms_shown:
            return
        self._alarms_shown = now
        self.alarms.clear()
        with self.alarms:
            if not view.alarms:
                ui.label(self.words("No alarms.")).classes("bw-small")
            for alarm in view.alarms:
                with ui.element("div").classes(f"bw-alarm {escape(alarm.severity)}"):
                    said = alarm_told(alarm.text, view.tz, self.words)
                    ui.label(f"{alarm.subject}: {said}" if said else alarm.subject).classes("bw-strong")
                    ui.label(affected(alarm.subject, view, self.words))
                    ui.label(self.words("What to do: {remedy}", remedy=self.words(alarm.remedy)))
                    since = self.words("since {time}", time=clock(alarm.since, view.tz, self.words, view.at))
                    ui.label(since).classes("bw-small")
