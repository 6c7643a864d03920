"""Standing wishes: the same every Monday, without saying it again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time

from bothways.domain.errors import InputError, Problem, Problems
from bothways.operations.access.roles import Action, Actor, NotAllowed, site_scope, token_scope
from bothways.operations.desk.desk import Desk, Unknown
from bothways.operations.desk.parts import SiteControl
from bothways.operations.documents import documents_in
from bothways.operations.wishes import (
    KIND,
    WEEK,
    DayWish,
    StandingWish,
    as_values,
    came_from_wish,
    need_from,
    next_of,
    subject,
    wish_from,
)

_LONGEST_NOTE = 200
_LONGEST_CARD = 36


@dataclass(frozen=True, slots=True)
class WishForm:
    """A week as somebody fills it in.

    Attributes:
        days: wishes by day of the week, 0 for Monday; days that are left out have none.
        consent_note: how staff know that the person agreed to discharging, such as a signed form.
    """

    days: Mapping[int, DayWish] = field(default_factory=dict)
    floor_soc: float = 0.3
    discharge_consent: bool = False
    discharge_cap_kwh: float | None = None
    consent_note: str = ""


@dataclass(frozen=True, slots=True)
class WishView:
    """A standing wish as people see it.

    Attributes:
        days: Monday to Sunday.
        next_at: the next departure that it is for.
        site_id: ``""`` where its holder stated it; else the site whose staff did.
    """

    holder: str
    site_id: str
    tz: str
    days: tuple[DayWish | None, ...]
    next_at: datetime | None
    floor_soc: float
    discharge_consent: bool
    discharge_cap_kwh: float | None
    consent_note: str
    stated_at: datetime


class Wishes:
    """The use cases.

    Args:
        desk: sites, store and time.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk, self._parts = desk, desk.parts

    async def wish(self, actor: Actor, holder: str, site_id: str = "") -> WishView:
        """A holder's own wish, or the one that staff of a site recorded.

        Raises:
            NotAllowed: the holder is somebody else's.
            Unknown: there is none.
        """
        self._check(actor, holder, site_id, Action.NEED_VIEW)
        name = subject(holder, site_id)
        found = await documents_in(self._parts.store).documents(KIND, [name])
        if name not in found:
            msg = f"{holder} has no standing wish"
            raise Unknown(msg)
        return await self._view(wish_from(name, found[name]))

    async def keep(self, actor: Actor, holder: str, form: WishForm, site_id: str = "") -> WishView:
        """States a wish; it holds from the next time on that this card is plugged in, and at once where it is now.

        Raises:
            NotAllowed: the holder is somebody else's.
            InputError: any problem of the form, or staff recording a wish for somebody who has stated one.
        """
        self._check(actor, holder, site_id, Action.NEED_SET)
        check_wish(holder, form, by_staff=bool(site_id))
        documents = documents_in(self._parts.store)
        if site_id and await documents.documents(KIND, [subject(holder)]):
            allowed, remedy = "a card without a wish of its own", "The person has stated one, and it holds."
            raise InputError([Problem("wish: holder", holder, allowed, remedy)])
        now = self._parts.clock.now()
        wish = StandingWish(
            holder=holder,
            days=tuple(form.days.get(day) for day in range(WEEK)),
            stated_at=now,
            site_id=site_id,
            floor_soc=form.floor_soc,
            discharge_consent=form.discharge_consent,
            discharge_cap_kwh=math.inf if form.discharge_cap_kwh is None else form.discharge_cap_kwh,
            consent_note=form.consent_note.strip(),
        )
        await documents.keep_document(KIND, subject(holder, site_id), now, as_values(wish))
        if site_id:
            detail: dict[str, object] = {"who": actor.name, "holder": holder}
            if wish.discharge_consent:
                detail["consent"] = wish.consent_note
            await self._parts.store.note("wish recorded by staff", site_id, now, detail)
        await self._use_now(wish, now)
        return await self._view(wish)

    async def drop(self, actor: Actor, holder: str, site_id: str = "") -> None:
        """Forgets a wish; what is in force until the next departure goes on."""
        self._check(actor, holder, site_id, Action.NEED_SET)
        await documents_in(self._parts.store).drop_document(KIND, subject(holder, site_id))

    async def _use_now(self, wish: StandingWish, now: datetime) -> None:
        """Puts the wish in force where its holder is plugged in and nothing else was said for this departure."""
        control = self._where(wish)
        need = (await self._parts.store.needs([wish.holder])).get(wish.holder)
        said = need is not None and need.ready_by > now and not came_from_wish(need)
        made = None if control is None or said else need_from(wish, now, control.site.tz)
        if control is not None and made is not None:
            await control.set_need(made)

    def _where(self, wish: StandingWish) -> SiteControl | None:
        for name, control in self._parts.sites.items():
            image = control.snapshot().image
            here = image is not None and any(
                state.session is not None and state.session.id_token == wish.holder for state in image.evses
            )
            if here and wish.site_id in {"", name}:
                return control
        return None

    def _check(self, actor: Actor, holder: str, site_id: str, action: Action) -> None:
        if site_id:
            if not actor.may(action, site_scope(site_id)) or site_id not in self._parts.sites:
                msg = f"there is no site {site_id!r}"
                raise Unknown(msg)
        elif not actor.may(action, token_scope(holder)):
            msg = f"{actor.name} may not speak for {holder}"
            raise NotAllowed(msg)

    async def _view(self, wish: StandingWish) -> WishView:
        control = self._parts.sites.get(wish.site_id) or self._where(wish) or next(iter(self._parts.sites.values()))
        found = next_of(wish, self._parts.clock.now(), control.site.tz)
        cap = wish.discharge_cap_kwh
        return WishView(
            holder=wish.holder,
            site_id=wish.site_id,
            tz=control.site.tz,
            days=wish.days,
            next_at=None if found is None else found[0],
            floor_soc=wish.floor_soc,
            discharge_consent=wish.discharge_consent,
            discharge_cap_kwh=cap if math.isfinite(cap) else None,
            consent_note=wish.consent_note,
            stated_at=wish.stated_at,
        )


