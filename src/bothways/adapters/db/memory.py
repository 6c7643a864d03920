"""A store that forgets everything when it ends: for tests, rehearsals and replays. Never for real chargers.

It answers exactly as the durable one does (one suite of contract tests holds both to it) and uses the same rules for
repeats, gaps and energy, but keeps plain Python objects instead of rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

import orjson

from bothways.adapters.db.accounts import Account
from bothways.adapters.db.credentials import check_secret
from bothways.adapters.db.documents import DocumentMemory
from bothways.adapters.db.engine import clock_us
from bothways.adapters.db.enrolment import Enrolment
from bothways.adapters.db.entries import MALFORMED, Entry, event_of, prepare
from bothways.adapters.db.facts import AuditRow
from bothways.adapters.db.journal import MemoryJournal
from bothways.adapters.db.meters import COUNTED
from bothways.adapters.db.records import EventRow, transaction_row
from bothways.adapters.db.rows import driver_need, grid_permission, need_row, permission_body
from bothways.adapters.db.values import clean, finite, from_us, short, to_us
from bothways.domain.errors import InputError, Problem
from bothways.operations.events import EvseKey, Sample, StationEvent, TransactionChanged
from bothways.operations.ports import CompatibilityRow, Latch, Receipt, TransactionRow
from bothways.operations.stations import DriverNeed, GridPermission, StationRecord

E = TypeVar("E", bound=StationEvent)
SampleKey = tuple[tuple[str, int, str, str, str, str, str], int, int]


class _Row:
    """Attribute access to a mapping, as a database's row gives it."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self.__dict__.update(values)


