"""What a month at the charger cost and saved, stay by stay and line by line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from bothways.domain.errors import Problems
from bothways.operations.access.roles import Actor
from bothways.operations.desk.desk import Desk
from bothways.operations.desk.driver.ledger import (
    STEP,
    Ledger,
    Line,
    PaidPrice,
    Stay,
    Sums,
    cumulative,
    ledger,
)
from bothways.operations.desk.parts import SiteControl
from bothways.operations.desk.views import TransactionView
from bothways.operations.documents import documents_in
from bothways.operations.events import EvseKey, Sample
from bothways.operations.site.stored import StoredEnergy

_INTERVAL = "site interval"
_MOST = 1000
_MONTH = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])")
_SHARE = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class StayMoney:
    """A stay with its money.

    Attributes:
        currency: ISO 4217, ``""`` where nobody stated it.
        metered: whether the station told when the energy flowed; else it was spread evenly over the stay.
        wear_per_kwh: what is counted for wear of its kind of battery, or at the site [currency/kWh discharged]; 0 where
            nobody states any.
        charge_kw: power that uncontrolled charging is taken to have [kW].
        refill_kwh: what it left with less than it came with [kWh, AC side]; counted at the mean price of the stay.
        net: what it cost, with wear; ``saved``: against uncontrolled charging.
    """

    station_id: str
    evse_id: int
    transaction_id: str
    site_id: str
    tz: str
    currency: str
    started_at: datetime
    ended_at: datetime | None
    metered: bool
    wear_per_kwh: Decimal
    charge_kw: float
    refill_kwh: Decimal
    sums: Sums
    net: Decimal
    saved: Decimal
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Total:
    """Sums over all stays of one currency."""

    currency: str
    sums: Sums
    net: Decimal
    saved: Decimal


@dataclass(frozen=True, slots=True)
class Statement:
    """A month of a holder. Running stays are counted as far as they got; ``as_of`` says when."""

    holder: str
    month: str
    tz: str
    as_of: datetime
    totals: tuple[Total, ...]
    stays: tuple[StayMoney, ...]


class Statements:
    """The use case.

    Args:
        desk: sites, store and time.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk, self._parts = desk, desk.parts

    async def month(self, actor: Actor, holder: str, month: str = "") -> Statement:
        """A month's stays, by their beginning, with their money; only those that the actor may see.

        Args:
            actor: who asks.
            holder: a card, or ``station/evse``.
            month: ``YYYY-MM`` by the clocks of the site; ``""`` for the running one.

        Raises:
            InputError: not a month.
        """
        now = self._parts.clock.now()
        tz = next((control.site.tz for control in self._parts.sites.values()), "UTC")
        month = month or f"{now.astimezone(ZoneInfo(tz)):%Y-%m}"
        begins, ends = month_bounds(month, tz)
        rows = await self._desk.transactions(actor, holder=holder, since=begins, limit=_MOST)
        mine = [row for row in rows if row.started_at is not None and begins <= row.started_at < ends]
        prices = await self._prices(mine, now)
        stays = [made for row in mine if (made := await self._stay(row, prices, now)) is not None]
        return Statement(holder, month, tz, now, totals_of(stays), tuple(stays))

    async def _stay(
        self, row: TransactionView, prices: Mapping[str, Sequence[PaidPrice]], now: datetime
    ) -> StayMoney | None:
        record = await self._parts.registry.station(row.station_id)
        site_id = "" if record is None else record.site_id
        control = self._parts.sites.get(site_id)
        evse = None if record is None else record.evse(row.evse_id)
        if control is None or evse is None or row.started_at is None:
            return None
        taken, given = await self._registers(row, now)
        full = StoredEnergy(control.site.vehicle).full_power(evse.charge_kw, evse.discharge_kw)
        wear = control.site.wear_of(row.holder or "", row.station_id, row.started_at)
        stay = Stay(
            start=row.started_at, end=row.ended_at or now, taken=taken, given=given, taken_kwh=row.charged_kwh,
            given_kwh=row.discharged_kwh, charge_kw=evse.charge_kw, eta_c=full.eta_c, eta_d=full.eta_d,
            wear_per_kwh=Decimal(repr(round(wear, 6))),
        )  # fmt: skip
        return _told(row, site_id, control, stay, ledger(stay, prices.get(site_id, ())))

    async def _registers(
        self, row: TransactionView, now: datetime
    ) -> tuple[list[tuple[datetime, float]], list[tuple[datetime, float]]]:
        """Energy in and out as the station's registers showed it."""
        assert row.started_at is not None  # noqa: S101 - the caller left others out
        key, until = EvseKey(row.station_id, row.evse_id), (row.ended_at or now) + timedelta(seconds=1)
        found = []
        for measurand in ("Energy.Active.Import.Register", "Energy.Active.Export.Register"):
            samples = await self._parts.store.samples(key, measurand, row.started_at, until)
            found.append(_readings(samples))
        return cumulative(found[0], found[1])

    async def _prices(self, rows: Sequence[TransactionView], now: datetime) -> dict[str, list[PaidPrice]]:
        """Prices that each site recorded for its intervals, while any of the stays lasted."""
        if not rows:
            return {}
        store = documents_in(self._parts.store)
        since = min(row.started_at for row in rows if row.started_at is not None)
        until = max(row.ended_at or now for row in rows) + timedelta(hours=2)
        found = {}
        for name, control in self._parts.sites.items():
            records = await store.noted(_INTERVAL, name, since, until)
            stated = control.site.tariff is not None
            found[name] = prices_from(records, stated=stated) + _running(control, now)
        return found


