"""What a vehicle does with what it is offered: full, slower than the charger, asleep after a pause (R32)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bothways.operations.site.book import Outlet, Visit

SILENT_KW = 0.1
"""Below this a vehicle takes nothing; electronics that stay awake draw less."""

FULL_AFTER_S = 120.0
"""A vehicle that takes nothing of what it is offered for so long has had enough, or sleeps."""

ASLEEP_AFTER_S = 180.0
"""Some vehicles take a minute or two to wake; after this one that was paused is asleep."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What changed in a vehicle's behaviour at one instant."""

    became_full: bool = False
    fell_asleep: bool = False
    woke_up: bool = False


NOTHING = Behaviour()


def metered_after_order(outlet: Outlet, now: datetime, settle_s: float, stale_s: float) -> bool:
    """Whether the latest power is recent and was taken after the vehicle had time to follow the order in force."""
    at = outlet.meter.power_at
    if at is None or outlet.pending or now - at > timedelta(seconds=stale_s):
        return False
    return outlet.ordered_at is None or at >= outlet.ordered_at + timedelta(seconds=settle_s)


def observe(
    outlet: Outlet, visit: Visit, now: datetime, *, metered: bool, owed: bool, settle_s: float = 0.0
) -> Behaviour:
    """Notes on ``visit`` what the meter says about the vehicle.

    Args:
        outlet: the EVSE.
        visit: the vehicle; changed in place.
        now: the instant.
        metered: see :func:`metered_after_order`.
        owed: whether, as far as known, the vehicle still needs energy.
        settle_s: seconds a vehicle gets to follow an order; where that is long, waiting is longer too [s].

    Returns:
        What is new.
    """
    power, ordered = outlet.meter.power_kw, outlet.ordered_kw
    if power > SILENT_KW and metered:
        woke = visit.asleep
        visit.charged, visit.asleep, visit.full = True, False, False
        visit.declined_since = None
        if ordered > SILENT_KW:
            visit.paused = False
        return Behaviour(woke_up=woke)
    if ordered <= SILENT_KW:
        visit.declined_since = None
        visit.paused = visit.charged and not visit.full
        return NOTHING
    if not metered:
        return NOTHING
    if visit.declined_since is None:
        visit.declined_since = now
    declined_s = (now - visit.declined_since).total_seconds()
    if visit.paused and owed and not visit.asleep and declined_s >= max(ASLEEP_AFTER_S, 3.0 * settle_s):
        visit.asleep = True
        return Behaviour(fell_asleep=True)
    sleepy = visit.asleep or (visit.paused and owed)
    if not sleepy and not visit.full and declined_s >= max(FULL_AFTER_S, 2.0 * settle_s):
        visit.full, visit.full_at = True, (visit.delivered_kwh, visit.returned_kwh)
        return Behaviour(became_full=True)
    return NOTHING
