"""Everything about one person: in one file, and gone."""

import asyncio
import csv
import io
import json
import zipfile
from datetime import timedelta

import pytest

from bothways.adapters.db.store import open_store
from bothways.adapters.trust.passwords import Argon2Hasher, TimeCodes
from bothways.domain.errors import DomainError, InputError
from bothways.operations.access.accounts import Access
from bothways.operations.access.roles import Grant, Role
from bothways.operations.desk.desk import Desk, NeedForm
from bothways.operations.desk.driver.own_data import OwnData
from bothways.operations.desk.driver.wishes import Wishes, WishForm
from bothways.operations.events import EvseKey, Sample, TransactionChanged
from bothways.operations.stations import StationRecord
from bothways.operations.wishes import DayWish

PASSWORD = "many bright lamps tonight"


@pytest.fixture
def lived(world, make, tmp_path):
    """A driver with an account, a wish, a need and a stay, in a real store."""
    store = asyncio.run(open_store(f"sqlite:///{tmp_path}/a.db"))
    world.site.store = store
    desk = Desk({"house": world.site}, store, store, world.gateway, world.clock)
    access = Access(store, Argon2Hasher(fast=True), TimeCodes(), world.clock)

    async def live():
        await store.add_station(StationRecord("CP-1", "house", (make.evse().record,)), "hash")
        account = await access.create("Robin", PASSWORD, [Grant(Role.DRIVER, "token:T-1")])
        other = await access.create("Kim", PASSWORD, [Grant(Role.DRIVER, "token:T-2")])
        for token in ("T-1", "T-2"):
            actor = (account if token == "T-1" else other).actor()
            await desk.set_need(actor, token, NeedForm(make.now + timedelta(hours=8), soc=0.8))
            await Wishes(desk).keep(actor, token, WishForm({0: DayWish("07:30", 0.8)}))
            for number, (kind, value) in enumerate((("started", 5.0), ("ended", 11.0))):
                at = make.now + timedelta(hours=number + (24 if token == "T-2" else 0))
                samples = (Sample(at, "Energy.Active.Import.Register", value, "kWh"),)
                await store.append(
                    TransactionChanged(
                        station_id="CP-1", at=at, received_at=at, kind=kind, transaction_id=f"tx-{token}", evse_id=1,
                        seq_no=number, id_token=token, samples=samples,
                    )
                )  # fmt: skip
        kept = {"capacity": {"T-1": [60.0, 1.0, 5.0], "T-2": [40.0, 1.0, 5.0]}, "asleep": {"T-1@model": "x"}}
        await store.learn(EvseKey("house", 0), "", "learned", kept, make.now)
        return account

    yield asyncio.run(live()), desk, access, store
    asyncio.run(store.close())


def test_everything_comes_in_one_file_and_nothing_of_others(lived):
    account, desk, access, _ = lived
    archive = zipfile.ZipFile(io.BytesIO(asyncio.run(OwnData(desk, access).export(account))))
    texts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert {name.split(".")[1] for name in texts} == {"txt", "json", "csv"}
    assert all(name in texts["about.txt"] for name in texts if name != "about.txt")
    (stay,) = csv.DictReader(io.StringIO(texts["transactions.csv"]))
    assert (stay["card"], float(stay["in_kwh"])) == ("T-1", 6.0)
    assert json.loads(texts["wishes.json"])[0]["days"][0] == ["07:30", 0.8, None]
    assert json.loads(texts["needs.json"])[0]["soc"] == 0.8
    assert len(list(csv.DictReader(io.StringIO(texts["meter_values.csv"])))) == 2
    assert json.loads(texts["account.json"])["name"] == "Robin"
    assert not any("T-2" in text or "Kim" in text or "$argon2" in text for text in texts.values())


def test_erasing_leaves_the_sums_and_nothing_of_the_person(lived, world, make, tmp_path):
    account, desk, access, store = lived
    own = OwnData(desk, access)

    async def scene():
        _, token = await access.sign_in("Robin", PASSWORD)
        with pytest.raises(InputError, match="confirmation"):
            await own.erase(token, "yes")
        world.site.evses = (make.evse(1, make.session("T-1")),)
        with pytest.raises(DomainError, match="unplug"):
            await own.erase(token, "robin")
        world.site.evses = (make.evse(1, make.session("T-2")),)
        erased = await own.erase(token, "robin")
        assert (erased.cards, erased.transactions) == (1, 1)
        assert await access.actor(token) is None
        assert await store.account_by_name("Robin") is None
        assert (await store.account(account.account_id)).disabled
        assert await store.needs(["T-1"]) == {}
        assert list(await store.documents("wish")) == ["T-2\x1f"]
        rows = await store.transactions()
        assert sorted(row.energy_import_kwh for row in rows) == [6.0, 6.0]
        assert {row.id_token[:7] for row in rows} == {"erased-", "T-2"}
        learned = await store.learned(EvseKey("house", 0), "")
        assert learned["learned"] == {"capacity": {"T-2": [40.0, 1.0, 5.0]}, "asleep": {}}
        line = next(line for line in await store.audit_log() if line.kind == "account erased")
        assert "Robin" not in str(line)
        assert "T-1" not in str(line)
        assert "T-1" in world.site.done

    asyncio.run(scene())
