"""Manual overrides: for a while, by somebody, for a reason; they end by themselves, also over a restart."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from bothways.domain.errors import Problems
from bothways.operations.access.roles import Action, Actor
from bothways.operations.desk.desk import Desk, Unknown
from bothways.operations.desk.forms import check_reason
from bothways.operations.desk.parts import SiteControl
from bothways.operations.overrides import EVSE_KINDS, KINDS, SITE_KINDS, Override, OverrideKind, running

LONGEST = timedelta(days=7)
_MOST = 200


@dataclass(frozen=True, slots=True)
class OverrideForm:
    """What is asked for; see :class:`bothways.operations.overrides.Override`."""

    kind: str
    until: datetime
    reason: str
    subject: str = ""
    kw: float | None = None


@dataclass(frozen=True, slots=True)
class OverrideView:
    """An override in force, with the seconds that are left of it."""

    override_id: str
    kind: str
    subject: str
    kw: float | None
    begins: datetime
    until: datetime
    left_s: float
    who: str
    reason: str


def overrides(desk: Desk, actor: Actor, site_id: str) -> list[OverrideView]:
    """Overrides in force at a site, those that end first first.

    Raises:
        Unknown: no such site, or not for this actor.
    """
    control = desk.control(actor, site_id, Action.SITE_VIEW)
    now = desk.now()
    found = sorted(running(control.overrides, now), key=lambda item: item.until)
    return [_view(item, now) for item in found]


async def begin(desk: Desk, actor: Actor, site_id: str, form: OverrideForm) -> OverrideView:
    """Overrides a limit, pauses, or fixes a power until an instant; durable when this returns, noted in the audit log.

    One for the same thing replaces the one before.

    Raises:
        Unknown: no such site, or not for this actor.
        NotAllowed: the actor may not override here.
        InputError: with every problem of the form.
    """
    control = desk.control(actor, site_id, Action.SITE_OVERRIDE)
    return await begin_at(desk, control, actor, form)


async def begin_at(desk: Desk, control: SiteControl, actor: Actor, form: OverrideForm) -> OverrideView:
    """:func:`begin` for use cases that have checked for themselves who may."""
    now, kept = desk.now(), running(control.overrides, desk.now())
    check_reason(form.reason)
    _check(form, control, now, len(kept))
    made = Override(
        secrets.token_hex(6), cast("OverrideKind", form.kind), form.subject, form.kw, now, form.until, actor.name,
        form.reason.strip(),
    )  # fmt: skip
    others = tuple(item for item in kept if (item.kind, item.subject) != (made.kind, made.subject))
    await control.change_overrides((*others, made))
    await desk.record("override begun", _subject(control, made), made.as_values())
    return _view(made, now)


async def end(desk: Desk, actor: Actor, site_id: str, override_id: str) -> None:
    """Ends an override before its time; noted in the audit log.

    Raises:
        Unknown: no such site or override.
        NotAllowed: the actor may not override here.
    """
    control = desk.control(actor, site_id, Action.SITE_OVERRIDE)
    await end_at(desk, control, actor, override_id)


async def end_at(desk: Desk, control: SiteControl, actor: Actor, override_id: str) -> None:
    """:func:`end` for use cases that have checked for themselves who may."""
    kept = running(control.overrides, desk.now())
    ended = next((item for item in kept if item.override_id == override_id), None)
    if ended is None:
        msg = f"no override {override_id!r} is in force"
        raise Unknown(msg)
    await control.change_overrides(tuple(item for item in kept if item is not ended))
    await desk.record("override ended", _subject(control, ended), {**ended.as_values(), "ended_by": actor.name})


def _subject(control: SiteControl, item: Override) -> str:
    return item.subject or control.site.site_id


def _check(form: OverrideForm, control: SiteControl, now: datetime, count: int) -> None:
    problems = Problems(at="override")
    if form.kind not in KINDS:
        problems.add("kind", form.kind, ", ".join(KINDS), "Choose one of them.")
    fits = EVSE_KINDS if form.subject else SITE_KINDS
    if form.kind in KINDS and form.kind not in fits:
        place = "an EVSE" if form.subject else "the whole site"
        problems.add("kind", form.kind, f"{', '.join(sorted(fits))} for {place}", "Name the right subject.")
    if form.until.tzinfo is None:
        problems.add("until", str(form.until), "an instant with its UTC offset", "Add the offset, such as +01:00.")
    elif not now < form.until <= now + LONGEST:
        allowed = f"after now and within {LONGEST.days} days"
        problems.add("until", form.until.isoformat(), allowed, "State when it ends; it can be renewed.")
    if count >= _MOST:
        problems.add("", count, f"at most {_MOST} overrides at a site", "End one first.")
    _check_power(form, control, problems)
    problems.raise_if_any()


def _check_power(form: OverrideForm, control: SiteControl, problems: Problems) -> None:
    low, high = 0.0, math.inf
    if form.subject:
        image = control.snapshot().image
        evses = () if image is None else image.evses
        found = next((one for one in evses if f"{one.key.station_id}/{one.key.evse_id}" == form.subject), None)
        if found is None:
            problems.add("subject", form.subject, "station/evse of this site", "Name an EVSE of this site.")
            return
        high = found.record.charge_kw
        low = -found.record.discharge_kw if form.kind == "power" else 0.0
    elif form.kind == "import_limit":
        high = control.site.import_hard_limit_kw
    elif form.kind == "export_limit":
        high = control.site.export_limit_kw
    if form.kind == "pause":
        if form.kw is not None:
            problems.add("kw", form.kw, "nothing for a pause", "Leave it out.")
    elif form.kw is None or not math.isfinite(form.kw) or not low <= form.kw <= high:
        found_kw = "nothing" if form.kw is None else form.kw
        allowed = f"{low:g} to {high:g} kW, which is the hard limit"
        problems.add("kw", found_kw, allowed, "Give a power within the limits.")


def _view(item: Override, now: datetime) -> OverrideView:
    left = max(0.0, (item.until - now).total_seconds())
    return OverrideView(
        item.override_id, item.kind, item.subject, item.kw, item.begins, item.until, round(left), item.who, item.reason
    )
