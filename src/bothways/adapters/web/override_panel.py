"""Manual overrides on the site's page: what is in force and for how long, ending one, deciding another."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from html import escape

from nicegui import ui

from bothways.adapters.web.figures import clock, number, power
from bothways.adapters.web.frame import Screens, Viewer, dialog, tried
from bothways.adapters.web.words import Words, later
from bothways.operations.access.roles import Action, site_scope
from bothways.operations.desk import overrides
from bothways.operations.desk.overrides import OverrideForm, OverrideView
from bothways.operations.desk.views import SiteView

_KINDS = {
    "import_limit": later("Import limit of the site"), "export_limit": later("Export limit of the site"),
    "pause": later("Pause: no charging, no discharging"), "charge_limit": later("Charging limit of a charging point"),
}  # fmt: skip
_LASTS = {
    15: later("15 minutes"), 30: later("30 minutes"), 60: later("1 hour"), 120: later("2 hours"), 240: later("4 hours"),
    480: later("8 hours"), 1440: later("24 hours"),
}  # fmt: skip
_HOLDS = {
    "import_limit": later("import at most {kw}"), "export_limit": later("export at most {kw}"),
    "pause": later("paused"), "charge_limit": later("charges with at most {kw}"), "power": later("held at {kw}"),
}  # fmt: skip


def left(seconds: float, words: Words) -> str:
    """How long something lasts yet.

    >>> left(40.0, Words("en")), left(600.0, Words("en")), left(9000.0, Words("en"))
    ('less than a minute left', '10 min left', '2.5 h left')
    """
    if seconds < 60.0:
        return words("less than a minute left")
    if seconds < 7200.0:
        return words("{minutes} min left", minutes=round(seconds / 60.0))
    return words("{hours} h left", hours=number(seconds / 3600.0, 1, words))


class OverridePanel:
    """Shows the overrides in force above everything that they change; empty where there are none."""

    def __init__(self, screens: Screens, viewer: Viewer, site_id: str, changed: Callable[[], None]) -> None:
        self.screens, self.viewer, self.site_id, self.words = screens, viewer, site_id, viewer.words
        self.may = viewer.actor.may(Action.SITE_OVERRIDE, site_scope(site_id))
        self._changed = changed
        self._shown: object = None
        self._place = ui.element("section").classes("bw-stack").props(f'aria-label="{self.words("Manual overrides")}"')

    def show(self, view: SiteView) -> None:
        """Brings the list up to date; it is laid out again only when something in it changed."""
        found = overrides.overrides(self.screens.desk, self.viewer.actor, self.site_id)
        now = [(item.override_id, left(item.left_s, self.words)) for item in found]
        if now == self._shown:
            return
        self._shown = now
        self._place.clear()
        self._place.set_visibility(bool(found))
        with self._place:
            for item in found:
                self._card(item, view.tz)

    def _card(self, item: OverrideView, tz: str) -> None:
        words = self.words
        what = words(_HOLDS[item.kind], kw=power(item.kw, words))
        with ui.element("div").classes("bw-alarm information"), ui.element("div").classes("bw-apart"):
            with ui.element("div"):
                ui.label(f"{item.subject or self.site_id}: {what}").classes("bw-strong")
                until = words("until {time}", time=clock(item.until, tz, words, self.screens.desk.now()))
                ui.label(f"{until} ({left(item.left_s, words)}) · {item.who}: {item.reason}")
            if self.may:
                label = words("End now")
                button = ui.button(label, on_click=lambda: self._end(item), color=None).props("no-caps flat")
                button.classes("bw-plain").props(f'aria-label="{label}: {escape(what)}"')

    async def _end(self, item: OverrideView) -> None:
        desk, viewer = self.screens.desk, self.viewer
        await tried(self.screens, viewer, lambda: overrides.end(desk, viewer.actor, self.site_id, item.override_id))
        self._changed()

    def _places(self) -> dict[str, str]:
        evses = self.screens.desk.site(self.viewer.actor, self.site_id).evses
        names = [f"{evse.station_id}/{evse.evse_id}" for evse in evses]
        return {"": self.words("the whole site")} | {name: name for name in names}

    def button(self) -> None:
        """The button that opens the dialog, for who may."""
        if not self.may:
            return
        words = self.words
        with dialog(words("Override for a while")) as made:
            ui.label(words("It holds at once and ends by itself. No safety limit can be raised."))
            kinds = {kind: words(text) for kind, text in _KINDS.items()}
            kind = ui.select(kinds, value="import_limit", label=words("What")).props("outlined")
            place = ui.select(self._places(), value="", label=words("Where")).props("outlined")
            kw = ui.number(words("At most [kW]"), min=0.0).props("outlined")
            lasts = {minutes: words(text) for minutes, text in _LASTS.items()}
            lasting = ui.select(lasts, value=60, label=words("For")).props("outlined")
            reason = ui.input(words("Reason, for the record")).props("outlined")
            for field in (kind, place, kw, lasting, reason):
                field.style("width: 100%")
            place.bind_visibility_from(kind, "value", lambda value: value in {"pause", "charge_limit"})
            kw.bind_visibility_from(kind, "value", lambda value: value != "pause")

            async def go() -> None:
                chosen = str(kind.value)
                form = OverrideForm(
                    chosen,
                    self.screens.desk.now() + timedelta(minutes=int(lasting.value)),
                    (reason.value or "").strip(),
                    str(place.value) if chosen in {"pause", "charge_limit"} else "",
                    None if chosen == "pause" or kw.value is None else float(kw.value),
                )
                desk, viewer = self.screens.desk, self.viewer
                if await tried(self.screens, viewer, lambda: overrides.begin(desk, viewer.actor, self.site_id, form)):
                    made.close()
                    self._changed()

            with ui.element("div").classes("bw-line").style("justify-content: flex-end; width: 100%"):
                ui.button(words("Cancel"), on_click=made.close, color=None).props("no-caps flat").classes("bw-plain")
                ui.button(words("Override"), on_click=go, color=None).props("no-caps unelevated").classes("bw-do")

        def opened() -> None:
            place.set_options(self._places(), value="")
            made.open()

        label = words("Override for a while")
        ui.button(label, on_click=opened, color=None).props("no-caps flat").classes("bw-plain")
