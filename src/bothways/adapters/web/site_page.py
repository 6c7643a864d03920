"""The page of one site: what flows, the limits, what each charger does and why, alarms, and the big red button."""

from __future__ import annotations

from nicegui import ui

from bothways.adapters.web.chart import plan_chart, plan_options
from bothways.adapters.web.diagram import one_line
from bothways.adapters.web.frame import NOT_KNOWN, Screens, Viewer, age, clock, confirm, energy, power
from bothways.domain.errors import BothwaysError
from bothways.operations.access.roles import Action, site_scope
from bothways.operations.desk.views import EvseView, SiteView

_EVERY_S = 1.0
_KEEP_POINTS = 900


class SitePage:
    """One person's view of one site; it sends what changed, once a second."""

    def __init__(self, screens: Screens, viewer: Viewer, site_id: str) -> None:
        self.screens, self.viewer, self.site_id = screens, viewer, site_id
        self.words = viewer.words
        self.actual: list[tuple[str, float]] = []
        self.rows: dict[tuple[str, int], dict[str, ui.label]] = {}
        self._alarms_shown: tuple[object, ...] = ("never shown",)
        self._drawn = ""

    def look(self) -> SiteView:
        """The site now."""
        return self.screens.desk.site(self.viewer.actor, self.site_id)

    def build(self) -> None:
        """Lays the page out."""
        words = self.words
        view = self.look()
        self.stopped = ui.element("div").classes("bw-stopped").props('role="alert"')
        with self.stopped:
            self.stop_text = ui.label("")
            self._release_button()
        with ui.element("section").classes("bw-card").props(f'aria-label="{words("Power now")}"'):
            self.diagram = ui.html("", sanitize=False).classes("w-full")
            self.age = ui.label("").classes("bw-small")
        with ui.element("section").classes("bw-tiles"):
            self.tiles = {
                name: self._tile(words(text))
                for name, text in (
                    ("limit", "Import limit"), ("headroom", "Headroom"), ("phases", "Phases L1 L2 L3"),
                    ("charged", "Charged"), ("discharged", "Discharged"), ("cost", "Energy cost since the start"),
                )
            }  # fmt: skip
        self._buttons()
        self.alarms = ui.element("section").classes("column w-full").props(f'aria-label="{words("Alarms")}"')
        with ui.element("section").classes("bw-card").props(f'aria-label="{words("Plan and actual")}"'):
            self.chart = plan_chart(view, words)
        self.evses = ui.element("section").classes("column w-full").props(f'aria-label="{words("Charging points")}"')
        self.refresh()
        ui.timer(_EVERY_S, self.refresh)

    def _tile(self, text: str) -> ui.label:
        with ui.element("div").classes("bw-card"):
            ui.label(text).classes("bw-small")
            return ui.label(NOT_KNOWN).classes("bw-big")

    def _buttons(self) -> None:
        words, actor, scope = self.words, self.viewer.actor, site_scope(self.site_id)
        with ui.row():
            if actor.may(Action.SITE_STOP, scope):
                stop = confirm(
                    words,
                    words("Stop everything?"),
                    words("All charging and discharging at this site ends within 2 s, until somebody releases it."),
                    words("Stop everything"),
                    self._stop,
                )
                ui.button(words("Emergency stop"), on_click=stop.open).props("color=negative unelevated")
            if actor.may(Action.SITE_OVERRIDE, scope):
                self._limit_button()

    def _limit_button(self) -> None:
        words = self.words
        with ui.dialog() as dialog, ui.card().classes("w-96"):
            ui.label(words("Lower the import limit")).classes("text-lg font-bold")
            limit = ui.number(words("Import limit [kW]"), min=0.0, format="%.1f").classes("w-full")
            reason = ui.input(words("Reason, for the record")).classes("w-full")

            async def go() -> None:
                if await self._tried(
                    self.screens.desk.limit(self.viewer.actor, self.site_id, float(limit.value or -1.0), reason.value)
                ):
                    dialog.close()

            with ui.row().classes("w-full justify-end"):
                ui.button(words("Cancel"), on_click=dialog.close).props("flat")
                ui.button(words("Set"), on_click=go)
        ui.button(words("Import limit"), on_click=dialog.open).props("outline")

    def _release_button(self) -> None:
        words = self.words
        if self.viewer.actor.may(Action.SITE_RELEASE, site_scope(self.site_id)):
            release = confirm(
                words,
                words("Release the stop?"),
                words("Charging begins again. Make sure that it is safe."),
                words("Release"),
                self._release,
            )
            ui.button(words("Release"), on_click=release.open).props("outline color=white")

    async def _stop(self, reason: str) -> None:
        await self._tried(self.screens.desk.stop(self.viewer.actor, self.site_id, reason))
        self.refresh()

    async def _release(self, reason: str) -> None:
        await self._tried(self.screens.desk.release(self.viewer.actor, self.site_id, reason))
        self.refresh()

    async def _tried(self, work: object) -> bool:
        try:
            await work  # type: ignore[misc]
        except BothwaysError as error:
            ui.notify(str(error), type="negative", multi_line=True)
            return False
        return True

    def refresh(self) -> None:
        """Brings everything up to date."""
        view, words = self.look(), self.words
        self.stopped.set_visibility(view.stopped)
        self.stop_text.text = words("Everything is stopped: {reason}", reason=view.stop_reason)
        drawn = one_line(view, words)
        if drawn != self._drawn:
            self._drawn = drawn
            self.diagram.set_content(drawn)
        measured = age(view.meter_age_s, words)
        self.age.text = (
            words("Site meter: {age}", age=measured)
            if view.meter_fresh
            else words("The site meter is silent ({age}): vehicles share what is certainly safe.", age=measured)
        )
        tiles = self.tiles
        tiles["limit"].text = power(view.import_limit_kw)
        tiles["headroom"].text = power(view.headroom_kw)
        tiles["phases"].text = " ".join(f"{kw:.1f}" for kw in view.phase_kw) + " kW" if view.phase_kw else NOT_KNOWN
        tiles["charged"].text = energy(view.charged_kwh)
        tiles["discharged"].text = energy(view.discharged_kwh)
        tiles["cost"].text = f"{view.energy_cost:.2f}"
        self._show_alarms(view)
        self._show_evses(view)
        self._show_chart(view)

    def _show_alarms(self, view: SiteView) -> None:
        now = tuple((alarm.kind, alarm.subject, alarm.text) for alarm in view.alarms)
        if now == self._alarms_shown:
            return
        self._alarms_shown = now
        self.alarms.clear()
        with self.alarms:
            if not view.alarms:
                ui.label(self.words("No alarms.")).classes("bw-small")
            for alarm in view.alarms:
                with ui.element("div").classes(f"bw-alarm {alarm.severity}"):
                    ui.label(f"{alarm.subject}: {alarm.text}").classes("font-bold")
                    ui.label(alarm.remedy)
                    since = self.words("since {time}", time=clock(alarm.since, view.tz))
                    ui.label(since).classes("bw-small")

    def _show_evses(self, view: SiteView) -> None:
        keys = {(evse.station_id, evse.evse_id) for evse in view.evses}
        if keys != set(self.rows):
            self.evses.clear()
            self.rows = {}
            with self.evses:
                if not view.evses:
                    ui.label(self.words("No charging points are registered at this site yet."))
                for evse in view.evses:
                    self.rows[evse.station_id, evse.evse_id] = self._row(evse)
        for evse in view.evses:
            row = self.rows[evse.station_id, evse.evse_id]
            row["power"].text = power(evse.measured_kw) if evse.online else self.words("offline")
            row["doing"].text = evse.doing
            row["why"].text = "" if not evse.why_not_discharging or evse.session is None else self.words(
                "Does not discharge: {why}.", why=evse.why_not_discharging
            )  # fmt: skip
            row["session"].text = self._session(evse, view.tz)

    def _row(self, evse: EvseView) -> dict[str, ui.label]:
        with ui.element("article").classes("bw-card"):
            with ui.row().classes("w-full justify-between items-baseline"):
                ui.label(f"{evse.station_id} / {evse.evse_id}").classes("font-bold")
                shown = ui.label("").classes("bw-big")
            doing = ui.label("")
            session = ui.label("").classes("bw-small")
            why = ui.label("").classes("bw-small")
        return {"power": shown, "doing": doing, "session": session, "why": why}

    def _session(self, evse: EvseView, tz: str) -> str:
        session = evse.session
        if session is None:
            return ""
        text = self.words(
            "{soc} % (between {low} and {high}), ready by {time}, charged {charged}, discharged {discharged}",
            soc=round(session.soc.value * 100),
            low=round(session.soc.low * 100),
            high=round(session.soc.high * 100),
            time=clock(session.ready_by, tz),
            charged=energy(session.charged_kwh),
            discharged=energy(session.discharged_kwh),
        )
        return f"{session.holder} · {text}" if session.holder else text

    def _show_chart(self, view: SiteView) -> None:
        if view.at is None:
            return
        at = view.at.isoformat()
        if not self.actual or self.actual[-1][0] != at:
            self.actual.append((at, view.vehicles_kw))
            del self.actual[:-_KEEP_POINTS]
            self.chart.options.update(plan_options(view, self.words, self.actual))
            self.chart.update()
