"""The audit log for people: who did what to what, filtered, a page at a time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from bothways.domain.errors import DomainError, Problems
from bothways.operations.access.roles import EVERYTHING, Action, Actor, site_scope
from bothways.operations.desk.desk import Desk
from bothways.operations.ports import AuditLine

ROUTINE = frozenset({"site interval"})
"""Lines that the system writes all day; they are shown only where somebody asks for them by name."""
LONGEST_PAGE = 1001
OF_ACCOUNTS = frozenset(
    {
        "account invited", "account invited again", "account disabled", "account enabled", "account's roles changed",
        "second factor turned on", "second factor turned off", "recovery codes renewed", "passkey added",
        "passkey removed", "identity linked", "identity unlinked", "session ended", "other sessions ended",
        "password changed", "signed in", "wrong sign-ins",
    }
)  # fmt: skip
"""What is noted of accounts: for administrators, and not for operators of a site that is called like somebody."""


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which lines are asked for; what is left empty does not filter.

    Attributes:
        kind: exactly this kind.
        subject: the subject begins with it.
        text: the detail contains it, such as a name; capitals do not matter.
        since: from this instant on.
        until: before this instant.
    """

    kind: str = ""
    subject: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None


@runtime_checkable
class AuditReader(Protocol):
    """A store whose audit log can be read a page at a time."""

    async def audit_page(
        self, wanted: AuditFilter, *, subjects: Collection[str] | None, without: Collection[str], before: int | None,
        limit: int,
    ) -> Sequence[AuditLine]:  # fmt: skip
        """The latest first: numbers below ``before``; ``subjects`` keeps only those, ``without`` no such kind."""
        ...


async def audit(
    desk: Desk, actor: Actor, wanted: AuditFilter, *, before: int | None = None, limit: int = 50
) -> list[AuditLine]:
    """Lines that the actor may see, the latest first: of the sites that it oversees, or all.

    Args:
        desk: the use cases.
        actor: who asks.
        wanted: the filter.
        before: only lines with a smaller number: the last one of the page before.
        limit: most lines.

    Raises:
        NotAllowed: the actor oversees nothing.
        InputError: instants without an offset, or a limit beyond what a page holds.
    """
    scopes = actor.scopes_for(Action.AUDIT_VIEW)
    actor.require(Action.AUDIT_VIEW, *scopes)
    problems = Problems(at="audit")
    for name, at in (("since", wanted.since), ("until", wanted.until)):
        if at is not None and at.tzinfo is None:
            problems.add(name, str(at), "an instant with its UTC offset", "Add the offset, such as +01:00.")
    if not 1 <= limit <= LONGEST_PAGE:
        problems.add("limit", limit, f"1 to {LONGEST_PAGE}", "Ask for fewer lines.")
    problems.raise_if_any()
    subjects = None if EVERYTHING in scopes else await _subjects(desk, scopes)
    without = frozenset() if wanted.kind in ROUTINE else ROUTINE
    if subjects is not None:
        without |= OF_ACCOUNTS
    found = await _reader(desk).audit_page(wanted, subjects=subjects, without=without, before=before, limit=limit)
    return list(found)


def _reader(desk: Desk) -> AuditReader:
    store = desk.parts.store
    if not isinstance(store, AuditReader):
        msg = "this store keeps no audit log that can be read"
        raise DomainError(msg)
    return store


async def _subjects(desk: Desk, scopes: frozenset[str]) -> frozenset[str]:
    """Sites, stations and EVSEs within scopes, as the log names them."""
    found = {name for name in desk.site_ids() if site_scope(name) in scopes}
    for record in await desk.parts.registry.stations():
        if site_scope(record.site_id) in scopes:
            found.add(record.station_id)
            found |= {f"{record.station_id}/{evse.evse_id}" for evse in record.evses}
    return frozenset(found)
