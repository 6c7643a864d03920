"""Queues at a desk: who sees what, and that nothing is lost on the way to the store."""

from datetime import timedelta

import pytest

from bothways.domain.errors import DomainError, InputError
from bothways.operations.access.roles import NotAllowed
from bothways.operations.desk.desk import Unknown
from bothways.operations.desk.driver.queues import Queues
from bothways.operations.events import TransactionChanged


@pytest.mark.asyncio
async def test_staff_share_two_points_and_drivers_wait_are_called_and_plug_in(world, people, make):
    queues = Queues(world.desk)
    world.site.evses = (make.evse(1, make.session("A")), make.evse(2, make.session("B")))
    with pytest.raises(Unknown):
        await queues.define(people.driver, "house", "garage", ("CP-1/1",))
    with pytest.raises(InputError):
        await queues.define(people.staff, "house", "garage", ("CP-9/1",))
    await queues.define(people.staff, "house", "garage", ("CP-1/1", "CP-1/2"))
    mine = await queues.join(people.driver, "T-1", "house", "garage", 3.0)
    assert (mine.position, mine.free, mine.places[0].mine) == (1, 0, True)
    theirs = await queues.join(people.other, "T-2", "house", "garage", 3.0)
    assert theirs.position == 2
    assert "T-1" not in str(theirs), "nobody's card is shown to others"
    for work in (queues.join(people.other, "T-1", "house", "garage", 3.0), queues.of(people.away, "T-1")):
        with pytest.raises(NotAllowed):
            await work
    with pytest.raises(InputError):
        await queues.join(people.staff, "T-3", "house", "garage", 0.0)
    assert (await queues.join(people.staff, "T-3", "house", "garage", 2.0)).position == 3, "the front desk, for a guest"
    world.site.evses = (make.evse(1), make.evse(2, make.session("B")))
    await queues.advance()
    (mine,) = await queues.of(people.driver, "T-1")
    assert (mine.places[0].called, mine.places[0].until) == ("CP-1/1", world.clock.now() + timedelta(minutes=15))
    (theirs,) = await queues.of(people.other, "T-2")
    assert theirs.places[0].called == "", "who is called where is theirs to know"
    world.site.evses = (make.evse(1, make.session("T-1")), make.evse(2, make.session("B")))
    await queues.advance()
    assert (await queues.of(people.driver, "T-1"))[0].position == 0
    assert (await queues.of(people.other, "T-2"))[0].position == 1
    with pytest.raises(DomainError, match="plugged in here"):
        await queues.join(people.driver, "T-1", "house", "garage", 3.0)
    asked = await queues.ask(people.other, "T-2", "house", "garage", "CP-1/1")
    assert asked.asked
    (mine,) = await queues.of(people.driver, "T-1")
    assert [request.room for request in mine.requests] == [True]
    await queues.answer(people.driver, "T-1", "house", "garage", mine.requests[0].swap_id, agrees=True)
    (theirs,) = await queues.of(people.other, "T-2")
    assert theirs.places[0].called == "CP-1/1"
    assert (await queues.leave(people.other, "T-2", "house", "garage")).position == 0
    await queues.close(people.staff, "house", "garage")
    with pytest.raises(Unknown):
        await queues.join(people.driver, "T-1", "house", "garage", 3.0)


@pytest.mark.asyncio
async def test_hours_used_during_the_last_week_come_from_the_store(world, people, make):
    queues = Queues(world.desk)
    world.site.evses = (make.evse(1, make.session("A")),)
    await queues.define(people.staff, "house", "garage", ("CP-1/1",), ("T-1", "T-2"))
    for number, kind in enumerate(("started", "ended")):
        at = make.now - timedelta(hours=12 - 6 * number)
        await world.store.append(
            TransactionChanged(station_id="CP-1", at=at, received_at=at, kind=kind, transaction_id="x", evse_id=1,
                               seq_no=number, id_token="T-1")
        )  # fmt: skip
    await queues.join(people.driver, "T-1", "house", "garage", 3.0)
    world.later(minutes=30)
    ahead = await queues.join(people.other, "T-2", "house", "garage", 3.0)
    assert ahead.position == 1, "six hours count as having joined an hour later"
    assert await queues.of(people.staff, "T-9") == [], "a card that does not belong to the queue"


@pytest.mark.asyncio
async def test_staff_see_which_queues_there_are_and_not_who_waits(world, people, make):
    queues = Queues(world.desk)
    world.site.evses = (make.evse(1, make.session("A")),)
    await queues.define(people.staff, "house", "garage", ("CP-1/1",), ("T-1",))
    await queues.join(people.driver, "T-1", "house", "garage", 3.0)
    (seen,) = await queues.at(people.staff, "house")
    assert (seen.name, seen.evses, seen.members, seen.places) == ("garage", ("CP-1/1",), ("T-1",), ())
    for stranger in (people.driver, people.away):
        with pytest.raises(Unknown):
            await queues.at(stranger, "house")
