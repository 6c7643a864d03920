"""Events over the bus: in order, once, resumed after an outage, and a word wherever some may be missing."""

import asyncio

import pytest
from bus_doubles import NOW, Sockets, options_of, processes, until

from bothways.adapters.bus.inbox import SiteEvents
from bothways.operations.events import StatusChanged

pytestmark = pytest.mark.asyncio


def status(number):
    return StatusChanged(station_id="CP-1", at=NOW, received_at=NOW, evse_id=1, connector_id=number, status="Occupied")


class Heard:
    def __init__(self, process, site="site"):
        self.numbers, self.missed = [], 0
        self.events = SiteEvents(process.bus, site, self._take, self._miss)

    def _take(self, event):
        self.numbers.append(event.connector_id)

    def _miss(self):
        self.missed += 1


async def test_events_arrive_in_order_at_their_site_alone(nats_running):
    async with processes(options_of(nats_running), Sockets("CP-1"), None, None) as (gateway, planner, other):
        here, elsewhere = Heard(planner), Heard(other, "mill")
        await asyncio.gather(here.events.listening.wait(), elsewhere.events.listening.wait())
        for number in range(500):
            gateway.worker.on_event(status(number))
        await until(lambda: len(here.numbers) == 500)
        assert here.numbers == list(range(500))
        assert elsewhere.numbers == []
        assert here.missed == 1, "at the beginning the store has to be read"
        here.events.close()
        gateway.worker.on_event(status(1000))
        await gateway.worker.settled(5.0)
        assert len(here.numbers) == 500


@pytest.mark.parametrize("wiped", [False, True])
async def test_after_an_outage_nothing_is_missing_or_it_is_said(nats_own, wiped):
    options = options_of(nats_own)
    async with processes(options, Sockets("CP-1"), None) as (gateway, planner):
        heard = Heard(planner)
        await heard.events.listening.wait()
        gateway.worker.on_event(status(0))
        await until(lambda: heard.numbers == [0])
        nats_own.stop()
        await until(lambda: not planner.bus.connected and not gateway.bus.connected)
        for number in range(1, 50):
            gateway.worker.on_event(status(number))
        assert gateway.worker.waiting == 49
        if wiped:
            nats_own.forget()
        nats_own.start()
        await until(lambda: heard.missed == 2 or len(heard.numbers) == 50)
        await until(lambda: gateway.worker.waiting == 0)
        assert heard.numbers == sorted(set(heard.numbers)), "in order, none twice"
        assert len(heard.numbers) == 50 or heard.missed == 2


async def test_more_than_the_outbox_holds_is_said_to_be_missing(nats_own):
    async with processes(options_of(nats_own, outbox=10), Sockets("CP-1"), None) as (gateway, planner):
        gaps = []

        async def gap(message):
            gaps.append(message.data.decode())

        await planner.bus.subscribe(planner.bus.names.gaps, gap)
        nats_own.stop()
        await until(lambda: not gateway.bus.connected)
        for number in range(25):
            gateway.worker.on_event(status(number))
        assert gateway.worker.waiting == 10
        nats_own.start()
        await until(lambda: bool(gaps))
        assert gaps == [gateway.name]
        await until(lambda: gateway.worker.waiting == 0)