def check_wish(holder: str, form: WishForm, *, by_staff: bool) -> None:
    """Checks a form whole.

    Raises:
        InputError: with every problem found.
    """
    problems = Problems(at="wish")
    if not (1 <= len(holder) <= _LONGEST_CARD and holder.isascii() and holder.isprintable() and " " not in holder):
        problems.add("holder", holder, "the number of a card, 1 to 36 characters", "A place is no card.")
    for day, wish in form.days.items():
        _check_day(problems, day, wish)
    if not 0.0 <= form.floor_soc <= 1.0:
        problems.add("floor_soc", form.floor_soc, "a fraction from 0 to 1", "30 % is 0.3.")
    cap = form.discharge_cap_kwh
    if cap is not None and not 0.0 <= cap <= 1000.0:
        problems.add("discharge_cap_kwh", cap, "0 to 1000 kWh per day", "Give the cap in kWh.")
    note = form.consent_note.strip()
    if by_staff and form.discharge_consent and not 3 <= len(note) <= _LONGEST_NOTE:
        allowed = f"3 to {_LONGEST_NOTE} characters that say how the person agreed"
        problems.add("consent_note", note, allowed, "Name the signed form and its date.")
    problems.raise_if_any()


def _check_day(problems: Problems, day: int, wish: DayWish) -> None:
    if not 0 <= day < WEEK:
        problems.add("days", day, "0 for Monday to 6 for Sunday", "Correct the day.")
    try:
        at = time.fromisoformat(wish.wall)
    except ValueError:
        at = None
    if at is None or at.tzinfo is not None or at.second or at.microsecond:
        problems.add("days.wall", wish.wall, "a time of day such as 07:30", "State hours and minutes.")
    if (wish.soc is None) == (wish.energy_kwh is None):
        problems.add("days.soc, days.energy_kwh", "both or neither", "one of the two", "State one of them.")
    if wish.soc is not None and not 0.0 <= wish.soc <= 1.0:
        problems.add("days.soc", wish.soc, "a fraction from 0 to 1", "80 % is 0.8.")
    if wish.energy_kwh is not None and not 0.0 <= wish.energy_kwh <= 1000.0:
        problems.add("days.energy_kwh", wish.energy_kwh, "0 to 1000 kWh", "Give the energy in kWh.")
