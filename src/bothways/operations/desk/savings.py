"""What a site saved against uncontrolled charging of the same stays, and what energy costs now."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

from bothways.economics.counterfactual import MeteredStay
from bothways.operations.access.roles import Action, Actor
from bothways.operations.desk.audit import AuditFilter, AuditReader
from bothways.operations.desk.desk import Desk
from bothways.operations.desk.parts import SiteControl
from bothways.operations.desk.saved import SavedPeriod, Step, saved_period
from bothways.operations.events import EvseKey
from bothways.operations.ports import AuditLine, TransactionRow
from bothways.operations.stations import EvseRecord

_AGAIN = timedelta(minutes=5)
_BEFORE = timedelta(days=14)
_MOST_STAYS = 20_000
_MOST_STEPS = 4_000
_MOST_KEPT = 20_000
_SECOND = timedelta(seconds=1)
_REGISTERS = ("Energy.Active.Import.Register", "Energy.Active.Export.Register")


@dataclass(frozen=True, slots=True)
class PriceNow:
    """What energy costs now.

    Attributes:
        currency: ISO 4217; ``""`` where nobody said.
        tariff: name of the tariff; ``""`` for none.
        source: where prices come from besides the tariff; ``""`` for nowhere.
        import_price: [currency/kWh]; ``None`` where it is not known now. The same for ``export_price``.
        co2_kg_per_kwh: emissions of the grid's electricity [kg/kWh]; ``None`` where no source says it.
        at: when this held.
    """

    currency: str
    tariff: str
    source: str
    import_price: float | None
    export_price: float | None
    co2_kg_per_kwh: float | None
    at: datetime


@dataclass(frozen=True, slots=True)
class SavingsView:
    """Savings today and in this month, by the site's clock; ``at`` tells when they were computed."""

    site_id: str
    at: datetime
    currency: str
    today: SavedPeriod
    month: SavedPeriod


