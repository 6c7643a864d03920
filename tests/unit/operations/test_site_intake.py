"""The intake: durable first, each fact told once, tokens by the list."""

from datetime import UTC, datetime

import pytest

from bothways.domain.errors import StoreError
from bothways.operations.events import StatusChanged, TransactionChanged
from bothways.operations.intake import EveryToken, ListedTokens, SiteIntake
from bothways.operations.ports import Receipt
from bothways.operations.stations import StationRecord

pytestmark = pytest.mark.asyncio

NOW = datetime(2026, 6, 3, 8, 0, tzinfo=UTC)
EVENT = StatusChanged(station_id="S", at=NOW, received_at=NOW, evse_id=1, connector_id=1, status="Occupied")


class Log:
    """Store and registry that write down in which order they were asked."""

    def __init__(self, *, fails=False):
        self.lines, self.fails, self.seen = [], fails, set()

    async def append(self, event):
        if self.fails:
            raise StoreError("disk full")
        self.lines.append("stored")
        new = event not in self.seen
        self.seen.add(event)
        return Receipt(new, "T-7" if getattr(event, "transaction_id", "x") == "" else "")

    async def station(self, station_id):
        return StationRecord("S", "site", ()) if station_id == "S" else None


async def test_an_event_is_stored_before_anybody_hears_of_it_and_told_once():
    log = Log()
    intake = SiteIntake(log, log, [lambda event: log.lines.append("told")])
    assert (await intake.receive(EVENT)).new
    assert not (await intake.receive(EVENT)).new
    assert log.lines == ["stored", "told", "stored"]


async def test_what_cannot_be_stored_is_told_to_nobody():
    told = []
    with pytest.raises(StoreError):
        await SiteIntake(Log(fails=True), Log(), [told.append]).receive(EVENT)
    assert told == []


async def test_listeners_see_the_transaction_id_that_the_store_gave():
    log, told = Log(), []
    intake = SiteIntake(log, log)
    intake.listen(told.append)
    started = TransactionChanged(station_id="S", at=NOW, received_at=NOW, kind="started", transaction_id="", evse_id=1)
    receipt = await intake.receive(started)
    assert receipt.transaction_id == "T-7"
    assert told[0].transaction_id == "T-7"


async def test_a_listener_that_fails_neither_undoes_the_fact_nor_silences_the_others():
    log, told, failures = Log(), [], []

    def bad(event):
        raise KeyError("lost")

    intake = SiteIntake(log, log, [bad, told.append], failed=lambda event, error: failures.append(error))
    assert (await intake.receive(EVENT)).new
    assert told == [EVENT]
    assert isinstance(failures[0], KeyError)
    with pytest.raises(KeyError):
        await SiteIntake(Log(), log, [bad]).receive(EVENT)


async def test_tokens_by_the_list():
    log = Log()
    listed = SiteIntake(log, log, tokens=ListedTokens({"ABC": "Accepted", "old": "Expired"}))
    assert await listed.authorize("S", "abc") == "Accepted"
    assert await listed.authorize("S", "OLD") == "Expired"
    assert await listed.authorize("S", "other") == "Invalid"
    assert await listed.authorize("unknown", "abc") == "Invalid"
    assert await SiteIntake(log, log).authorize("S", "abc") == "Invalid"  # no list, nobody
    everybody = SiteIntake(log, log, tokens=EveryToken())
    assert await everybody.authorize("S", "any") == "Accepted"
    assert await everybody.authorize("S", "") == "Invalid"
    with pytest.raises(ValueError, match="Welcome"):
        ListedTokens({"a": "Welcome"})
