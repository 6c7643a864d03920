"""The doctor's checks of the store: that it answers, and what is in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from bothways.adapters.db.engine import machine_offset_s, pending
from bothways.adapters.db.store import SqlStore
from bothways.app.live.checks_switchgear import recorded
from bothways.app.live.config import Config
from bothways.app.live.finding import Finding
from bothways.domain.errors import BothwaysError

_APART_S = 2.0
_LATEST, _NAMED = 1000, 5


def stored(config: Config, now: datetime) -> list[Finding]:
    """What the store says, without changing it: a schema that is behind stays so until something else opens it."""

    async def work() -> list[Finding]:
        behind = pending(config.store.url)
        if behind is None:
            return [Finding("store", "look", "none yet", "Begin with `bothways station add`, which makes it.")]
        if behind:
            text = f"answers; its schema is {behind} revision(s) behind, so nothing else in it was looked at"
            remedy = "Back it up; the next start of `bothways serve`, or any command that writes, brings it up to date."
            return [Finding("store", "look", text, remedy)]
        store = SqlStore(config.store.url)
        try:
            return await look(store)
        finally:
            await store.close()

    async def look(store: SqlStore) -> list[Finding]:
        findings = [
            Finding("store", "good", "answers, and its schema is current"),
            *_clocks(config),
            *await _told(store),
        ]
        stations = await store.stations()
        strangers = [item.station_id for item in stations if item.site_id not in {site.id for site in config.site}]
        never = [item.station_id for item in stations if item.accepted_at is None]
        findings.append(_some(stations, "stations", f"{len(stations)} registered", "`bothways station add`"))
        if never:
            text = f"{len(never)} never connected: {', '.join(never[:5])}{' …' if len(never) > 5 else ''}"
            findings.append(Finding("stations", "look", text, "Check their address, user name and secret."))
        if strangers:
            text = f"of a site that is not configured: {', '.join(strangers[:5])}"
            findings.append(Finding("stations", "look", text, "Add the site, or remove them."))
        for site in config.site:
            permission = await store.permission(site.id)
            lacks = permission.missing(now)
            text = f"{site.id}: {'; '.join(lacks)}" if lacks else f"{site.id}: recorded and valid"
            remedy = "Nothing is discharged or exported until `bothways permit` has recorded it." if lacks else ""
            findings.append(Finding("grid permission", "look" if lacks else "good", text, remedy))
            findings += recorded(site, permission, stations)
        people = await store.accounts()
        findings.append(_some(people, "accounts", f"{len(people)}", "`bothways account invite`"))
        return findings

    return _tried("store", lambda: asyncio.run(work()))


def _clocks(config: Config) -> list[Finding]:
    """The database's clock beside this machine's, where it is another machine's."""
    offset_s = machine_offset_s(config.store.url)
    if offset_s is None:
        return []
    if abs(offset_s) <= _APART_S:
        return [Finding("clocks", "good", f"this machine and the database are {abs(offset_s):.1f} s apart")]
    text = f"the database's clock is {abs(offset_s):.0f} s {'ahead of' if offset_s > 0.0 else 'behind'} this machine's"
    return [Finding("clocks", "look", text, "Let both be synchronised.")]


async def _told(store: SqlStore) -> list[Finding]:
    """Ended transactions whose stations never sent some of their events, and those that a person should look at."""
    rows = await store.transactions(limit=_LATEST)
    gaps = [row for row in rows if row.ended_at is not None and row.missing]
    flagged = [row for row in rows if row.flags]
    if not rows:
        return []
    findings = []
    if gaps:
        some = "; ".join(f"{row.station_id} {row.transaction_id}: {_numbers(row.missing)}" for row in gaps[:_NAMED])
        text = f"{len(gaps)} of the latest {len(rows)} ended with events that never arrived: {some}"
        remedy = "Look at these stations' queues; their energy is counted from the registers that did arrive."
        findings.append(Finding("transactions", "look", text, remedy))
    if flagged:
        some = "; ".join(f"{row.station_id} {row.transaction_id}: {row.flags[0]}" for row in flagged[:_NAMED])
        findings.append(Finding("transactions", "look", f"{len(flagged)} flagged: {some}", "Compare with the meter."))
    return findings or [Finding("transactions", "good", f"the latest {len(rows)} lack no event")]


def _numbers(missing: tuple[int, ...]) -> str:
    shown = ", ".join(str(number) for number in missing[:_NAMED])
    return f"{shown} …" if len(missing) > _NAMED else shown


def _some(items: object, check: str, text: str, remedy: str) -> Finding:
    return Finding(check, "good", text) if items else Finding(check, "look", "none yet", f"Begin with {remedy}.")


def _tried(check: str, work: Callable[[], list[Finding]]) -> list[Finding]:
    try:
        return work()
    except (BothwaysError, OSError) as error:
        return [Finding(check, "broken", str(error), "Correct store.url, or start the database.")]
