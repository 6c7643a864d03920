"""What somebody wishes on each day of the week, so that nothing has to be said at the charger.

A standing wish belongs to a card. Its holder states it for every site; staff of a building may record one for a person
without a telephone, which then holds at that building alone and gives way to the holder's own.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bothways.operations.stations import DriverNeed

KIND = "wish"
WEEK = 7
STAYS_ON = timedelta(hours=4)
"""A vehicle that is still plugged in so long after its departure is taken to stay until the next one."""
_MADE_BY_WISH = "wish-"


@dataclass(frozen=True, slots=True)
class DayWish:
    """What is wished on one day of the week.

    Attributes:
        wall: local time of day, ``HH:MM``.
        soc: state of charge to reach, 0…1; ``None`` where ``energy_kwh`` says it.
        energy_kwh: energy to be delivered by then [kWh, AC side]; ``None`` where ``soc`` says it.
    """

    wall: str
    soc: float | None = None
    energy_kwh: float | None = None


@dataclass(frozen=True, slots=True)
class StandingWish:
    """Wishes of a week.

    Attributes:
        holder: the card.
        days: Monday to Sunday, ``None`` for a day without a wish.
        stated_at: when it was said.
        site_id: ``""`` for the holder's own, which holds everywhere; else the site whose staff recorded it.
        floor_soc: nobody discharges below it.
        discharge_consent: whether the holder allows discharging at all.
        discharge_cap_kwh: most that may be discharged per local day [kWh].
        consent_note: how staff know of the consent, ``""`` where the holder stated it.
    """

    holder: str
    days: tuple[DayWish | None, ...]
    stated_at: datetime
    site_id: str = ""
    floor_soc: float = 0.3
    discharge_consent: bool = False
    discharge_cap_kwh: float = math.inf
    consent_note: str = ""


def subject(holder: str, site_id: str = "") -> str:
    """Under which name a wish is kept."""
    return f"{holder}\x1f{site_id}"


def as_values(wish: StandingWish) -> dict[str, Any]:
    """Plain values, read back by :func:`wish_from`."""
    return {
        "days": [None if day is None else [day.wall, day.soc, day.energy_kwh] for day in wish.days],
        "stated_at": wish.stated_at.isoformat(),
        "floor_soc": wish.floor_soc,
        "discharge_consent": wish.discharge_consent,
        "discharge_cap_kwh": wish.discharge_cap_kwh if math.isfinite(wish.discharge_cap_kwh) else None,
        "consent_note": wish.consent_note,
    }


def wish_from(name: str, body: Mapping[str, Any]) -> StandingWish:
    """The wish that :func:`as_values` wrote under :func:`subject`."""
    holder, _, site_id = name.partition("\x1f")
    cap = body["discharge_cap_kwh"]
    return StandingWish(
        holder=holder,
        days=tuple(None if day is None else DayWish(*day) for day in body["days"]),
        stated_at=datetime.fromisoformat(body["stated_at"]),
        site_id=site_id,
        floor_soc=float(body["floor_soc"]),
        discharge_consent=bool(body["discharge_consent"]),
        discharge_cap_kwh=math.inf if cap is None else float(cap),
        consent_note=str(body["consent_note"]),
    )


def next_of(wish: StandingWish, now: datetime, tz: str) -> tuple[datetime, DayWish] | None:
    """The next departure of a week of wishes, with what is wished for it; ``None`` where no day has one.

    A time that a change of clocks leaves out is taken as the instant just as long after the change; one that occurs
    twice as the first of the two.

    >>> work = StandingWish("T", (DayWish("07:30", 0.8), *[None] * 6), datetime(2026, 1, 1, tzinfo=UTC))
    >>> found = next_of(work, datetime(2026, 11, 21, 18, 0, tzinfo=UTC), "Europe/Amsterdam")
    >>> found[0].isoformat(), found[1].soc
    ('2026-11-23T06:30:00+00:00', 0.8)
    """
    zone = ZoneInfo(tz)
    today = now.astimezone(zone).date()
    for ahead in range(WEEK + 2):  # a week later the same day again; one more where a change of clocks cuts it short
        day = today + timedelta(days=ahead)
        wished = wish.days[day.weekday()]
        if wished is None:
            continue
        at = datetime.combine(day, time.fromisoformat(wished.wall), zone).astimezone(UTC)
        if at > now:
            return at, wished
    return None


def need_from(wish: StandingWish, now: datetime, tz: str) -> DriverNeed | None:
    """What is needed for the next departure, as the wish says; ``None`` where no day has one.

    The same wish for the same departure always makes the same ``need_id``, so that it is kept once.
    """
    found = next_of(wish, now, tz)
    if found is None:
        return None
    ready_by, day = found
    said = f"{subject(wish.holder, wish.site_id)}|{wish.stated_at.isoformat()}|{ready_by.isoformat()}"
    return DriverNeed(
        need_id=_MADE_BY_WISH + hashlib.sha256(said.encode()).hexdigest()[:20],
        holder=wish.holder,
        ready_by=ready_by,
        stated_at=now,
        energy_kwh=day.energy_kwh,
        soc=day.soc,
        floor_soc=wish.floor_soc,
        discharge_consent=wish.discharge_consent,
        discharge_cap_kwh=wish.discharge_cap_kwh,
    )


def came_from_wish(need: DriverNeed) -> bool:
    """Whether a need was made from a standing wish, rather than said for this one time."""
    return need.need_id.startswith(_MADE_BY_WISH)


def due(need: DriverNeed | None, wish: StandingWish, since: datetime, now: datetime, tz: str) -> DriverNeed | None:
    """The need that a wish puts in force for a vehicle that is plugged in; ``None`` where what is in force holds.

    What was said for a departure that lies ahead goes before. After a departure that has passed during this stay, what
    was promised is held for :data:`STAYS_ON`, for whoever is only late; then the next day's wish counts.

    Args:
        need: what is in force for the holder, ``None`` for nothing.
        wish: the standing wish.
        since: plug-in.
        now: the instant of asking.
        tz: IANA zone of the site.
    """
    if need is not None:
        if need.ready_by > now:
            return None
        if need.ready_by > since and now - need.ready_by < STAYS_ON:
            return None
    return need_from(wish, now, tz)


def chosen(found: Mapping[str, StandingWish], holder: str, site_id: str) -> StandingWish | None:
    """The wish of a holder that counts at a site: the own one before the one that staff recorded there."""
    return found.get(subject(holder)) or found.get(subject(holder, site_id))
