"""One sentence per EVSE: what it is doing and why, for people."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from bothways.operations.site.control import Row, Tick
from bothways.operations.site.state import EvseState, Image, SessionState

_SMALL_KW = 0.05


def sentence(item: EvseState, row: Row | None, made: Tick, image: Image, tz: ZoneInfo) -> str:
    """What the EVSE is doing and why.

    Args:
        item: the EVSE.
        row: what it is told, ``None`` where it takes no orders.
        made: the tick.
        image: what the tick was made from.
        tz: the site's zone, for times of day.
    """
    if item.session is None:
        return "Nobody is plugged in." if item.online else "Out of reach, and nobody is known to be plugged in."
    if image.latched:
        return "Stopped by the emergency stop."
    if not item.online:
        return f"Out of reach: it follows its last order, then charges with up to {item.reserved_kw:.1f} kW by itself."
    if row is None:
        if item.session.transaction_id == "":
            return "Plugged in, not yet authorised."
        return f"Does not follow orders; {item.reserved_kw:.1f} kW are kept free for it."
    doing = _doing(row.power_kw, item)
    return f"{doing} {_why(row, item.session, made, tz)}".strip()


def _doing(power_kw: float, item: EvseState) -> str:
    if power_kw > _SMALL_KW:
        taken = f", takes {item.measured_kw:.1f} kW" if item.fresh and item.measured_kw < power_kw - 0.5 else ""
        return f"May charge with {power_kw:.1f} kW{taken}:"
    if power_kw < -_SMALL_KW:
        return f"Discharges with {-power_kw:.1f} kW:"
    return "Waits:"


def _why(row: Row, session: SessionState, made: Tick, tz: ZoneInfo) -> str:  # noqa: PLR0911 - one sentence per case
    """The reason, the first that applies."""
    if row.power_kw < row.wished_kw - 0.2 and row.wished_kw > 0.0:
        return _held_back(row, made)
    if session.full and row.power_kw <= _SMALL_KW:
        return "the vehicle is full."
    if row.floor_kw > _SMALL_KW:
        return "the battery is below the driver's floor."
    if session.keep and 0.0 < row.power_kw <= session.minimum_kw + 0.05:
        return "this vehicle does not resume after a pause, so it is kept at its minimum."
    if session.until is None:
        if session.need is not None and session.need.charge_now:
            return "the driver wants it charged at once."
        return "no departure was stated, so it is charged at once."
    by = _clock(session.declared or session.until, tz)
    if row.must_kw > _SMALL_KW and row.power_kw <= row.must_kw + 0.2:
        return f"needed to be ready by {by}."
    if row.power_kw < -_SMALL_KW:
        return f"energy is worth more now than later; it is charged again by {by}."
    if row.power_kw > _SMALL_KW:
        return f"a good time to charge on the way to {by}." if made.following else f"to be ready by {by}."
    if not made.following:
        return f"no plan is in force; charging begins in time for {by}."
    return f"a better time comes before {by}."


def _held_back(row: Row, made: Tick) -> str:
    loads, limits = made.import_kw, made.base.import_limit
    names = ("phase L1", "phase L2", "phase L3", "the site")
    for c in (3, 0, 1, 2):
        if loads[c] >= limits[c] - 0.5:
            return f"the limit of {names[c]} leaves no more ({limits[c]:.0f} kW)."
    if row.power_kw <= 0.0 < row.wished_kw:
        return "too little is free for the smallest charging power."
    return "power rises slowly after a change, to be gentle with the grid."


def _clock(when: datetime, tz: ZoneInfo) -> str:
    return f"{when.astimezone(tz):%H:%M}"
