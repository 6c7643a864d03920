"""Leases: one leader per site, a successor within seconds, and no leader who cannot know that it still is one."""

import asyncio

import pytest
from bus_doubles import options_of, processes, until

from bothways.adapters.bus.lease import Epoch
from bothways.adapters.bus.names import token, untoken

pytestmark = pytest.mark.asyncio


def leaders(leases):
    return [number for number, lease in enumerate(leases) if lease.epoch() is not None]


async def test_one_of_many_leads_and_a_successor_has_a_later_epoch(nats_running):
    async with processes(options_of(nats_running), None, None, None) as made:
        leases = [process.lease() for process in made]
        await until(lambda: len(leaders(leases)) == 1)
        for _ in range(30):  # more than one life of the lease
            assert len(leaders(leases)) == 1
            await asyncio.sleep(0.05)
        (first,) = leaders(leases)
        epoch = leases[first].epoch()
        await made[first].bus.close()  # it is killed: nobody gives anything back
        await until(lambda: leaders([lease for lease in leases if lease is not leases[first]]) != [], 5.0)
        (second,) = (number for number in leaders(leases) if number != first)
        assert leases[second].epoch() > epoch
        assert leases[first].epoch() is None
        assert made[second].leases.holder("site") == made[second].name


async def test_a_lease_that_is_given_back_is_taken_at_once(nats_running):
    async with processes(options_of(nats_running, lease_s=30.0), None, None) as made:
        leases = [process.lease() for process in made]
        await until(lambda: len(leaders(leases)) == 1)
        (first,) = leaders(leases)
        await leases[first].give_back()
        await until(lambda: leaders(leases) == [1 - first], 3.0)


@pytest.mark.parametrize("wiped", [False, True])
async def test_who_cannot_reach_the_bus_leads_no_longer_than_its_lease(nats_own, wiped):
    async with processes(options_of(nats_own), None, None) as made:
        leases = [process.lease() for process in made]
        await until(lambda: len(leaders(leases)) == 1)
        before = leases[leaders(leases)[0]].epoch()
        nats_own.stop()
        await until(lambda: leaders(leases) == [], 3.0)
        if wiped:
            nats_own.forget()
        nats_own.start()
        await until(lambda: len(leaders(leases)) == 1)
        now = leases[leaders(leases)[0]].epoch()
        assert now > before or (now == before and not wiped), "the lease goes on only where the bus still knows it"


async def test_who_leads_less_comes_first(nats_running):
    async with processes(options_of(nats_running), None, None) as (busy, free):
        busy_lease = type(busy.lease("other"))(busy.bus, busy.leases, "site", busy.name, lambda: 5)
        free_lease = free.lease()
        await until(lambda: free_lease.epoch() is not None)
        assert busy_lease.epoch() is None


async def test_epochs_grow_over_a_lost_memory_and_names_survive():
    assert Epoch(2, 1) > Epoch(1, 99) > Epoch(1, 98)
    for name in ("CP-1", "a.b", "*>x", "é=2E", "a b"):
        assert untoken(token(name)) == name
        assert set(token(name)) <= set("=-_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