class Savings:
    """The use cases; one per desk, because what was computed is kept. See :func:`savings_of`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._made: dict[str, SavingsView] = {}
        self._making: dict[str, asyncio.Task[SavingsView]] = {}
        self._stays: dict[tuple[str, str], MeteredStay] = {}

    def price(self, actor: Actor, site_id: str) -> PriceNow:
        """What energy costs at a site now.

        Raises:
            Unknown: no such site, or not for this actor.
        """
        control = self._desk.control(actor, site_id, Action.SITE_VIEW)
        now, snapshot, tariff = self._desk.now(), control.snapshot(), control.site.tariff
        bought = sold = None
        offset = None if snapshot.plan is None else snapshot.plan.offset(now)
        if snapshot.plan is not None and offset is not None:
            bought, sold = float(snapshot.plan.import_price[offset]), float(snapshot.plan.export_price[offset])
        return PriceNow(
            _currency(control), "" if tariff is None else tariff.name, snapshot.price_source, bought, sold,
            snapshot.carbon_kg_per_kwh, now,
        )  # fmt: skip

    async def saved(self, actor: Actor, site_id: str) -> SavingsView:
        """What was saved today and this month; computed again every five minutes, once for all who ask.

        Raises:
            Unknown: no such site, or not for this actor.
        """
        control = self._desk.control(actor, site_id, Action.SITE_VIEW)
        known, now = self._made.get(site_id), self._desk.now()
        if known is not None and timedelta(0) <= now - known.at < _AGAIN:
            return known
        task = self._making.get(site_id)
        if task is None or task.done():
            task = self._making[site_id] = asyncio.create_task(self._make(site_id, control, now))
        return await asyncio.shield(task)

    async def _make(self, site_id: str, control: SiteControl, now: datetime) -> SavingsView:
        zone = ZoneInfo(control.site.tz)
        local = now.astimezone(zone)
        month = datetime(local.year, local.month, 1, tzinfo=zone).astimezone(now.tzinfo)
        today = datetime(local.year, local.month, local.day, tzinfo=zone).astimezone(now.tzinfo)
        rows, evses = await self._transactions(site_id, month)
        stays = [(row, await self._stay(row, evses[row.station_id, row.evse_id], control, now)) for row in rows]
        steps = await self._steps(site_id, month - _BEFORE)
        whole = [stay for _, stay in stays if stay.begins >= month]
        ended = [stay for row, stay in stays if row.ended_at is None or row.ended_at >= today]
        made = SavingsView(
            site_id, now, _currency(control),
            await asyncio.to_thread(saved_period, "today", today, now, ended, steps, control.site),
            await asyncio.to_thread(saved_period, "month", month, now, whole, steps, control.site),
        )  # fmt: skip
        self._made[site_id] = made
        return made

    async def _transactions(
        self, site_id: str, month: datetime
    ) -> tuple[list[TransactionRow], dict[tuple[str, int], EvseRecord]]:
        records = await self._desk.parts.registry.stations(site_id)
        evses = {(item.station_id, evse.evse_id): evse for item in records for evse in item.evses}
        rows = await self._desk.parts.store.transactions(
            stations=frozenset(item.station_id for item in records), since=month - _BEFORE, limit=_MOST_STAYS
        )
        known = [row for row in rows if row.started_at is not None and (row.station_id, row.evse_id) in evses]
        return [row for row in known if row.ended_at is None or row.ended_at >= month], evses

    async def _stay(self, row: TransactionRow, evse: EvseRecord, control: SiteControl, now: datetime) -> MeteredStay:
        key = (row.station_id, row.transaction_id)
        if key in self._stays:
            return self._stays[key]
        begins = row.started_at or now
        ends = max(begins, row.ended_at or now)
        store, place = self._desk.parts.store, EvseKey(row.station_id, row.evse_id)
        found = []
        for name in _REGISTERS:
            samples = await store.samples(place, name, begins, ends + _SECOND)
            found.append([(item.at, item.value) for item in samples if item.phase == "" and item.location == "Outlet"])
        for k, energy in enumerate((row.energy_import_kwh, row.energy_export_kwh)):
            if len(found[k]) < 2 and energy > 0.0:  # without readings on the way, evenly over the stay
                found[k] = [(begins, 0.0), (ends, energy)]
        wear = control.site.wear_of(row.id_token, row.station_id, begins)
        stay = MeteredStay(begins, ends, evse.charge_kw, tuple(found[0]), tuple(found[1]), wear)
        if row.ended_at is not None:
            if len(self._stays) >= _MOST_KEPT:
                self._stays.pop(next(iter(self._stays)))
            self._stays[key] = stay
        return stay

    async def _steps(self, site_id: str, since: datetime) -> list[Step]:
        store = self._desk.parts.store
        if not isinstance(store, AuditReader):
            return []
        wanted = AuditFilter(kind="site interval", since=since)
        lines = await store.audit_page(wanted, subjects={site_id}, without=(), before=None, limit=_MOST_STEPS)
        return [step for line in reversed(lines) if (step := _step(line)) is not None]


def _step(line: AuditLine) -> Step | None:
    """A record of the loop as a step; ``None`` for one that an earlier version wrote without what is needed."""
    detail = line.detail

    def number(name: str) -> float | None:
        value = detail.get(name)
        return float(value) if isinstance(value, int | float) else None

    index, seconds = number("step"), number("seconds")
    bought, sold = number("import_kwh"), number("export_kwh")
    if index is None or seconds is None or bought is None or sold is None:
        return None
    return Step(
        int(index * seconds), seconds, bought - sold, number("import_price"), number("export_price"),
        number("co2_kg_per_kwh"),
    )  # fmt: skip


def _currency(control: SiteControl) -> str:
    tariff = control.site.tariff
    return control.site.currency or ("" if tariff is None else tariff.currency)


_savings: WeakKeyDictionary[Desk, Savings] = WeakKeyDictionary()


def savings_of(desk: Desk) -> Savings:
    """The desk's savings, made once."""
    if desk not in _savings:
        _savings[desk] = Savings(desk)
    return _savings[desk]
