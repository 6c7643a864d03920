"""Orders over the bus: from the leader alone, to whoever holds the station, once each and never late."""

import asyncio

import pytest
from bus_doubles import EVSE, Sockets, options_of, order, processes, until

from bothways.adapters.bus.commands import FENCED, NOT_HERE, Command, Power
from bothways.adapters.bus.lease import Epoch
from bothways.adapters.bus.wire import plain
from bothways.domain.errors import GatewayError
from bothways.operations.events import EvseKey
from bothways.operations.orders import SafeProfile

pytestmark = pytest.mark.asyncio


async def led(planner, station="CP-1"):
    """A planner's gateway once it leads and sees the station."""
    lease = planner.lease()
    remote = planner.gateway(lease)
    await until(lambda: station in remote.connected())
    return lease, remote


async def test_the_leader_commands_and_another_does_not(nats_running):
    sockets = Sockets("CP-1")
    async with processes(options_of(nats_running), sockets, None, None) as (_, first, second):
        lease, remote = await led(first)
        other = second.lease()
        beside = second.gateway(other)
        done = await remote.set_power(order(7.0), EVSE)
        assert (done.accepted, done.commanded_kw) == (True, 7.0)
        assert other.epoch() is None
        assert beside.connected() == frozenset()
        assert (await beside.set_power(order(9.0), EVSE)).status == "offline"
        assert [item.power_kw for item in sockets.orders] == [7.0]
        await lease.give_back()
        await until(lambda: "CP-1" in beside.connected())
        assert (await remote.set_power(order(8.0), EVSE)).status == "offline"
        assert (await beside.set_power(order(9.0), EVSE)).accepted
        assert [item.power_kw for item in sockets.orders] == [7.0, 9.0]


async def test_people_set_no_power_but_administer(nats_running):
    sockets = Sockets("CP-1")
    async with processes(options_of(nats_running), sockets, None) as (_, web):
        people = web.gateway()
        await until(lambda: "CP-1" in people.connected())
        refused = await people.set_power(order(7.0), EVSE)
        assert not refused.accepted
        assert "planner" in refused.detail
        assert not (await people.set_safe_profile(SafeProfile("CP-1", 1.0))).accepted
        assert (await people.stop("CP-1", "T-1")).accepted
        assert await people.call("CP-1", "Reset", {"type": "Soft"}) == {"action": "Reset", "type": "Soft"}
        assert (await people.composite(EvseKey("CP-1", 1))).limit_kw == 7.0
        with pytest.raises(GatewayError, match="not connected"):
            await people.call("CP-9", "Reset", {})
        assert sockets.orders == [("stop", "CP-1", "T-1")]


async def test_a_gateway_refuses_a_former_leader_a_stranger_and_what_was_overtaken(nats_running):
    sockets = Sockets("CP-1")
    async with processes(options_of(nats_running), sockets, None) as (holder, planner):
        lease, remote = await led(planner)
        assert (await remote.set_power(order(5.0), EVSE)).accepted
        epoch, worker = lease.epoch(), holder.worker

        def command(name, number, kw=6.0, of=epoch, site="site"):
            return Command(name, "CP-1", "power", plain(Power(order(kw), EVSE)), site, of, number)

        stale = await worker.obey(command("a", 99, of=Epoch(epoch.bucket_ms, epoch.revision - 1)))
        assert stale.error == FENCED
        assert stale.value == list(epoch)
        assert (await worker.obey(command("b", 99, site="mill"))).error == FENCED
        assert (await worker.obey(command("c", 12))).error == ""
        assert "superseded" in (await worker.obey(command("d", 11))).text
        later = Epoch(epoch.bucket_ms, epoch.revision + 50)
        assert (await worker.obey(command("e", 1, 4.0, later))).error == ""
        assert [item.power_kw for item in sockets.orders] == [5.0, 6.0, 4.0]
        assert (await remote.set_power(order(11.0), EVSE)).status == "offline", "a later epoch was seen"
        assert len(sockets.orders) == 3
        assert worker.counters["orders_fenced"] == 3
        assert lease.epoch() is None


async def test_a_repeated_order_is_done_once(nats_running):
    sockets = Sockets("CP-1")
    async with processes(options_of(nats_running), sockets, None) as (holder, planner):
        lease, _ = await led(planner)
        command = Command("same", "CP-1", "power", plain(Power(order(6.0), EVSE)), "site", lease.epoch(), 1)
        sockets.held = asyncio.Event()
        asked = [asyncio.create_task(holder.worker.obey(command)) for _ in range(3)]
        await until(lambda: bool(sockets.orders))
        sockets.held.set()
        answers = await asyncio.gather(*asked)
        assert len(sockets.orders) == 1
        assert answers[0].value["status"] == "Accepted"
        assert answers == [answers[0]] * 3
        assert (await holder.worker.obey(Command("x", "CP-9", "stop", {"transaction_id": ""}))).error == NOT_HERE


async def test_an_order_does_not_wait_for_a_station_that_has_left(nats_running):
    first, second = Sockets("CP-1"), Sockets()
    async with processes(options_of(nats_running), first, second, None) as (one, two, planner):
        _, remote = await led(planner)
        first.held = asyncio.Event()
        waiting = asyncio.create_task(remote.set_power(order(7.0), EVSE))
        await until(lambda: bool(first.orders))
        two.connect(second, "CP-1")
        done = await asyncio.wait_for(waiting, 5.0)
        assert done.status == "offline"
        await until(lambda: first.sent_away == ["CP-1"] and "CP-1" in remote.connected())
        assert (await remote.set_power(order(3.0), EVSE)).accepted
        assert [item.power_kw for item in second.orders] == [3.0]
        assert one.worker.claims.replaced == 1
        first.held.set()


async def test_of_two_sockets_the_newer_stays_also_back_and_forth(nats_running):
    first, second = Sockets(), Sockets()
    async with processes(options_of(nats_running), first, second, None) as (one, two, watcher):
        one.connect(first, "CP-1")
        await until(lambda: watcher.whereabouts.worker_of("CP-1") == one.name)
        for process, sockets, old in [(two, second, first), (one, first, second), (two, second, first)]:
            process.connect(sockets, "CP-1")
            await until(lambda old=old: old.connected() == frozenset())
            await until(lambda name=process.name: watcher.whereabouts.worker_of("CP-1") == name)
            assert sockets.connected() == {"CP-1"}
        second.stations.clear()
        await until(lambda: watcher.whereabouts.connected() == frozenset())
        assert watcher.whereabouts.workers() == {one.name, two.name}