def month_bounds(month: str, tz: str) -> tuple[datetime, datetime]:
    """The first instant of a local month and of the next one.

    Raises:
        InputError: not ``YYYY-MM``.

    >>> [edge.isoformat() for edge in month_bounds("2026-12", "Europe/Amsterdam")]
    ['2026-11-30T23:00:00+00:00', '2026-12-31T23:00:00+00:00']
    """
    problems = Problems(at="month")
    found = _MONTH.fullmatch(month)
    if found is None:
        problems.add("", month, "a year and a month such as 2026-11", "Write the year, a hyphen, and two digits.")
    problems.raise_if_any()
    assert found is not None  # noqa: S101 - raised above
    year, number = int(found[1]), int(found[2])
    zone = ZoneInfo(tz)
    first = datetime(year, number, 1, tzinfo=zone)
    after = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=zone)
    return first.astimezone(UTC), after.astimezone(UTC)


def prices_from(records: Iterable[Mapping[str, object]], *, stated: bool) -> list[PaidPrice]:
    """Prices by interval from a site's records of its steps.

    Of what vehicles gave, the part that the site did not need itself was exported. A step whose prices are both
    exactly 0 without a tariff is one that nobody stated prices for.

    Args:
        records: details of the lines "site interval".
        stated: whether a tariff states the site's prices.
    """
    found: dict[datetime, PaidPrice] = {}
    for record in records:
        values = [_number(record.get(name)) for name in ("step", "seconds", "import_price", "export_price")]
        step, seconds, bought, sold = values
        if step is None or seconds is None or bought is None or sold is None or (bought == sold == 0 and not stated):
            continue
        given, exported = (_number(record.get(name)) or Decimal(0) for name in ("discharged_kwh", "export_kwh"))
        share = min(Decimal(1), exported / given).quantize(_SHARE) if given > 0 else Decimal(0)
        start = datetime.fromtimestamp(int(step * seconds), tz=UTC)
        for part in range(max(1, int(seconds / int(STEP.total_seconds())))):
            found[start + part * STEP] = PaidPrice(start + part * STEP, bought, sold, share)
    return [found[start] for start in sorted(found)]


def totals_of(stays: Sequence[StayMoney]) -> tuple[Total, ...]:
    """Sums by currency, which never mix."""
    made = []
    for currency in sorted({stay.currency for stay in stays}):
        sums = Sums()
        for stay in stays:
            sums = sums.plus(stay.sums) if stay.currency == currency else sums
        made.append(Total(currency, sums, sums.net, sums.saved))
    return tuple(made)


def _told(row: TransactionView, site_id: str, control: SiteControl, stay: Stay, made: Ledger) -> StayMoney:
    return StayMoney(
        station_id=row.station_id, evse_id=row.evse_id, transaction_id=row.transaction_id, site_id=site_id,
        tz=control.site.tz, currency=control.site.currency, started_at=stay.start, ended_at=row.ended_at,
        metered=made.metered, wear_per_kwh=stay.wear_per_kwh, charge_kw=stay.charge_kw, refill_kwh=made.refill_kwh,
        sums=made.sums, net=made.sums.net, saved=made.sums.saved, lines=made.lines,
    )  # fmt: skip


def _running(control: SiteControl, now: datetime) -> list[PaidPrice]:
    """The price of the interval that still runs, which has no record yet."""
    snapshot = control.snapshot()
    offset = None if snapshot.plan is None else snapshot.plan.offset(now)
    stated = control.site.tariff is not None or snapshot.price_source
    if snapshot.plan is None or offset is None or snapshot.image is None or not stated:
        return []
    start = datetime.fromtimestamp(now.timestamp() // STEP.total_seconds() * STEP.total_seconds(), tz=UTC)
    exporting = snapshot.image.meter_fresh and snapshot.image.site_kw < 0.0
    bought, sold = (round(float(row[offset]), 6) for row in (snapshot.plan.import_price, snapshot.plan.export_price))
    return [PaidPrice(start, Decimal(repr(bought)), Decimal(repr(sold)), Decimal(int(exporting)))]


def _readings(samples: Sequence[Sample]) -> list[tuple[datetime, float]]:
    """Readings of a whole register; those of single phases, of the vehicle's side or of another unit do not count."""
    return [
        (sample.at, sample.value)
        for sample in samples
        if sample.unit == "kWh" and not sample.phase and sample.location in {"", "Outlet"}
    ]


def _number(value: object) -> Decimal | None:
    return Decimal(repr(value)) if isinstance(value, int | float) and not isinstance(value, bool) else None
