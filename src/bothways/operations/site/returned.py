"""What vehicles fed back before the visit under way, counted from the store, so that caps outlast visits and restarts.

A cap per day or year belongs to the battery. It has no name of its own at most chargers, so the token that authorises
it stands for it, at whatever site of the store it charges; without a token, the EVSE. A transaction that reaches over
midnight or New Year is cut where its export register says, and counts whole where no register was kept: a cap is
rather reached too early than exceeded.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from bothways.operations.events import EvseKey
from bothways.operations.ports import Store, TransactionRow
from bothways.operations.site.book import Outlet, ReturnedBefore, Visit

_PAGE = 1000
_LONGEST_STAY = timedelta(days=60)
_REGISTER = "Energy.Active.Export.Register"


async def count_returned(outlets: Iterable[Outlet], store: Store, tz: ZoneInfo, now: datetime) -> None:
    """Counts for every visit that was not counted yet, or whose token has become known since.

    Raises:
        StoreError: the store does not answer; the visit then stays uncounted.
    """
    for outlet in outlets:
        visit = outlet.visit
        if visit is not None and (visit.before is None or visit.before.id_token != visit.id_token):
            before = await _before(outlet, visit, store, tz, now)
            if outlet.visit is visit and visit.id_token == before.id_token:
                visit.before = before


async def _before(outlet: Outlet, visit: Visit, store: Store, tz: ZoneInfo, now: datetime) -> ReturnedBefore:
    token, local = visit.id_token, now.astimezone(tz)
    year = datetime(local.year, 1, 1, tzinfo=tz).astimezone(UTC)
    midnight = datetime(local.year, local.month, local.day, tzinfo=tz).astimezone(UTC)
    counted = ReturnedBefore(token, local.toordinal(), local.year, 0.0, 0.0)
    for row in await _rows(outlet.key, token, store, year - _LONGEST_STAY):
        own = (row.station_id, row.transaction_id) == (outlet.key.station_id, visit.transaction_id)
        total = visit.reopened_kwh if own else max(0.0, row.energy_export_kwh)
        begun = row.started_at or row.last_at or now
        ended = now if own else row.ended_at or row.last_at or begun
        if total <= 0.0 or ended < year:
            continue
        this_year = total if begun >= year else await _since(row, year, total, store, now)
        today = 0.0
        if ended >= midnight:
            today = total if begun >= midnight else await _since(row, midnight, total, store, now)
        counted = ReturnedBefore(
            token, counted.day, counted.year, counted.day_kwh + today, counted.year_kwh + this_year
        )  # fmt: skip
    return counted


async def _rows(key: EvseKey, token: str, store: Store, since: datetime) -> list[TransactionRow]:
    """All transactions of the vehicle that were first heard of after an instant."""
    found: list[TransactionRow] = []
    after: tuple[str, str] | None = None
    while True:
        if token:
            rows = await store.transactions(id_token=token, since=since, before=after, limit=_PAGE)
        else:
            rows = await store.transactions(
                station_id=key.station_id, evse_id=key.evse_id, since=since, before=after, limit=_PAGE
            )
        found += [row for row in rows if row.id_token == token]
        if len(rows) < _PAGE:
            return found
        after = (rows[-1].station_id, rows[-1].transaction_id)


async def _since(row: TransactionRow, instant: datetime, total: float, store: Store, now: datetime) -> float:
    """What a transaction exported after an instant [kWh]: its total less what its register showed then."""
    begun = row.started_at or instant
    samples = await store.samples(EvseKey(row.station_id, row.evse_id), _REGISTER, begun, now + timedelta(seconds=1))
    earlier = [sample.value for sample in samples if sample.at <= instant]
    if not earlier:
        return total
    return min(total, max(0.0, total - (earlier[-1] - samples[0].value)))