class MemoryRecords:
    """Events and what follows from them."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._accounts: dict[tuple[str, str], Account] = {}
        self._starts: dict[bytes, Account] = {}
        self._events: dict[tuple[int, int], Entry] = {}
        self._samples: dict[SampleKey, tuple[float, str]] = {}
        self._messages: dict[tuple[str, bytes], tuple[Entry, str, int, bytes, bytes]] = {}

    async def append(self, event: StationEvent) -> Receipt:
        """Takes one event. The same event again changes nothing."""
        entry = prepare(event)
        owner = self._owner(entry)
        new = owner is not None and self._hear(owner, entry)
        fresh = self._keep_values(entry, owner)
        told = False
        for one in entry.messages:
            key = (entry.station, one.digest)
            told |= key not in self._messages
            self._messages.setdefault(key, (entry, one.kind, one.at_us, one.body, one.raw))
        if owner is not None and isinstance(event, TransactionChanged):
            return Receipt(new, owner.transaction_id, owner.missing())
        return Receipt(new or fresh or told, entry.transaction_id)

    def _owner(self, entry: Entry) -> Account | None:
        if entry.start_key is not None:
            known = self._starts.get(entry.start_key)
        elif entry.transaction_id or isinstance(entry.event, TransactionChanged):
            known = self._accounts.get((entry.station, entry.transaction_id))
        else:
            return None
        if known is None:
            number = next(self._numbers)
            name = entry.transaction_id if entry.start_key is None else str(number)
            known = Account(number, entry.station, name, entry.at_us, entry.at_us, start_key=entry.start_key)
            self._accounts[entry.station, name] = known
            if entry.start_key is not None:
                self._starts[entry.start_key] = known
        return known

    def _hear(self, owner: Account, entry: Entry) -> bool:
        owner.hear(entry)
        if not isinstance(entry.event, TransactionChanged):
            return False
        key = (owner.number, entry.key)
        before = self._events.setdefault(key, entry)
        if entry.key >= 0:
            owner.seen.add(entry.key)
        if before is entry:
            return True
        earlier = before.event
        assert isinstance(earlier, TransactionChanged)  # noqa: S101 - told to the type checker
        if entry.key >= 0 and (earlier.kind, before.at_us) != (entry.event.kind, entry.at_us):
            owner.flags.add(f"sequence number {entry.key} was used for different events")
        return False

    def _keep_values(self, entry: Entry, owner: Account | None) -> bool:
        number = 0 if owner is None else owner.number
        fresh = False
        for value in entry.values:
            key = (value.series, value.at_us, number)
            if key in self._samples:
                continue
            fresh = True
            self._samples[key] = (value.value, value.signed)
            if owner is not None:
                owner.measure(value)
        if owner is not None and owner.rebuild:
            owner.rebuild = False
            mine = [(key, kept) for key, kept in self._samples.items() if key[2] == owner.number]
            owner.meters.rebuild(
                ((series[2], series[6], series[4]), at_us, value)
                for (series, at_us, _), (value, _) in mine
                if series[2] in COUNTED and series[3] == "kWh"
            )
        return fresh

    async def transactions(
        self,
        *,
        station_id: str | None = None,
        evse_id: int | None = None,
        id_token: str | None = None,
        stations: Collection[str] | None = None,
        tokens: Collection[str] | None = None,
        open_only: bool = False,
        since: datetime | None = None,
        before: tuple[str, str] | None = None,
        limit: int = 1000,
    ) -> Sequence[TransactionRow]:
        """Transactions, the latest first."""
        near, held = {short(name) for name in stations or ()}, {clean(token) for token in tokens or ()}
        chosen = [
            one
            for one in self._accounts.values()
            if (station_id is None or one.station == short(station_id))
            and (evse_id is None or one.evse_id == evse_id)
            and (id_token is None or one.id_token == clean(id_token))
            and ((stations is None and tokens is None) or one.station in near or one.id_token in held)
            and not (open_only and one.ended_us is not None)
            and (since is None or one.first_us >= to_us(since))
        ]
        chosen.sort(key=lambda one: (one.first_us, one.number), reverse=True)
        if before is not None:
            last = self._accounts.get((short(before[0]), short(before[1])))
            edge = (0, 0) if last is None else (last.first_us, last.number)
            chosen = [one for one in chosen if (one.first_us, one.number) < edge]
        return [_transaction(one) for one in chosen[:limit]]

    async def transaction(self, station_id: str, transaction_id: str) -> TransactionRow | None:
        """One transaction, or ``None``."""
        found = self._accounts.get((short(station_id), short(transaction_id)))
        return None if found is None else _transaction(found)

    async def transaction_events(self, station_id: str, transaction_id: str) -> Sequence[EventRow]:
        """The events of a transaction, by the station's clock."""
        owner = self._accounts.get((short(station_id), short(transaction_id)))
        rows = []
        for (number, key), entry in self._events.items():
            event = entry.event
            if owner is not None and number == owner.number and isinstance(event, TransactionChanged):
                words = entry.detail.split("|", 2)
                seq = key if key >= 0 else None
                times = (from_us(entry.at_us), from_us(entry.received_us))
                rows.append(EventRow(event.kind, seq, *times, event.offline, *words))
        return sorted(rows, key=lambda row: (row.at, -1 if row.seq_no is None else row.seq_no))

    async def samples(self, evse: EvseKey, measurand: str, start: datetime, end: datetime) -> Sequence[Sample]:
        """Values of one measurand with ``start <= at < end``, in time's order."""
        homes = {one.number: one.evse_id for one in self._accounts.values()}
        found = []
        for (series, at_us, number), (value, signed) in self._samples.items():
            station, place, name, unit, phase, context, location = series
            place = place or homes.get(number, 0)
            if (station, place, name) == (short(evse.station_id), evse.evse_id, short(measurand)):
                found.append(Sample(from_us(at_us), name, value, unit, phase, context, location, signed))
        return sorted((one for one in found if start <= one.at < end), key=lambda one: one.at)

    async def history(
        self, station_id: str, kind: type[E], *, since: datetime | None = None, limit: int = 1000
    ) -> Sequence[E]:
        """Messages of one kind from a station, the latest first."""
        found: list[E] = []
        for entry, name, at_us, body, raw in self._messages.values():
            if entry.station != short(station_id) or name != kind.__name__ or name == MALFORMED:
                continue
            event = event_of(name, station_id, from_us(at_us), from_us(entry.received_us), body, raw)
            if isinstance(event, kind) and (since is None or event.at >= since):
                found.append(event)
        found.sort(key=lambda event: (event.at, event.received_at), reverse=True)
        return found[:limit]

    async def close(self) -> None:
        """Nothing to let go of."""


