"""What devices are left with: who holds the island and for how long, what is dropped, and that it is said again."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from bothways.operations.island.service import IslandService
from bothways.operations.orders import CommandResult
from bothways.resilience.island.signals import Mode, Request, RequestKind

pytestmark = pytest.mark.asyncio
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Forming:
    """Stations that take whatever they are told, and remember it with the instant."""

    def __init__(self, clock, yard):
        self.clock, self.yard, self.held, self.ended = clock, yard, [], []
        self.status = "Accepted"

    async def hold(self, evse, transaction_id, seconds):
        self.held.append((self.clock.t_s, evse.station_id, seconds))
        return CommandResult(self.status == "Accepted", self.status, math.nan, BEGIN)

    async def let_go(self, evse):
        self.ended.append((self.clock.t_s, evse.station_id))
        return CommandResult(True, "Accepted", math.nan, BEGIN)


@pytest.fixture
def held_by_a_vehicle(world):
    """The same hall; the battery is out of order, so that charger-1 has to hold the island."""
    world.yard.kill("battery")
    forming = Forming(world.clock, world.yard)
    outside = world.service._outside
    world.service = IslandService(
        world.settings,
        lambda: world.loop,
        type(outside)(*(getattr(outside, n) for n in outside.__slots__[:-1]), forming),
    )
    world.forming = forming
    return world


async def to_island(world, seconds=90):
    await world.go(3)
    world.grid(False)
    await world.go(seconds)
    assert world.phase == "island"


async def test_a_vehicle_that_holds_the_island_is_given_no_more_time_than_its_driver_can_spare(held_by_a_vehicle):
    world = held_by_a_vehicle
    await to_island(world, 200)
    assert world.modes()[1] is Mode.FORMING
    car = world.stations["charger-1"].car
    told = [(at, seconds) for at, _, seconds in world.forming.held]
    assert len(told) >= 3  # the start, and again every minute
    assert all(later[0] - sooner[0] <= 61.0 for sooner, later in pairwise(told))
    seconds = told[-1][1]
    drawn = 11.0 * seconds / 3600.0 / 0.92
    assert car.energy_kwh - drawn >= car.reserve_kwh  # at full output all the time
    assert seconds > 0.9 * (car.energy_kwh - car.reserve_kwh) * 0.92 / 11.0 * 3600.0
    ends = [at + seconds for at, seconds in told]
    assert ends == sorted(ends)  # who draws less than the rating moves the end on


async def test_who_must_drive_farther_shortens_the_time_at_once(held_by_a_vehicle):
    world = held_by_a_vehicle
    await to_island(world)
    before = world.forming.held[-1]
    world.service.drivers.say("T-charger-1", 200.0, opted_out=False)  # 40 kWh instead of 16
    await world.go(2)
    at, _, seconds = world.forming.held[-1]
    assert at - before[0] < 60.0
    assert at + seconds < before[0] + before[2] - 3600.0


async def test_a_release_takes_the_time_back_and_nothing_prolongs_it_afterwards(held_by_a_vehicle):
    world = held_by_a_vehicle
    await to_island(world)
    world.service.drivers.say("T-charger-1", None, opted_out=True)
    await world.go(2)
    assert world.forming.ended[-1][1] == "CP-charger-1"
    last = len(world.forming.held)
    await world.go(90)
    assert [row for row in world.forming.held[last:] if row[1] == "CP-charger-1"] == []


async def test_a_station_that_refuses_more_time_is_told_of(held_by_a_vehicle):
    world = held_by_a_vehicle
    await to_island(world)
    world.forming.status = "Rejected"
    await world.go(61)
    assert any("charger-1 did not take 'form': Rejected" in event.text for event in world.service.journal.events)


async def test_the_switchgear_watches_in_an_island_and_not_on_the_grid(world):
    told = []
    watch = world.yard.watch

    def noted(after_s, keep):
        told.append((world.clock.t_s, after_s, keep))
        return watch(after_s, keep)

    world.yard.watch = noted
    await world.go(30)
    assert [after_s for _, after_s, _ in told] == [0.0]  # said once: whoever was here before may have armed it
    world.grid(False)
    await world.go(60)
    armed = [row for row in told if row[1] > 0.0]
    assert all(after_s == 36.0 and "essential" in keep for _, after_s, keep in armed)
    assert all(later[0] - sooner[0] <= 5.0 for sooner, later in pairwise(armed))
    assert world.service.alone.watched is True
    world.grid(True)
    await world.go(80)
    assert world.phase == "grid-connected"
    assert told[-1][1] == 0.0
    assert world.yard.plant.closed == (True,) * 4


async def test_what_the_battery_alone_cannot_carry_to_the_target_is_dropped(world):
    """18 kWh for the first tier over 24 h do not leave the refuge on when nobody rations any more."""
    await to_island(world)
    assert world.yard.plant.closed[:2] == (True, True)
    assert world.service.alone.keep == {"essential"}


async def test_a_drill_leaves_every_device_as_it_is(world):
    await world.go(3)
    world.service.ask(Request(RequestKind.START_DRILL), "Ann")
    await world.go(60)
    assert world.service.state.rehearsal is not None
    assert world.service.alone.keep is None
    assert not any(mode.keep_forming for mode in world.service.alone.modes)


async def test_a_server_that_dies_in_an_island_leaves_a_safe_building(world):
    """Nobody steps any more: followers stop, lesser sections drop before, the first tier stays, nobody is emptied."""
    await to_island(world)
    last = {name: station.ordered_kw for name, station in world.stations.items()}
    assert any(kw < 0.0 for kw in last.values())
    for second in range(3 * 3600):
        if second == 45:  # their lease
            for station in world.stations.values():
                station.ordered_kw = 0.0
        world.yard.advance(1.0)
        for station in world.stations.values():
            station.live(1.0)
        plant = world.yard.plant
        assert not plant.street_fed
        assert plant.served_kw[0] > 0.0
        assert all(s.car.energy_kwh >= min(s.car.reserve_kwh, 30.0) - 1e-6 for s in world.stations.values())
        if second > 40:
            assert plant.closed == (True, False, False, False)
        if second == 3600:
            world.grid(True)  # the grid is back, and nobody closes the contactor
            assert not plant.main_closed
