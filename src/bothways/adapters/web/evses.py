"""Charging points as cards: what each does, for whom, and why."""

from __future__ import annotations

from datetime import datetime
from html import escape

from nicegui import ui

from bothways.adapters.web.figures import clock, energy, power, rough_age
from bothways.adapters.web.frame import heading
from bothways.adapters.web.sayings import spoken
from bothways.adapters.web.words import Words
from bothways.operations.desk.views import EvseView, SessionView

_ALIKE_KW = 0.5
_SMALL_KW = 0.05
UNKNOWN_SPREAD = 0.6
"""A state of charge that may lie anywhere in such a range is not known."""


def flowing(evse: EvseView, words: Words) -> str:
    """What flows, with its direction in words."""
    if not evse.online:
        return words("offline")
    if evse.session is None:
        return words("free")
    kw = evse.measured_kw
    if kw is None:
        return words("not metered")
    if kw > _SMALL_KW:
        return words("charges {power}", power=power(kw, words)) + _when(evse, words)
    if kw < -_SMALL_KW:
        return words("discharges {power}", power=power(-kw, words)) + _when(evse, words)
    return power(0.0, words) + _when(evse, words)


def _when(evse: EvseView, words: Words) -> str:
    """Says so where a reading is older than the order that it should show."""
    known = evse.measured_fresh or evse.session is None or evse.ordered_kw is None
    if known or abs((evse.ordered_kw or 0.0) - (evse.measured_kw or 0.0)) < _ALIKE_KW:
        return ""
    return f" ({words('last reading')})"


def aged(evse: EvseView) -> bool:
    """Whether the power that is shown is too old to rely on."""
    return evse.session is not None and evse.measured_kw is not None and (evse.measured_old or not evse.online)


def ages(evse: EvseView, words: Words, now: datetime | None) -> str:
    """How old the power and the state of charge are that are shown; empty where nobody is plugged in."""
    session, old = evse.session, rough_age(evse.measured_at, now, words)
    if session is None:
        return ""
    if evse.measured_kw is None:
        measured = words("Power never measured")
    elif aged(evse):
        measured = words("Old reading: {power}, {age}", power=power(evse.measured_kw, words), age=old)
    else:
        measured = words("Power measured {age}", age=old)
    if session.soc.high - session.soc.low >= UNKNOWN_SPREAD:
        return measured
    if session.soc_at is not None:
        told = words("battery told by the vehicle {age}", age=rough_age(session.soc_at, now, words))
    else:
        told = words("battery computed from the energy that flowed")
    return f"{measured} · {told}"


def battery(session: SessionView, words: Words) -> str:
    """The state of charge with how sure it is."""
    soc = session.soc
    value, low, high = round(soc.value * 100), round(soc.low * 100), round(soc.high * 100)
    if high - low <= 4:
        return words("Battery at {soc} %", soc=value)
    if soc.high - soc.low >= UNKNOWN_SPREAD:
        return words("Battery not known, taken as {soc} %", soc=value)
    return words("Battery at about {soc} % (between {low} % and {high} %)", soc=value, low=low, high=high)


Told = dict[tuple[str, int], str]
_shared: dict[tuple[str, str], tuple[tuple[EvseView, ...], Told]] = {}


class EvseCards:
    """The cards of a site's charging points: one element each, sent again only when something in it changed."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._cards: dict[tuple[str, int], ui.html] = {}
        self._empty = True
        heading(words("Charging points"))
        self._place = ui.element("div").classes("bw-cards")

    def show(self, evses: tuple[EvseView, ...], tz: str, now: datetime | None) -> None:
        """Brings all cards up to date."""
        told = self._told(evses, tz, now)
        if told.keys() != self._cards.keys() or (self._empty and not evses):
            self._lay_out(told)
        for key, html in told.items():
            if self._cards[key].content != html:
                self._cards[key].set_content(html)

    def _told(self, evses: tuple[EvseView, ...], tz: str, now: datetime | None) -> Told:
        """The cards' contents; whoever looks at the same view in the same language shares them."""
        key = (tz, self._words.language)
        shared = _shared.get(key)
        if shared is None or shared[0] is not evses:
            shared = evses, {(evse.station_id, evse.evse_id): self._card(evse, tz, now) for evse in evses}
            _shared[key] = shared
        return shared[1]

    def _lay_out(self, told: Told) -> None:
        self._place.clear()
        self._empty = False
        with self._place:
            if not told:
                ui.label(self._words("No charging points are registered at this site yet."))
            self._cards = {
                key: ui.html(html, sanitize=False, tag="article")
                .classes("bw-card")
                .props(f'aria-label="{escape(f"{key[0]} / {key[1]}")}"')
                for key, html in told.items()
            }

    def _card(self, evse: EvseView, tz: str, now: datetime | None) -> str:
        words = self._words
        session, used = self._session(evse, tz, now)
        why = spoken(evse.why_not_discharging, words) if evse.session is not None and evse.discharge_kw > 0.0 else ""
        small = (session, used, ages(evse, words, now), words("Does not discharge: {why}.", why=why) if why else "")
        name = escape(f"{evse.station_id} / {evse.evse_id}")
        flow, doing = escape(flowing(evse, words)), escape(spoken(evse.doing, words))
        lines = "".join(f'<div class="bw-small">{escape(text)}</div>' for text in small if text)
        look = "bw-mid bw-aged" if aged(evse) else "bw-mid"
        return (
            f'<div class="bw-apart"><div class="bw-strong">{name}</div><div class="{look}">{flow}</div></div>'
            f"<div>{doing}</div>{lines}"
        )

    def _session(self, evse: EvseView, tz: str, now: datetime | None) -> tuple[str, str]:
        session, words = evse.session, self._words
        if session is None:
            return "", ""
        parts = [session.holder or "", battery(session, words)]
        if session.ready_by is not None:
            parts.append(words("ready by {time}", time=clock(session.ready_by, tz, words, now)))
        used = words(
            "Since {time}: charged {charged}, discharged {discharged}",
            time=clock(session.since, tz, words, now),
            charged=energy(session.charged_kwh, words),
            discharged=energy(session.discharged_kwh, words),
        )
        return " · ".join(part for part in parts if part), used
