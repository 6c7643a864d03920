"""Whether what was asked for can be reached by the departure; if not, what is the best possible, and why. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bothways.operations.site.planner import ActivePlan
from bothways.operations.site.state import EvseState, SessionState
from bothways.operations.site.summary import Snapshot

_LEAST_KWH = 0.3
_LEAST_SHARE = 0.01
_LAST = timedelta(hours=1)
_NO_POWER_KW = 0.05
_FARTHEST = timedelta(days=30)


class Why(StrEnum):
    """What stands against a wish."""

    NOTHING = ""
    POWER = "power"
    LIMIT = "limit"
    FULL = "full"
    STOPPED = "stopped"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Outlook:
    """What can be had by a departure. States of charge are fractions of the estimated capacity.

    Attributes:
        ready_by: the departure as stated.
        possible: whether what was asked for will be there.
        asked_soc: what was asked for.
        best_soc: what will be there at the departure.
        asked_kwh: energy asked for since plug-in [kWh, AC side].
        best_kwh: energy that will have been delivered since plug-in [kWh, AC side].
        reached_at: when what was asked for will be there; ``None`` where that cannot be said.
        why: what stands against it.
        power_kw: greatest power of vehicle and charger [kW].
        since: plug-in.
    """

    ready_by: datetime
    possible: bool
    asked_soc: float
    best_soc: float
    asked_kwh: float
    best_kwh: float
    reached_at: datetime | None
    why: Why
    power_kw: float
    since: datetime


def outlook(state: EvseState, snapshot: Snapshot) -> Outlook | None:
    """What can be reached at an EVSE by the departure that was stated; ``None`` where nobody stated one that is ahead.

    A vehicle that has all the power of its charger from now on bounds what is possible. Where that suffices, the plan
    in force says what the limits of the site do not leave for it; between the cautious departure, at which plans end,
    and the stated one it is taken to go on as in the plan's last hour.

    Args:
        state: the EVSE.
        snapshot: the site that it belongs to.
    """
    session, image = state.session, snapshot.image
    if session is None or image is None or session.need is None or session.need.ready_by <= image.now:
        return None
    now, ready_by = image.now, session.need.ready_by
    asked = session.asked_kwh
    enough = max(_LEAST_KWH, _LEAST_SHARE * session.capacity_kwh.value)
    power = 0.0 if image.latched else session.charge_kw if state.online else min(session.charge_kw, state.reserved_kw)
    best = min(session.ceiling_kwh, session.energy_kwh + power * session.eta_c * _hours(ready_by - now))
    best = max(best, session.energy_kwh)
    reached, why = _at_power(session, now, power), Why.NOTHING
    if asked > session.ceiling_kwh + enough:
        best, reached, why = max(best, 0.0), None, Why.FULL
    elif asked > best + enough:
        why = Why.STOPPED if image.latched else Why.POWER if state.online else Why.OFFLINE
    elif state.online and snapshot.plan is not None and not session.need.charge_now:
        short = _missing(session, snapshot.plan, now, ready_by)
        if short is not None and short[0] > enough:
            best, why = max(session.energy_kwh, min(best, asked - short[0])), Why.LIMIT
            reached = _after(ready_by, asked - best, short[1] * session.eta_c)
    return _told(session, ready_by, max(0.0, best), reached if why else None, why)


def _told(session: SessionState, ready_by: datetime, best: float, reached: datetime | None, why: Why) -> Outlook:
    capacity = session.capacity_kwh.value
    moved = session.delivered_kwh - session.returned_kwh

    def since_plug_in(stored: float) -> float:
        return round(max(0.0, moved + (stored - session.energy_kwh) / session.eta_c), 3)

    return Outlook(
        ready_by=ready_by,
        possible=why is Why.NOTHING,
        asked_soc=round(session.asked_kwh / capacity, 4),
        best_soc=round(best / capacity, 4),
        asked_kwh=since_plug_in(session.asked_kwh),
        best_kwh=since_plug_in(best),
        reached_at=reached,
        why=why,
        power_kw=session.charge_kw,
        since=session.since,
    )


def _at_power(session: SessionState, now: datetime, power_kw: float) -> datetime | None:
    return _after(now, session.asked_kwh - session.energy_kwh, power_kw * session.eta_c)


def _after(start: datetime, missing_kwh: float, power_kw: float) -> datetime | None:
    """When so much energy will have been stored, ``None`` where that is out of sight."""
    if power_kw <= _NO_POWER_KW:
        return None
    hours = max(0.0, missing_kwh) / power_kw
    return start + timedelta(hours=hours) if hours <= _hours(_FARTHEST) else None


def _missing(session: SessionState, plan: ActivePlan, now: datetime, ready_by: datetime) -> tuple[float, float] | None:
    """Stored energy that the plan cannot deliver by the departure [kWh], and the mean power of its last hour [kW].

    ``None`` where the plan does not know the vehicle. What the plan has for it beyond what is missing does not matter:
    a vehicle that needs more than the plan thought is given it by dispatch, as far as the limits allow.
    """
    row, solution = plan.rows.get(session.session_id), plan.plan.solution
    if row is None or solution is None or not plan.usable:
        return None
    until = min(session.until or ready_by, ready_by)
    late_kwh, late_h = 0.0, 0.0
    for power, begins, stops in _pieces(plan, row, until - _LAST, until):
        late_kwh, late_h = late_kwh + max(0.0, power) * _hours(stops - begins), late_h + _hours(stops - begins)
    mean = late_kwh / late_h if late_h > 0.0 else 0.0
    afterwards = _hours(max(timedelta(), ready_by - max(until, now))) * mean * session.eta_c
    return max(0.0, float(solution.shortfall_kwh[row]) - afterwards), mean


def _pieces(
    plan: ActivePlan, row: int, since: datetime, until: datetime
) -> Iterator[tuple[float, datetime, datetime]]:  # fmt: skip
    """Power of each step between two instants, with the part of the step that counts."""
    step = timedelta(seconds=plan.step_s)
    for position in range(plan.base_kw.shape[0]):
        begins = max(since, plan.start + position * step)
        stops = min(until, plan.start + (position + 1) * step)
        power = float(plan.plan.power_kw[row, position])
        if stops > begins and math.isfinite(power):
            yield power, begins, stops


def _hours(span: timedelta) -> float:
    return span.total_seconds() / 3600.0
