"""The live system as a whole: what happens when a part of it fails, and what is refused before it starts."""

import asyncio
import socket
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from bothways.adapters.db.credentials import hash_secret, new_secret
from bothways.adapters.db.store import open_store
from bothways.adapters.simulated.outlet import Outlet
from bothways.adapters.simulated.station import StationOptions, VirtualStation
from bothways.adapters.trust.passwords import Argon2Hasher
from bothways.app.live import upkeep
from bothways.app.live.config import config_from_mapping
from bothways.app.live.server import Parts, open_live
from bothways.domain.errors import InputError
from bothways.operations.events import EvseKey, Sample, TransactionChanged
from bothways.operations.site.loop import SiteLoop
from bothways.operations.stations import EvseRecord, StationRecord

SITE = {"id": "house", "tz": "UTC", "import_hard_limit_kw": 40.0, "prices": {"import_per_kwh": 0.3}}


def _config(folder, **server):
    url = f"sqlite:///{folder}/live.db"
    return config_from_mapping(
        {"server": {"port": 0, "web_port": 0, **server}, "store": {"url": url, "keep_samples_days": 1}, "site": [SITE]}
    )


async def _live(folder, **server):
    return await open_live(_config(folder, **server), Parts(hasher=Argon2Hasher(fast=True)))


async def _until(condition, what):
    for _ in range(400):
        if condition():
            return
        await asyncio.sleep(0.025)
    raise AssertionError(what)


@pytest.mark.asyncio
@pytest.mark.parametrize("key", ["port", "web_port"])
async def test_a_port_in_use_is_a_problem_of_the_input_and_nothing_stays_open(tmp_path, key):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        live = await _live(tmp_path, **{key: other.getsockname()[1]})
        with pytest.raises(InputError, match=f"server.{key}"):
            await live.start()
        await live.stop()
    with pytest.raises(OSError, match=r".*"):
        await asyncio.open_connection("127.0.0.1", live.port or 1)


@pytest.mark.asyncio
async def test_a_site_whose_loop_dies_is_said_to_lack_and_begins_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(upkeep, "BEGIN_AGAIN_S", 0.2)
    died = []
    run = SiteLoop.run

    async def dying(loop):
        if not died:
            died.append(loop)
            raise KeyError("a defect")
        await run(loop)

    monkeypatch.setattr(SiteLoop, "run", dying)
    live = await _live(tmp_path)
    await live.start()
    try:
        await _until(lambda: live.upkeep.restarts, "the defect is not noticed")
        assert any("begun anew 1 times" in line for line in live.lacking())
        await _until(lambda: live.loops["house"].snapshot().image is not None, "the site does not begin anew")
        assert live.lacking() == []
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{live.web_port}") as client:
            assert (await client.get("/readyz")).status_code == 200
            assert 'bothways_site_restarts_total{site="house"} 1.0' in (await client.get("/metrics")).text
    finally:
        await live.stop()


@pytest.mark.asyncio
async def test_a_site_that_stands_still_is_not_ready(tmp_path):
    live = await _live(tmp_path)
    await live.start()
    try:
        loop = live.loops["house"]
        await _until(lambda: loop.snapshot().image is not None, "no image")
        object.__setattr__(loop._image, "now", datetime.now(tz=UTC) - timedelta(minutes=5))
        assert any("stands still for 3" in line or "stands still for 2" in line for line in live.lacking())
    finally:
        await live.stop()


@pytest.mark.asyncio
async def test_a_removed_station_is_sent_away_and_does_not_come_back(tmp_path):
    live = await _live(tmp_path)
    secret = new_secret()
    await live.store.add_station(StationRecord("CP-1", "house", (EvseRecord(1, 11.0),)), hash_secret(secret))
    await live.start()
    options = StationOptions(secret=secret, tick_s=0.2)
    url = f"ws://127.0.0.1:{live.port}/ocpp"
    station = VirtualStation("CP-1", url, [Outlet(1, 11.0)], live.parts.clock, options)
    task = asyncio.create_task(station.run())
    try:
        await _until(lambda: "CP-1" in live.gateway.connected(), "the station does not connect")
        await live.upkeep.follow_stations()
        assert "CP-1" in live.gateway.connected()
        await live.store.remove_station("CP-1", datetime.now(tz=UTC))
        await live.upkeep.follow_stations()
        await _until(lambda: "404" in station.wire.refusal, "the station is let in again")
        assert live.gateway.connected() == frozenset()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await live.stop()


@pytest.mark.asyncio
async def test_values_older_than_kept_are_forgotten_and_transactions_stay(tmp_path):
    live = await _live(tmp_path)
    now = datetime.now(tz=UTC)
    for seq, age in ((0, timedelta(days=3)), (1, timedelta(hours=1))):
        sample = Sample(now - age, "Energy.Active.Import.Register", 1.0 + seq, "kWh")
        event = TransactionChanged(
            station_id="CP-1", at=now - age, received_at=now, kind="updated", transaction_id="tx", evse_id=1,
            seq_no=seq, samples=(sample,),
        )  # fmt: skip
        await live.store.append(event)
    await live.upkeep.forget()
    (row,) = await live.store.transactions()
    kept = await live.store.samples(
        EvseKey(row.station_id, row.evse_id),
        "Energy.Active.Import.Register",
        now - timedelta(days=9),
        now + timedelta(days=1),
    )
    assert [sample.value for sample in kept] == [2.0]
    await live.stop()


@pytest.mark.asyncio
async def test_one_failing_part_does_not_keep_the_store_from_closing(tmp_path):
    live = await _live(tmp_path)
    await live.start()

    async def failing(grace_s):
        raise OSError("no")

    close = live.gateway.close
    live.gateway.close = failing
    await live.stop()
    assert live.store._closed
    await close(0.0)


@pytest.mark.asyncio
async def test_a_store_is_let_go_of_where_the_system_cannot_be_built(tmp_path, monkeypatch):
    opened = []

    async def opening(url):
        opened.append(await open_store(url))
        return opened[0]

    monkeypatch.setattr("bothways.app.live.server.open_store", opening)
    (tmp_path / "ca.pem").write_text("nothing of the kind")
    files = {"issuer_certificate": str(tmp_path / "ca.pem"), "issuer_key": str(tmp_path / "missing.pem")}
    with pytest.raises(InputError, match=r"server\.issuer_certificate"):
        await _live(tmp_path, **files)
    assert opened[0]._closed
