"""A station that joins a running loop: what began there before the loop knew of it is taken over from the store."""

from datetime import timedelta

import pytest

from bothways.domain.errors import StoreError
from bothways.operations.events import ChargingNeedsReceived, StatusChanged
from bothways.operations.ports import TransactionRow

pytestmark = pytest.mark.asyncio


async def joining(make_world, car, after=None):
    """A world whose second station has a transaction that the loop heard nothing of."""
    world = make_world(2)
    joins = world.registry.records.pop()
    await world.open()
    await world.tick(2)
    world.registry.records.append(joins)
    point = world.gateway.points[world.key(1)]
    point.car, point.transaction, point.until = car(energy_kwh=20.0, token="car1"), "before", world.clock.now()
    world._transaction(1, "started")  # nobody listens: the loop does not have this EVSE yet
    world.store.open = [
        TransactionRow("S1", "before", 1, "car1", world.clock.now() - timedelta(minutes=2), None, 0.4, 0.0)
    ]
    return world, point


def session_of(world, k):
    return next(item.session for item in world.loop.snapshot().image.evses if item.key == world.key(k))


async def test_a_transaction_that_began_before_the_loop_knew_the_station_is_found(make_world, car):
    world, point = await joining(make_world, car)
    assert world.key(1) not in {item.key for item in world.loop.snapshot().image.evses}
    await world.tick(75)
    session = session_of(world, 1)
    assert (session.transaction_id, session.id_token) == ("before", "car1")
    assert session.delivered_kwh == pytest.approx(0.4 + point.car.charged_kwh, abs=0.05)
    assert point.orders, "it is never told anything"


async def test_what_was_heard_since_is_not_replaced_by_what_the_store_says(make_world, car):
    world, _ = await joining(make_world, car)
    world.store.broken = True  # the stations are read, the transactions not yet
    await world.tick(62)
    assert "store-failing" in world.alarms()
    later = world.plug(1, car(energy_kwh=10.0), transaction="later")
    world.store.broken = False
    await world.tick(75)
    assert session_of(world, 1).transaction_id == later.transaction == "later"


async def test_a_store_that_fails_meanwhile_is_asked_again(make_world, car):
    world, _ = await joining(make_world, car)
    whole = world.store.transactions

    async def fails(**_):
        raise StoreError("disk full")

    world.store.transactions = fails
    await world.tick(62)
    assert session_of(world, 1) is None
    world.store.transactions = whole
    await world.tick(62)
    assert session_of(world, 1).transaction_id == "before"


async def test_a_transaction_that_ended_is_not_taken_up_again(make_world, car):
    world = await make_world(2).open()
    world.plug(0, car())
    await world.tick(3)
    point = world.gateway.points[world.key(0)]
    stale = TransactionRow("S0", point.transaction, 1, "car0", world.clock.now(), None, 0.0, 0.0)
    world.unplug(0)
    world.store.open = [stale]  # its station never said that it ended: only a new EVSE is looked up
    await world.tick(75)
    assert session_of(world, 0) is None


async def test_of_two_that_are_open_the_later_one_counts(make_world, car):
    world, _ = await joining(make_world, car)
    stale = TransactionRow("S1", "stale", 1, "other", world.clock.now() - timedelta(days=2), None, 9.0, 0.0)
    world.store.open = [*world.store.open, stale]  # its end was never heard
    await world.tick(75)
    session = session_of(world, 1)
    assert (session.transaction_id, session.id_token) == ("before", "car1")


@pytest.mark.parametrize("heard", ["ended", "available"])
async def test_who_leaves_while_the_store_is_read_does_not_come_back(make_world, car, heard):
    world, point = await joining(make_world, car)
    whole = world.store.transactions

    async def slow(**words):
        rows = await whole(**words)
        if words.get("open_only") and world.key(1) in world.loop._book.outlets:
            if heard == "ended":
                world._transaction(1, "ended")
            else:
                now = world.clock.now()
                free = StatusChanged(
                    station_id="S1", at=now, received_at=now, evse_id=1, connector_id=1, status="Available"
                )
                world.loop.on_event(free)
        return rows

    world.store.transactions = slow
    await world.tick(75)
    assert world.key(1) in {item.key for item in world.loop.snapshot().image.evses}
    assert session_of(world, 1) is None
    assert not point.orders
    world.store.transactions = whole
    world.plug(1, car(), transaction="next")
    await world.tick(5)
    assert session_of(world, 1).transaction_id == "next"
    assert point.orders


async def test_what_the_vehicle_asked_for_meanwhile_is_kept(make_world, car):
    world, _ = await joining(make_world, car)
    whole = world.store.transactions
    asked = []

    async def slow(**words):
        rows = await whole(**words)
        if world.key(1) in world.loop._book.outlets and not asked:
            now = world.clock.now()
            asked.append(
                ChargingNeedsReceived(
                    station_id="S1",
                    at=now,
                    received_at=now,
                    evse_id=1,
                    energy_transfer="AC_BPT",
                    departure=now + timedelta(hours=3),
                )
            )
            world.loop.on_event(asked[0])
        return rows

    world.store.transactions = slow
    await world.tick(75)
    visit = world.loop._book.outlets[world.key(1)].visit
    assert visit.transaction_id == "before"
    assert visit.asks is asked[0]
