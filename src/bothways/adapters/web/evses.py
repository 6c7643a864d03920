"""Charging points as cards: what each does, for whom, and why."""

from __future__ import annotations

from nicegui import ui

from bothways.adapters.web.frame import clock, energy, heading, power
from bothways.adapters.web.sayings import spoken
from bothways.adapters.web.words import Words
from bothways.operations.desk.views import EvseView, SessionView


def flowing(evse: EvseView, words: Words) -> str:
    """What flows, with its direction in words."""
    if not evse.online:
        return words("offline")
    kw = evse.measured_kw
    if kw is None:
        return words("not metered")
    if kw > 0.05:
        return words("charges {power}", power=power(kw))
    if kw < -0.05:
        return words("discharges {power}", power=power(-kw))
    return power(0.0)


def battery(session: SessionView, words: Words) -> str:
    """The state of charge with how sure it is."""
    soc = session.soc
    value, low, high = round(soc.value * 100), round(soc.low * 100), round(soc.high * 100)
    if high - low <= 4:
        return words("Battery at {soc} %", soc=value)
    if high - low >= 60:
        return words("Battery not known, taken as {soc} %", soc=value)
    return words("Battery at about {soc} % (between {low} % and {high} %)", soc=value, low=low, high=high)


class EvseCards:
    """The cards of a site's charging points; only texts that changed are sent."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._rows: dict[tuple[str, int], dict[str, ui.label]] = {}
        self._empty = True
        heading(words("Charging points"))
        self._place = ui.element("div").classes("bw-cards")

    def show(self, evses: tuple[EvseView, ...], tz: str) -> None:
        """Brings all cards up to date."""
        if {(evse.station_id, evse.evse_id) for evse in evses} != set(self._rows) or (self._empty and not evses):
            self._lay_out(evses)
        for evse in evses:
            row = self._rows[evse.station_id, evse.evse_id]
            row["flow"].text = flowing(evse, self._words)
            row["doing"].text = spoken(evse.doing, self._words)
            row["session"].text, row["used"].text = self._session(evse, tz)
            why = (
                spoken(evse.why_not_discharging, self._words)
                if evse.session is not None and evse.discharge_kw > 0.0
                else ""
            )
            row["why"].text = self._words("Does not discharge: {why}.", why=why) if why else ""
            for name in ("session", "used", "why"):
                row[name].set_visibility(bool(row[name].text))

    def _lay_out(self, evses: tuple[EvseView, ...]) -> None:
        self._place.clear()
        self._rows = {}
        self._empty = False
        with self._place:
            if not evses:
                ui.label(self._words("No charging points are registered at this site yet."))
            for evse in evses:
                self._rows[evse.station_id, evse.evse_id] = self._card(evse)

    @staticmethod
    def _card(evse: EvseView) -> dict[str, ui.label]:
        name = f"{evse.station_id} / {evse.evse_id}"
        with ui.element("article").classes("bw-card").props(f'aria-label="{name}"'):
            with ui.element("div").classes("bw-apart"):
                ui.label(name).classes("bw-strong")
                flow = ui.label("").classes("bw-mid")
            doing = ui.label("")
            small = [ui.label("").classes("bw-small") for _ in range(3)]
        return {"flow": flow, "doing": doing, "session": small[0], "used": small[1], "why": small[2]}

    def _session(self, evse: EvseView, tz: str) -> tuple[str, str]:
        session, words = evse.session, self._words
        if session is None:
            return "", ""
        parts = [session.holder or "", battery(session, words)]
        if session.ready_by is not None:
            parts.append(words("ready by {time}", time=clock(session.ready_by, tz, words)))
        used = words(
            "Since {time}: charged {charged}, discharged {discharged}",
            time=clock(session.since, tz, words),
            charged=energy(session.charged_kwh),
            discharged=energy(session.discharged_kwh),
        )
        return " · ".join(part for part in parts if part), used
