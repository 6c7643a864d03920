"""Guests by the code on a charging point: one stay, one guest, nothing else."""

import asyncio
from datetime import timedelta

import pytest

from bothways.domain.errors import DomainError
from bothways.operations.access.roles import NotAllowed
from bothways.operations.desk.desk import NeedForm, Unknown
from bothways.operations.desk.driver.guests import Guests, TooOften
from bothways.operations.desk.driver.wishes import Wishes, WishForm
from bothways.operations.wishes import DayWish


@pytest.mark.asyncio
async def test_the_first_who_reads_the_code_looks_after_this_stay_and_no_other(world, people, make):
    guests = Guests(world.desk)
    for stranger in (people.driver, people.away):
        with pytest.raises(Unknown):
            await guests.link(stranger, "CP-1", 1)
    link = await guests.link(people.staff, "CP-1", 1)
    assert await guests.link(people.staff, "CP-1", 1) == link, "printing again changes nothing"
    with pytest.raises(Unknown):
        await guests.look("wrong")
    with pytest.raises(DomainError, match="nobody is plugged in"):
        await guests.claim(link.secret)
    world.site.evses = (make.evse(1, make.session("G-1")), make.evse(2, make.session("G-2")))
    seen = await guests.look(link.secret)
    assert (seen.free, seen.mine, seen.evse.session.holder) == (True, False, None)
    claim = await guests.claim(link.secret)
    with pytest.raises(DomainError, match="somebody else"):
        await guests.claim(link.secret)
    for wrong in ("", "wrong"):
        with pytest.raises(NotAllowed):
            await guests.stop(link.secret, wrong)
    wish = NeedForm(make.now + timedelta(hours=3), soc=0.8)
    await guests.need(link.secret, claim, wish)
    assert world.site.done[-1].holder == "CP-1/1"
    assert (await guests.look(link.secret, claim)).need.soc == 0.8
    assert (await guests.look(link.secret)).need is None, "others do not see what was said"
    now = await guests.charge_now(link.secret, claim)
    assert (now.charge_now, now.soc, now.ready_by) == (True, 0.8, wish.ready_by)
    assert (await guests.stop(link.secret, claim)).accepted
    assert world.gateway.stopped == [("CP-1", "tx-G-1")]
    world.site.evses = (make.evse(1, make.session("G-3", since=make.now + timedelta(hours=1))),)
    assert not (await guests.look(link.secret, claim)).mine, "the next stay is the next guest's"
    with pytest.raises(NotAllowed):
        await guests.charge_now(link.secret, claim)
    renewed = await guests.link(people.staff, "CP-1", 1, renew=True)
    with pytest.raises(Unknown):
        await guests.look(link.secret)
    await guests.close(people.staff, "CP-1", 1)
    with pytest.raises(Unknown):
        await guests.look(renewed.secret)


@pytest.mark.asyncio
@pytest.mark.parametrize("earlier", [False, True])
async def test_of_guests_who_claim_in_the_same_instant_one_gets_the_stay(world, people, make, earlier):
    telephones = [Guests(world.desk) for _ in range(5)]  # as in as many processes
    link = await telephones[0].link(people.staff, "CP-1", 1)
    if earlier:  # the record of the stay before is still there
        world.site.evses = (make.evse(1, make.session("G-0")),)
        await telephones[0].claim(link.secret)
    world.site.evses = (make.evse(1, make.session("G-1")),)
    together = asyncio.Barrier(len(telephones))
    looked = world.desk.parts.store.needs

    async def needs(holders):  # everybody has seen that the stay is free before anybody takes it
        found = await looked(holders)
        await together.wait()
        return found

    world.desk.parts.store.needs = needs
    claims = await asyncio.gather(*(one.claim(link.secret) for one in telephones), return_exceptions=True)
    world.desk.parts.store.needs = looked
    won = [claim for claim in claims if isinstance(claim, str)]
    assert len(won) == 1, claims
    assert all(isinstance(claim, DomainError) for claim in claims if claim not in won)
    assert (await telephones[3].look(link.secret, won[0])).mine


@pytest.mark.asyncio
async def test_a_stay_of_somebody_who_said_what_they_need_is_nobody_elses(world, people, make):
    guests = Guests(world.desk)
    link = await guests.link(people.staff, "CP-1", 1)
    world.site.evses = (make.evse(1, make.session("T-1")),)
    await Wishes(world.desk).keep(people.driver, "T-1", WishForm({0: DayWish("07:30", 0.8)}))
    assert not (await guests.look(link.secret)).free
    with pytest.raises(DomainError):
        await guests.claim(link.secret)
    world.site.evses = (make.evse(1, make.session("T-2")),)
    assert (await guests.look(link.secret)).free
    await world.desk.set_need(people.other, "T-2", NeedForm(make.now + timedelta(hours=3), soc=0.8))
    assert not (await guests.look(link.secret)).free


@pytest.mark.asyncio
async def test_whoever_asks_too_often_waits(world, people, make):
    guests = Guests(world.desk)
    link = await guests.link(people.staff, "CP-1", 1)
    world.site.evses = (make.evse(1, make.session("G-1")),)
    claim = await guests.claim(link.secret, "10.0.0.1")
    for _ in range(10):
        await guests.charge_now(link.secret, claim, "10.0.0.2")
    with pytest.raises(TooOften) as caught:
        await guests.charge_now(link.secret, claim, "10.0.0.3")
    assert 0.0 < caught.value.wait_s <= 10.0
    for _ in range(39):
        with pytest.raises(Unknown):
            await guests.look("guessed", source="10.0.0.1")
    with pytest.raises(TooOften):
        await guests.look("guessed", source="10.0.0.1")
    assert (await guests.look(link.secret, source="10.0.0.9")).free is False
    world.later(minutes=1)
    assert (await guests.charge_now(link.secret, claim, "10.0.0.3")).charge_now
