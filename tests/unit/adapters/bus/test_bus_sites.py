"""A site for people in another process: shown by whoever leads it, and stopped also where nobody does."""

import asyncio
import math

import pytest
from bus_doubles import NOW, options_of, processes, until

from bothways.adapters.bus import sites
from bothways.adapters.bus.sites import RemoteSite, SiteServer
from bothways.adapters.clocks import SystemClock
from bothways.adapters.db.memory import MemoryStore
from bothways.domain.errors import DomainError
from bothways.operations.overrides import Override
from bothways.operations.ports import SiteReading
from bothways.operations.site.emergency import Incident
from bothways.operations.site.settings import SiteSettings
from bothways.operations.site.state import Image, SiteLimits
from bothways.operations.site.summary import Snapshot
from bothways.operations.stations import DriverNeed, GridPermission

pytestmark = pytest.mark.asyncio
NEED = DriverNeed("n-1", "T-1", NOW, NOW, energy_kwh=5.0)
IMAGE = Image(NOW, (), SiteLimits(80.0), GridPermission("site"), 12.0, (), math.inf, True)


class Led:
    """A site's loop that notes what it is told."""

    def __init__(self):
        self.done, self.overrides = [], ()
        self.reading = SiteReading(NOW, 12.0)
        self.deaf = False

    def snapshot(self):
        return Snapshot("site", image=IMAGE)

    async def set_need(self, need):
        self.done.append(need)

    async def emergency_stop(self, reason, who):
        if self.deaf:
            await asyncio.sleep(60.0)
        self.done.append(("stop", reason, who))
        return Incident("site", NOW, reason, who, stopped=(("CP-1/1", "zero: Accepted"),))

    async def release(self, reason, who):
        msg = "no emergency stop is in force"
        raise DomainError(msg)

    async def change_overrides(self, overrides):
        self.overrides = overrides

    async def change_limits(self, **changes):
        self.done.append(changes)


async def test_what_people_want_reaches_the_leader_and_what_it_shows_comes_back(nats_running):
    async with processes(options_of(nats_running), None, None) as (planner, web):
        lease = planner.lease()
        await until(lambda: lease.epoch() is not None)
        led, store = Led(), MemoryStore()
        server = SiteServer(planner.bus, lease, led)
        site = RemoteSite(web.bus, SiteSettings("site"), store, SystemClock())
        await until(lambda: site.snapshot().image == IMAGE)
        assert site.reading == led.reading
        assert site.snapshot().alarms == ()
        await site.set_need(NEED)
        await site.change_limits(import_hard_kw=math.inf)
        pause = Override("o", "pause", "", None, NOW, NOW, "Ada", "works")
        await site.change_overrides((pause,))
        assert site.overrides == led.overrides == (pause,)
        stopped = await site.emergency_stop("smoke", "Ada")
        assert stopped.stopped == (("CP-1/1", "zero: Accepted"),)
        assert led.done == [NEED, {"import_hard_kw": math.inf}, ("stop", "smoke", "Ada")]
        with pytest.raises(DomainError, match="no emergency stop is in force"):
            await site.release("safe", "Ada")
        server.close()
        await planner.bus.close()


async def test_without_a_leader_a_stop_is_latched_in_the_store_and_told_later(nats_running, monkeypatch):
    monkeypatch.setattr(sites, "STALE_S", 0.2)
    monkeypatch.setattr(sites, "SHOW_S", 0.2)
    async with processes(options_of(nats_running), None, None) as (planner, web):
        store = MemoryStore()
        site = RemoteSite(web.bus, SiteSettings("site", emergency_contact="Bea"), store, SystemClock())
        await until(lambda: site.silent_s > 0.3)
        assert [alarm.kind for alarm in site.snapshot().alarms] == ["no-planner"]
        incident = await asyncio.wait_for(site.emergency_stop("smoke", "Ada"), 2.0)
        (latch,) = await store.latches()
        assert (latch.scope, latch.cause, latch.device, latch.party) == ("site", "smoke", "Ada", "Bea")
        assert incident.latched
        await site.set_need(NEED)
        assert (await store.needs(["T-1"]))["T-1"].energy_kwh == 5.0
        with pytest.raises(DomainError, match="no planner leads site"):
            await site.change_limits(import_hard_kw=5.0)
        lease, led = planner.lease(), Led()
        await until(lambda: lease.epoch() is not None)
        server = SiteServer(planner.bus, lease, led)
        await until(lambda: ("stop", "smoke", "Ada") in led.done)
        server.close()


async def test_a_leader_that_does_not_answer_holds_no_stop_up(nats_running):
    async with processes(options_of(nats_running), None, None) as (planner, web):
        lease, led, store = planner.lease(), Led(), MemoryStore()
        await until(lambda: lease.epoch() is not None)
        led.deaf = True
        server = SiteServer(planner.bus, lease, led)
        site = RemoteSite(web.bus, SiteSettings("site"), store, SystemClock())
        await until(lambda: site.snapshot().image is not None)
        await asyncio.wait_for(site.emergency_stop("smoke", "Ada"), 1.6)
        assert [latch.cause for latch in await store.latches()] == ["smoke"]
        server.close()


async def test_without_the_bus_screens_say_so(nats_own, monkeypatch):
    monkeypatch.setattr(sites, "STALE_S", 0.2)
    async with processes(options_of(nats_own), None) as (web,):
        store = MemoryStore()
        site = RemoteSite(web.bus, SiteSettings("site"), store, SystemClock())
        nats_own.stop()
        await until(lambda: not web.bus.connected and site.silent_s > 0.3)
        assert [alarm.kind for alarm in site.snapshot().alarms] == ["bus-lost"]
        assert (await site.emergency_stop("smoke", "Ada")).latched
        assert len(await store.latches()) == 1
