"""One suite over every store: the fake in memory, SQLite and PostgreSQL must answer alike."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bothways.adapters.db.credentials import hash_secret, new_secret
from bothways.adapters.db.memory import MemoryStore
from bothways.adapters.db.store import SqlStore, open_store
from bothways.domain.errors import DomainError, InputError
from bothways.operations.events import (
    ChargingNeedsReceived,
    EvseKey,
    MessageKept,
    MeterValuesReceived,
    Sample,
    StatusChanged,
    TransactionChanged,
)
from bothways.operations.ports import CompatibilityRow, Latch
from bothways.operations.stations import DriverNeed, EvseRecord, GridPermission, StationRecord

T0 = datetime(2026, 3, 29, 0, 59, 30, tzinfo=UTC)
IMPORT = "Energy.Active.Import.Register"
EXPORT = "Energy.Active.Export.Register"
AnyStore = SqlStore | MemoryStore


@pytest_asyncio.fixture(params=["memory", "sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AnyStore]:
    opened: AnyStore
    if request.param == "memory":
        opened = MemoryStore()
    elif request.param == "sqlite":
        opened = await open_store(f"sqlite:///{tmp_path}/store.db")
    else:
        opened = await open_store(request.getfixturevalue("postgres_server").migrated_database())
    yield opened
    await opened.close()


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def register(seconds: float, value: float, measurand: str = IMPORT, **more: Any) -> Sample:
    return Sample(after(seconds), measurand, value, "kWh", **more)


def heard(seq: int | None, *samples: Sample, kind: str = "updated", at: float | None = None, **more: Any) -> Any:
    when = after((seq or 0) * 60 if at is None else at)
    given = {"station_id": "A", "transaction_id": "tx-1", "evse_id": 1, "received_at": when, **more}
    return TransactionChanged(at=when, kind=kind, seq_no=seq, samples=samples, **given)


def start_16(at: float = 0, connector: int = 1, token: str = "T", meter: float = 100.0) -> TransactionChanged:
    return heard(None, kind="started", at=at, transaction_id="", evse_id=connector, connector_id=connector,
                 id_token=token, meter_start_kwh=meter)  # fmt: skip


async def only(store: AnyStore) -> Any:
    (row,) = await store.transactions()
    return row


@pytest.mark.asyncio
async def test_a_transaction_from_start_to_end(store: AnyStore) -> None:
    first = heard(0, register(0, 10.0), kind="started", id_token="T", charging_state="EVConnected")
    assert (await store.append(first)).new
    await store.append(heard(1, register(60, 10.25), charging_state="Charging"))
    row = await only(store)
    assert (row.started_at, row.ended_at, row.charging_state) == (T0, None, "Charging")
    assert row.energy_import_kwh == pytest.approx(0.25, abs=1e-9)
    await store.append(heard(2, register(120, 10.5), kind="ended", reason="EVDisconnected"))
    row = await only(store)
    assert (row.station_id, row.transaction_id, row.evse_id, row.id_token) == ("A", "tx-1", 1, "T")
    assert (row.ended_at, row.reason, row.missing, row.flags) == (after(120), "EVDisconnected", (), ())
    assert (row.energy_import_kwh, row.energy_export_kwh) == (pytest.approx(0.5, abs=1e-9), 0.0)
    assert await store.transactions(open_only=True) == []


@pytest.mark.asyncio
async def test_repeats_are_recognised_and_change_nothing(store: AnyStore) -> None:
    events = [heard(seq, register(seq * 60, 10 + seq), kind="started" if seq == 0 else "updated") for seq in range(4)]
    for event in events:
        assert (await store.append(event)).new
    before = await only(store)
    for event in reversed(events):
        assert not (await store.append(event)).new
    assert await only(store) == before
    assert len(await store.transaction_events("A", "tx-1")) == 4
    assert len(await store.samples(EvseKey("A", 1), IMPORT, T0, after(3600))) == 4


@pytest.mark.asyncio
async def test_repeats_within_one_commit_are_recognised(store: AnyStore) -> None:
    receipts = await asyncio.gather(*(store.append(heard(0, register(0, 1.0), kind="started")) for _ in range(20)))
    assert [receipt.new for receipt in receipts].count(True) == 1
    starts = await asyncio.gather(*(store.append(start_16(at=900)) for _ in range(20)))
    assert [receipt.new for receipt in starts].count(True) == 1
    assert len({receipt.transaction_id for receipt in starts}) == 1


@pytest.mark.asyncio
async def test_gaps_are_shown_and_close(store: AnyStore) -> None:
    await store.append(heard(0, kind="started"))
    assert (await store.append(heard(4))).missing == (1, 2, 3)
    assert (await store.append(heard(2))).missing == (1, 3)
    assert (await only(store)).missing == (1, 3)
    await store.append(heard(1))
    assert (await store.append(heard(3))).missing == ()


@pytest.mark.asyncio
async def test_an_update_before_its_start_is_taken(store: AnyStore) -> None:
    receipt = await store.append(heard(1, register(60, 5.5), evse_id=0))
    assert (receipt.new, receipt.missing) == (True, (0,))
    assert (await only(store)).started_at is None
    await store.append(heard(0, register(0, 5.0), kind="started", id_token="T"))
    row = await only(store)
    assert (row.started_at, row.evse_id, row.id_token, row.missing) == (T0, 1, "T", ())
    assert row.energy_import_kwh == pytest.approx(0.5)
    assert len(await store.samples(EvseKey("A", 1), IMPORT, T0, after(3600))) == 2
    assert await store.samples(EvseKey("A", 2), IMPORT, T0, after(3600)) == []


@pytest.mark.asyncio
async def test_offline_events_count_at_their_own_time(store: AnyStore) -> None:
    late = after(86_400)
    for seq, kind in enumerate(("started", "updated", "ended")):
        event = heard(seq, register(seq * 60, float(seq)), kind=kind, offline=True, received_at=late)
        assert (await store.append(event)).new
    row = await only(store)
    assert (row.started_at, row.ended_at, row.energy_import_kwh) == (T0, after(120), 2.0)
    events = await store.transaction_events("A", "tx-1")
    assert [(e.seq_no, e.at, e.received_at, e.offline) for e in events] == [
        (seq, after(seq * 60), late, True) for seq in range(3)
    ]


@pytest.mark.asyncio
async def test_any_order_gives_the_same_energy(store: AnyStore) -> None:
    values = [10.0, 12.0, 11.0, 11.5, 9.0, 13.0]
    events = [heard(seq, register(seq * 60, value)) for seq, value in enumerate(values)]
    for index in (3, 0, 5, 1, 4, 2, 1):
        await store.append(events[index])
    row = await only(store)
    assert row.energy_import_kwh == pytest.approx(2.0 + 0.5 + 4.0)
    assert row.energy_export_kwh == pytest.approx(1.0 + 2.5)


@pytest.mark.asyncio
async def test_export_and_falling_import_are_never_added(store: AnyStore) -> None:
    course = [(10.0, 3.0), (15.0, 3.0), (12.0, 6.0)]
    for seq, (taken, given) in enumerate(course):
        await store.append(heard(seq, register(seq * 60, taken), register(seq * 60, given, EXPORT)))
    row = await only(store)
    assert (row.energy_import_kwh, row.energy_export_kwh) == (pytest.approx(5.0), pytest.approx(3.0))


@pytest.mark.asyncio
async def test_phases_add_up_where_there_is_no_sum(store: AnyStore) -> None:
    for seq in (0, 1):
        phases = [register(seq * 60, 1.0 + seq * share, phase=name) for name, share in (("L1", 0.5), ("L2", 0.25))]
        await store.append(heard(seq, *phases, register(seq * 60, 7.0, phase="N")))
    assert (await only(store)).energy_import_kwh == pytest.approx(0.75)


@pytest.mark.asyncio
async def test_16_start_is_recognised_by_its_five_fields(store: AnyStore) -> None:
    first = await store.append(start_16())
    again = await store.append(start_16())
    assert (first.new, again.new) == (True, False)
    assert first.transaction_id == again.transaction_id
    others = [start_16(at=1), start_16(connector=2), start_16(token="U"), start_16(meter=101.0)]
    ids = {(await store.append(event)).transaction_id for event in others} | {first.transaction_id}
    assert len(ids) == 5
    assert all(int(number) > 0 for number in ids)


@pytest.mark.asyncio
async def test_16_from_start_to_stop(store: AnyStore) -> None:
    number = (await store.append(start_16())).transaction_id
    values = MeterValuesReceived(station_id="A", at=after(60), received_at=after(61), evse_id=1, transaction_id=number,
                                 samples=(register(60, 103.4),))  # fmt: skip
    assert (await store.append(values)).new
    assert not (await store.append(values)).new
    stop = heard(None, kind="ended", at=120, transaction_id=number, evse_id=0, meter_stop_kwh=107.0, reason="Local")
    assert (await store.append(stop)).new
    assert not (await store.append(stop)).new
    row = await only(store)
    assert (row.started_at, row.ended_at, row.evse_id, row.reason) == (T0, after(120), 1, "Local")
    assert row.energy_import_kwh == pytest.approx(7.0)
    contexts = [sample.context for sample in await store.samples(EvseKey("A", 1), IMPORT, T0, after(999))]
    assert contexts == ["Transaction.Begin", "Sample.Periodic", "Transaction.End"]


@pytest.mark.asyncio
async def test_a_rounded_16_meter_start_is_no_discharge(store: AnyStore) -> None:
    number = (await store.append(start_16(meter=100.001))).transaction_id
    await store.append(heard(None, register(10, 100.0006), register(60, 100.5), at=60, transaction_id=number))
    row = await only(store)
    assert (row.energy_import_kwh, row.energy_export_kwh) == (pytest.approx(0.499, abs=1e-6), 0.0)


@pytest.mark.asyncio
async def test_a_register_that_starts_anew_is_flagged_not_billed(store: AnyStore) -> None:
    for seq, value in enumerate((40_000.0, 40_001.0, 0.0, 2.0)):
        await store.append(heard(seq, register(seq * 60, value)))
    row = await only(store)
    assert (row.energy_import_kwh, row.energy_export_kwh) == (pytest.approx(3.0), 0.0)
    assert any("anew" in flag for flag in row.flags)


@pytest.mark.asyncio
async def test_a_sequence_number_used_twice_loses_nothing(store: AnyStore) -> None:
    await store.append(heard(0, register(0, 1.0), kind="started"))
    receipt = await store.append(heard(0, register(600, 4.0), kind="ended", at=600, reason="Local"))
    assert not receipt.new
    row = await only(store)
    assert (row.ended_at, row.energy_import_kwh) == (after(600), pytest.approx(3.0))
    assert any("sequence number 0" in flag for flag in row.flags)


@pytest.mark.asyncio
async def test_values_outside_of_transactions_and_ranges(store: AnyStore) -> None:
    samples = tuple(Sample(after(s), "Power.Active.Import", 0.1 * s, "kW", phase="L1", signed="sig") for s in range(5))
    event = MeterValuesReceived(
        station_id="A", at=T0, received_at=T0, evse_id=3, transaction_id="", samples=samples + samples[:2]
    )
    assert (await store.append(event)).new
    assert not (await store.append(event)).new
    found = await store.samples(EvseKey("A", 3), "Power.Active.Import", after(1), after(4))
    assert tuple(found) == samples[1:4]
    assert await store.samples(EvseKey("B", 3), "Power.Active.Import", T0, after(9)) == []
    assert await store.transactions() == []


@pytest.mark.asyncio
async def test_messages_are_kept_once_and_come_back_whole(store: AnyStore) -> None:
    status = StatusChanged(station_id="A", at=T0, received_at=after(1), evse_id=1, connector_id=1, status="Faulted",
                           detail="Übertemperatur\x00", flags=("odd",), raw=b"[2,...")  # fmt: skip
    needs = ChargingNeedsReceived(station_id="A", at=T0, received_at=T0, evse_id=1, energy_transfer="AC_BPT",
                                  departure=after(3600), soc=0.4)  # fmt: skip
    kept = MessageKept(station_id="A", at=T0, received_at=T0, action="SecurityEventNotification", payload=b'{"a":1}')
    for event in (status, needs, kept):
        assert (await store.append(event)).new
        assert not (await store.append(event)).new
    (found,) = await store.history("A", StatusChanged)
    assert (found.status, found.detail, found.flags, found.raw) == (
        "Faulted", "Übertemperatur\ufffd", ("odd",), b"[2,...",
    )  # fmt: skip
    assert await store.history("A", ChargingNeedsReceived) == [needs]
    assert await store.history("A", MessageKept) == [kept]


@pytest.mark.asyncio
async def test_what_has_no_meaning_is_refused_alone(store: AnyStore) -> None:
    bad = heard(1, register(60, math.nan))
    results = await asyncio.gather(
        store.append(heard(0, kind="started")), store.append(bad), store.append(heard(2)), return_exceptions=True
    )
    assert isinstance(results[1], DomainError)
    assert [getattr(result, "new", None) for result in results] == [True, None, True]
    naive = heard(3, at=0, received_at=datetime(2026, 1, 1))
    with pytest.raises(DomainError):
        await store.append(naive)
    with pytest.raises(DomainError):
        await store.append(heard(2**40, at=0))
    assert (await only(store)).missing == (1,)


@pytest.mark.asyncio
async def test_absurd_texts_and_numbers_do_no_harm(store: AnyStore) -> None:
    event = heard(2**31 - 1, Sample(T0, "x" * 9000, 1.0, "\ud800"), at=0, trigger="t|\x00", transaction_id="y" * 9000)
    receipt = await store.append(event)
    assert (receipt.new, len(receipt.missing)) == (True, 1000)
    assert not (await store.append(event)).new


@pytest.mark.asyncio
async def test_listing_transactions(store: AnyStore) -> None:
    for index in range(6):
        station = "AB"[index % 2]
        await store.append(heard(0, kind="started", at=index * 100, station_id=station, transaction_id=f"t{index}"))
    await store.append(heard(1, kind="ended", at=999, station_id="B", transaction_id="t5"))
    ids = [row.transaction_id for row in await store.transactions()]
    assert ids == ["t5", "t4", "t3", "t2", "t1", "t0"]
    assert [row.transaction_id for row in await store.transactions(station_id="B", open_only=True)] == ["t3", "t1"]
    assert [row.transaction_id for row in await store.transactions(since=after(400))] == ["t5", "t4"]
    assert [row.transaction_id for row in await store.transactions(limit=1)] == ["t5"]
    token = {"kind": "started", "at": 700, "id_token": "CARD", "evse_id": 2, "transaction_id": "t6"}
    await store.append(heard(0, station_id="C", **token))
    mine = await store.transactions(stations=["A"], tokens=["CARD"])
    assert [row.transaction_id for row in mine] == ["t6", "t4", "t2", "t0"]
    assert [row.transaction_id for row in await store.transactions(stations=["A"], limit=1)] == ["t4"]
    assert [row.transaction_id for row in await store.transactions(id_token="CARD", evse_id=2)] == ["t6"]
    assert await store.transactions(id_token="CARD", evse_id=1) == []
    assert await store.transactions(stations=[], tokens=[]) == []
    found = await store.transaction("A", "t0")
    assert found is not None
    assert found.transaction_id == "t0"
    assert await store.transaction("B", "t0") is None


@pytest.mark.asyncio
async def test_stations_and_their_secrets(store: AnyStore) -> None:
    secret = new_secret()
    record = StationRecord("CS1", "home", (EvseRecord(1, 11.0, 11.0), EvseRecord(2, 7.4)), discharge="v2x")
    await store.add_station(record, hash_secret(secret))
    assert await store.station("CS1") == record
    assert await store.station("CS2") is None
    assert await store.stations("home") == [record]
    assert await store.stations("elsewhere") == []
    assert await store.verify("CS1", secret.encode())
    assert await store.verify("CS1", bytes.fromhex(secret))
    assert not await store.verify("CS1", new_secret().encode())
    assert not await store.verify("CS2", secret.encode())
    assert not await store.verify("CS2", b"")
    with pytest.raises(InputError, match="exists"):
        await store.add_station(record, hash_secret(secret))
    await store.accept("CS1", T0, "Maker Model")
    await store.accept("CS1", after(60), "Maker Model 2")
    accepted = await store.station("CS1")
    assert accepted is not None
    assert (accepted.accepted_at, accepted.model) == (T0, "Maker Model 2")
    await store.remove_station("CS1", after(120))
    assert await store.station("CS1") is None
    assert not await store.verify("CS1", secret.encode())
    with pytest.raises(InputError, match="existed before"):
        await store.add_station(record, hash_secret(secret))
    with pytest.raises(InputError, match="registered"):
        await store.accept("CS1", T0, "x")


@pytest.mark.asyncio
async def test_a_rotated_secret_leaves_the_earlier_one_until_it_is_used(store: AnyStore) -> None:
    old, new = new_secret(), new_secret()
    await store.add_station(StationRecord("CS1", "home", ()), hash_secret(old))
    await store.rotate_secret("CS1", hash_secret(new))
    assert await store.verify("CS1", old.encode())
    assert await store.verify("CS1", new.encode())
    assert not await store.verify("CS1", old.encode())


@pytest.mark.asyncio
async def test_a_security_profile_is_never_lowered(store: AnyStore) -> None:
    await store.add_station(StationRecord("CS1", "home", (), security_profile=2), hash_secret(new_secret()))
    changed = StationRecord("CS1", "home", (EvseRecord(1, 22.0),), security_profile=3)
    await store.change_station(changed)
    assert await store.station("CS1") == changed
    with pytest.raises(InputError, match="never lowered"):
        await store.change_station(StationRecord("CS1", "home", (), security_profile=1))


@pytest.mark.asyncio
async def test_needs_permissions_and_what_was_learned(store: AnyStore) -> None:
    early = DriverNeed("n1", "T", after(3600), T0, energy_kwh=10.0)
    later = DriverNeed("n2", "T", after(7200), after(60), soc=0.8, discharge_consent=True, discharge_cap_kwh=5.0)
    for need in (later, early, later):
        await store.need(need)
    assert await store.needs(["T", "nobody"]) == {"T": later}
    assert await store.permission("home") == GridPermission("home")
    granted = GridPermission("home", "contract 7", 11.0, "relay", (("charger", after(86_400)),), islanding=True)
    await store.permit(granted, T0)
    assert await store.permission("home") == granted
    row = CompatibilityRow("Car", "Maker Model", "CCS", ("V2H", "V2G"), 10.0, "maker's sheet", T0, resumes=False)
    await store.add_compatibility(row, T0)
    assert await store.compatibility("Car", "Maker Model") == [row]
    assert await store.compatibility("Car", "Other") == []
    evse = EvseKey("A", 1)
    await store.learn(evse, "T", "resumes_after_pause", value=True, at=T0)
    await store.learn(evse, "T", "resumes_after_pause", value=False, at=after(5))
    await store.learn(evse, "T2", "resumes_after_pause", value=True, at=after(5))
    assert await store.learned(evse, "T") == {"resumes_after_pause": False}


@pytest.mark.asyncio
async def test_latches_plans_and_the_audit_log(store: AnyStore) -> None:
    latch = Latch("home", T0, "button pressed", "input 4", "operator")
    await store.latch(latch)
    await store.latch(Latch("home", after(9), "again"))
    assert await store.latches() == [latch]
    await store.release("home", after(60), "operator")
    assert await store.latches() == []
    assert await store.last_plan("home") is None
    await store.keep_plan("home", after(1), {"setpoints_kw": {"A/1": [1.5, -2.0]}})
    await store.keep_plan("home", T0, {"older": True})
    assert await store.last_plan("home") == (after(1), {"setpoints_kw": {"A/1": [1.5, -2.0]}})
    await store.note("login", "somebody", after(2), {"from": "127.0.0.1"})
    log = await store.audit_log()
    assert (log[0].kind, log[0].subject, log[0].at, dict(log[0].detail)) == (
        "login", "somebody", after(2), {"from": "127.0.0.1"},
    )  # fmt: skip
    assert "emergency stop latched" in {row.kind for row in log}


@pytest.mark.asyncio
async def test_many_at_once_lose_nothing(store: AnyStore) -> None:
    async def drive(station: str) -> list[str]:
        number = (await store.append(heard(None, kind="started", at=0, station_id=station, transaction_id="",
                                           meter_start_kwh=0.0))).transaction_id  # fmt: skip
        for minute in range(1, 6):
            samples = (register(minute * 60, minute * 0.5),)
            await store.append(heard(None, *samples, at=minute * 60, station_id=station, transaction_id=number))
        return [number]

    numbers = await asyncio.gather(*(drive(f"S{index}") for index in range(20)))
    assert len({number for (number,) in numbers}) == 20
    rows = await store.transactions()
    assert len(rows) == 20
    assert all(row.energy_import_kwh == pytest.approx(2.5) for row in rows)
