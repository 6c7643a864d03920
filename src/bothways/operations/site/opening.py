"""Restart: what store and stations say is read before anything is sent."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from bothways.domain.errors import BothwaysError
from bothways.operations.events import EvseKey
from bothways.operations.orders import Composite
from bothways.operations.ports import ChargerGateway, Store, TransactionRow
from bothways.operations.site.book import Outlet, SiteBook
from bothways.operations.stations import DriverNeed

_RECENT = timedelta(minutes=15)
_MANY = 100_000
_ANSWER_S = 10.0


async def reopen(book: SiteBook, store: Store, now: datetime, new: set[EvseKey] | None = None) -> None:
    """Takes over the open transactions of the site's stations with their energies and latest values.

    Args:
        book: the site's EVSEs.
        store: where the transactions are.
        now: the instant.
        new: only these EVSEs, which the book has just learned of, except where it has heard of a transaction since;
            without them all, whatever is noted there.
    """
    if new is not None and not new:
        return
    before = {key: outlet.gone for key, outlet in book.outlets.items()}
    rows = [row for row in await store.transactions(open_only=True, limit=_MANY) if row.station_id in book.stations]
    latest = {
        EvseKey(row.station_id, row.evse_id): row for row in sorted(rows, key=lambda item: item.started_at or now)
    }
    for key, row in latest.items():  # an earlier one that is open as well never got its end
        outlet = book.outlets.get(key)
        if outlet is None or row.ended_at is not None or outlet.gone != before.get(key, 0):
            continue  # it ended, or its vehicle left, while the store was read
        if new is None or (key in new and (outlet.visit is None or not outlet.visit.transaction_id)):
            await _reopen(book, outlet, row, store, now)


async def _reopen(book: SiteBook, outlet: Outlet, row: TransactionRow, store: Store, now: datetime) -> None:
    began = row.started_at or now
    visit = book.reopen(outlet, began, row.transaction_id, row.id_token)
    visit.delivered_kwh = max(0.0, row.energy_import_kwh)
    visit.returned_kwh = visit.reopened_kwh = max(0.0, row.energy_export_kwh)
    visit.charged = visit.delivered_kwh > 0.0
    soon = now + timedelta(seconds=1)
    for measurand in ("Energy.Active.Import.Register", "Energy.Active.Export.Register"):
        samples = await store.samples(outlet.key, measurand, began, soon)
        if samples:
            outlet.meter.take(samples[-1:], samples[-1].at)
            register = samples[-1].value
            if measurand.endswith("Import.Register"):
                visit.start_in_kwh = register - visit.delivered_kwh
            else:
                visit.start_out_kwh = register - visit.returned_kwh
    for measurand in ("Power.Active.Import", "Power.Active.Export", "SoC"):
        samples = await store.samples(outlet.key, measurand, now - _RECENT, soon)
        if samples:
            last = [sample for sample in samples if sample.at == samples[-1].at]
            outlet.meter.take(last, last[-1].at)
    if outlet.meter.soc is not None:
        visit.soc_ref = visit.soc_first = (outlet.meter.soc, visit.delivered_kwh, visit.returned_kwh)


async def needs_of(outlets: Iterable[Outlet], store: Store) -> Mapping[str, DriverNeed]:
    """Needs of everybody who is plugged in, by token and by outlet."""
    holders: list[str] = []
    for outlet in outlets:
        if outlet.visit is not None:
            holders.append(f"{outlet.key.station_id}/{outlet.key.evse_id}")
            if outlet.visit.id_token:
                holders.append(outlet.visit.id_token)
    return await store.needs(holders) if holders else {}


async def ask_composites(gateway: ChargerGateway, outlets: list[Outlet]) -> None:
    """Asks stations what they hold to now; what they say is taken for the order in force."""

    async def ask(outlet: Outlet) -> None:
        try:
            answer = await asyncio.wait_for(gateway.composite(outlet.key), _ANSWER_S)
        except (TimeoutError, BothwaysError):
            answer = None
        outlet.composite = answer
        outlet.uncertain = True
        held = held_kw(answer)
        if held is not None and math.isfinite(held):
            outlet.before_kw = outlet.ordered_kw = max(-outlet.record.discharge_kw, min(held, outlet.record.charge_kw))
            outlet.uncertain = False

    await asyncio.gather(*(ask(outlet) for outlet in outlets))


def held_kw(answer: Composite | None) -> float | None:
    """The power that a composite schedule leads to at most [kW]."""
    if answer is None:
        return None
    return answer.setpoint_kw if answer.setpoint_kw is not None else answer.limit_kw