def _transaction(owner: Account) -> TransactionRow:
    return transaction_row(_Row(owner.row(0)), owner.station)


class MemoryStore(MemoryRecords, DocumentMemory, MemoryJournal, Enrolment):
    """``Store`` and ``StationRegistry`` without a database."""

    def __init__(self) -> None:
        super().__init__()
        DocumentMemory.__init__(self)
        self._stations: dict[str, tuple[StationRecord, str, str] | None] = {}
        self._needs: dict[str, DriverNeed] = {}
        self._permissions: dict[str, GridPermission] = {}
        self._compatibility: dict[tuple[str, str, str], CompatibilityRow] = {}
        self._learned: dict[tuple[EvseKey, str], dict[str, tuple[datetime, object]]] = {}
        self._latches: dict[str, Latch] = {}
        self._plans: dict[str, tuple[datetime, Mapping[str, object]]] = {}
        self._audit: list[AuditRow] = []

    async def station(self, station_id: str) -> StationRecord | None:
        """What is known of a station, or ``None`` for an unknown or removed one."""
        found = self._stations.get(station_id)
        return None if found is None else found[0]

    async def stations(self, site_id: str | None = None) -> Sequence[StationRecord]:
        """All stations, of one site or of all, by id."""
        records = [found[0] for _, found in sorted(self._stations.items()) if found is not None]
        return [record for record in records if site_id is None or record.site_id == site_id]

    async def verify(self, station_id: str, secret: bytes) -> bool:
        """Whether the secret is the station's; after a rotation the earlier one holds until the new one is used."""
        record, current, previous = self._stations.get(station_id) or (None, "", "")
        good, earlier = check_secret(current, secret), check_secret(previous, secret)
        if good and record is not None:
            self._stations[station_id] = (record, current, "")
        return good or earlier

    async def accept(self, station_id: str, at: datetime, model: str) -> None:
        """Records that the station was accepted; the first instant stays."""
        record, *hashes = self._present(station_id)
        changed = replace(record, accepted_at=record.accepted_at or at, model=model or record.model)
        self._stations[station_id] = (changed, hashes[0], hashes[1])

    async def add_station(self, record: StationRecord, secret_hash: str) -> None:
        """Adds a station, or raises ``InputError`` where the id exists or existed before."""
        if record.station_id in self._stations:
            gone = self._stations[record.station_id] is None
            state = "existed before, and ids are not used again" if gone else "exists"
            problem = Problem("station_id", record.station_id, f"a new id; this one {state}", "Choose another id.")
            raise InputError([problem])
        self._stations[record.station_id] = (record, secret_hash, "")
        await self.note("station added", record.station_id, from_us(clock_us()), {"site_id": record.site_id})

    async def change_station(self, record: StationRecord) -> None:
        """Replaces what is recorded of a station; its secret and its registration stay."""
        before, current, previous = self._present(record.station_id)
        if record.security_profile < before.security_profile:
            allowed = f"at least {before.security_profile}: a profile is never lowered"
            remedy = "Remove the station and add it anew under another id."
            raise InputError([Problem("security_profile", str(record.security_profile), allowed, remedy)])
        changed = replace(record, accepted_at=before.accepted_at)
        self._stations[record.station_id] = (changed, current, previous)

    async def rotate_secret(self, station_id: str, secret_hash: str) -> None:
        """Gives a station a new secret; the earlier one holds until the new one is used."""
        record, current, _ = self._present(station_id)
        self._stations[station_id] = (record, secret_hash, current)

    async def remove_station(self, station_id: str, at: datetime) -> None:
        """Removes a station; its id is never given again."""
        self._present(station_id)
        self._stations[station_id] = None
        await self.note("station removed", station_id, at, {})

    def _present(self, station_id: str) -> tuple[StationRecord, str, str]:
        found = self._stations.get(station_id)
        if found is None:
            raise InputError([Problem("station_id", station_id, "a registered station", "Add the station first.")])
        return found

    async def need(self, need: DriverNeed) -> None:
        """Keeps a driver's need."""
        self._needs.setdefault(need.need_id, driver_need(_Row(need_row(need))))

    async def needs(self, holders: Sequence[str]) -> Mapping[str, DriverNeed]:
        """The latest need of each holder that stated one."""
        ordered = sorted(self._needs.values(), key=lambda need: need.stated_at)
        return {need.holder: need for need in ordered if need.holder in set(holders)}

    async def permission(self, site_id: str) -> GridPermission:
        """The site's grid connection on paper."""
        return self._permissions.get(site_id) or GridPermission(site_id)

    async def permit(self, permission: GridPermission, at: datetime) -> None:
        """Records a site's grid connection (R54)."""
        finite("export_limit_kw", permission.export_limit_kw)
        body = permission_body(permission)
        self._permissions[permission.site_id] = grid_permission(permission.site_id, dict(body))
        await self.note("grid permission", permission.site_id, at, body)

    async def add_compatibility(self, row: CompatibilityRow, at: datetime) -> None:
        """Adds or replaces a row of the compatibility register (R55)."""
        self._compatibility[row.vehicle, row.charger, row.connector] = row
        await self.note("compatibility", row.vehicle, at, {"charger": row.charger})

    async def compatibility(self, vehicle: str, charger: str) -> Sequence[CompatibilityRow]:
        """Rows of the register for a pair, one per connector."""
        return [row for row in self._compatibility.values() if (row.vehicle, row.charger) == (vehicle, charger)]

    async def learn(self, evse: EvseKey, vehicle: str, name: str, value: object, at: datetime) -> None:
        """Remembers something about a pair; a later value replaces it."""
        known = self._learned.setdefault((evse, vehicle), {})
        if name not in known or known[name][0] <= at:
            known[name] = (at, value)

    async def learned(self, evse: EvseKey, vehicle: str) -> Mapping[str, object]:
        """What was learned of a pair, by name."""
        return {name: value for name, (_, value) in self._learned.get((evse, vehicle), {}).items()}

    async def latch(self, latch: Latch) -> None:
        """Latches an emergency stop. The first cause stays."""
        self._latches.setdefault(latch.scope, latch)
        await self.note("emergency stop latched", latch.scope, latch.at, {"cause": latch.cause})

    async def release(self, scope: str, at: datetime, who: str) -> None:
        """Releases a latched emergency stop."""
        self._latches.pop(scope, None)
        await self.note("emergency stop released", scope, at, {"who": clean(who)})

    async def latches(self) -> Sequence[Latch]:
        """Emergency stops that hold now."""
        return [self._latches[scope] for scope in sorted(self._latches)]

    async def keep_plan(self, site_id: str, at: datetime, plan: Mapping[str, object]) -> None:
        """Keeps a site's last safe plan, as plain values."""
        if site_id not in self._plans or self._plans[site_id][0] <= at:
            self._plans[site_id] = (at, orjson.loads(orjson.dumps(dict(plan))))

    async def last_plan(self, site_id: str) -> tuple[datetime, Mapping[str, object]] | None:
        """The site's last safe plan and when it was made, or ``None``."""
        return self._plans.get(site_id)

    async def note(self, kind: str, subject: str, at: datetime, detail: Mapping[str, object]) -> None:
        """Appends to the audit log."""
        self._audit.append(AuditRow(at, clean(kind), clean(subject), dict(detail)))

    async def audit_log(self, *, since: datetime | None = None, limit: int = 1000) -> Sequence[AuditRow]:
        """The audit log, the latest first."""
        return [row for row in reversed(self._audit) if since is None or row.at >= since][:limit]
