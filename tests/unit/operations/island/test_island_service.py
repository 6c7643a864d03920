"""The live island controller: hand-over, durable memory, people, stops, drills; and what no path may ever do."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import math
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bothways.operations.island.sending import Dispatcher
from bothways.operations.island.service import IslandService
from bothways.operations.orders import CommandResult
from bothways.resilience.island.commands import Action, Command
from bothways.resilience.island.offer import restart_offer
from bothways.resilience.island.signals import Mode, Request, RequestKind

HERE = Path(__file__).parent
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
SOURCE = HERE.parents[3] / "src" / "bothways"


def _world(**more):
    spec = importlib.util.spec_from_file_location("island_service_world", HERE / "conftest.py")
    module = sys.modules.get(spec.name) or importlib.util.module_from_spec(spec)
    if spec.name not in sys.modules:
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    return module.World(**more)


pytestmark = pytest.mark.asyncio


async def test_an_outage_from_the_loss_of_the_grid_to_the_way_back(world):
    await world.go(3)
    assert world.phase == "grid-connected"
    assert world.loop.away[-1][0] is False
    world.grid(False)
    await world.go(60)
    assert world.phase == "island"
    assert world.yard.plant.closed[:2] == (True, True)  # without sun the rest must wait
    assert world.loop.away[-1][0] is True
    assert "island" in world.loop.alarms
    assert Mode.GIVING in world.modes()
    assert all(order.valid_for_s == 60.0 for order in world.gateway.orders if order.power_kw < 0.0)
    world.grid(True)
    await world.go(60)
    assert world.phase == "grid-connected"
    assert world.yard.plant.closed == (True,) * 4
    assert world.yard.plant.main_closed
    assert not world.energised
    await world.go(15)
    assert world.loop.away[-1][0] is False
    assert "island" not in world.loop.alarms
    kinds = {kind for kind, _ in world.store.notes}
    assert {"island phase", "island command", "island message", "island hand-over"} <= kinds


async def test_the_ordinary_loop_stands_back_before_the_first_command_leaves(world):
    await world.go(3)
    sent = len(world.gateway.orders)
    world.grid(False)
    await world.go(2)
    away, orders, devices = world.loop.away[-1]
    assert away is True
    assert (orders, devices) == (sent, 0)
    assert len(world.yard.log) > 0
    assert {profile.charge_kw for profile in world.gateway.safe[-5:]} == {0.0}


async def test_without_the_permission_to_island_nothing_is_touched():
    world = _world(permitted=False)
    await world.go(3)
    world.grid(False)
    await world.go(30)
    assert world.yard.log == []
    assert world.phase == "grid-connected"


async def test_a_person_confirms_where_the_site_asks_for_it():
    world = _world(confirm=True)
    await world.go(3)
    world.grid(False)
    await world.go(20)
    assert world.phase == "islanding"
    assert any(message.severity.value == "ask" for message in world.service.journal.conditions)
    world.service.ask(Request(RequestKind.CONFIRM), "Ann")
    await world.go(20)
    assert world.phase == "island"
    assert ("island request", {"who": "Ann", "request": "confirm", "device": ""}) in world.store.notes


async def test_after_a_restart_it_carries_on_and_starts_nothing_twice(world):
    await world.go(3)
    world.grid(False)
    await world.go(40)
    formed = sum(command.action is Action.FORM for command in world.yard.log)
    world.service = world.new_service()
    assert world.loop.away[-1][0] is True
    world.yard.advance(1.0)
    await world.go(30)
    assert world.phase == "island"
    assert sum(command.action is Action.FORM for command in world.yard.log) == formed
    assert world.yard.plant.closed[0]


async def test_a_restart_believes_the_devices_and_not_the_memory(world):
    await world.go(3)
    world.grid(False)
    await world.go(40)
    world.service = world.new_service()
    world.yard.take(Command("battery", Action.RELEASE))
    world.yard.advance(1.0)  # what the memory calls an island is dark now
    await world.go(40)
    assert world.phase == "island"
    assert world.modes()[0] is Mode.FORMING


async def test_an_emergency_stop_ends_everything_holds_over_a_restart_and_is_reset_by_a_person(world):
    await world.go(3)
    world.grid(False)
    await world.go(40)
    world.yard.plant = replace(world.yard.plant, estop=True)
    await world.go(3)
    assert world.loop.incident is not None
    assert not world.energised
    world.yard.plant = replace(world.yard.plant, estop=False)
    world.loop.incident = None
    world.service = world.new_service()
    await world.go(5)
    assert world.phase == "locked out"
    assert not world.energised
    await world.service.reset("looked at it", "Ann")
    await world.go(30)
    assert world.phase == "island"


async def test_a_memory_that_cannot_be_kept_is_said_and_keeps_no_building_dark(world):
    await world.go(3)
    world.memory.fails = world.store.fails = True
    world.grid(False)
    await world.go(40)
    assert world.phase == "island"
    assert "island-failing" in world.loop.alarms
    world.memory.fails = world.store.fails = False
    await world.go(3)
    assert world.memory.values["hall"]["island"]["phase"] == "island"


async def test_a_memory_that_cannot_be_read_lets_no_vehicle_give(world):
    async def broken(site_id):
        raise OSError("no disk")

    world.memory.recall = broken
    world.grid(False)
    await world.go(90)
    assert world.phase == "island"  # on the battery alone
    assert not any(order.power_kw < 0.0 for order in world.gateway.orders)


async def test_a_driver_who_keeps_everything_is_left_alone_at_once_and_for_good(world):
    await world.go(3)
    world.grid(False)
    await world.go(60)
    giving = next(name for name, station in world.stations.items() if station.flowing_kw < 0.0)
    world.service.drivers.say(f"T-{giving}", None, opted_out=True)
    await world.service.keep_drivers()
    await world.go(3)
    stored = world.stations[giving].car.energy_kwh
    await world.go(30)
    assert world.stations[giving].car.energy_kwh >= stored
    world.service = world.new_service()
    await world.go(30)
    assert world.stations[giving].car.energy_kwh >= stored


async def test_who_did_not_consent_or_is_not_listed_never_gives(world):
    await world.go(3)
    world.grid(False)
    await world.go(90)
    assert not world.stations["charger-4"].consents
    told = {order.evse.station_id for order in world.gateway.orders if order.power_kw < 0.0}
    assert told
    assert "CP-charger-4" not in told


async def test_a_drill_reaches_no_device_and_gets_no_farther_than_devices_answer(world):
    await world.go(3)
    orders = len(world.gateway.orders)
    world.yard.deaf.add("refuge")
    world.service.ask(Request(RequestKind.START_DRILL), "Ann")
    await world.go(30)
    assert world.service.state.rehearsal is not None
    assert world.phase == "islanding"
    world.yard.deaf.clear()
    world.service.done_by_hand("refuge", "Ann")
    await world.go(60)
    assert world.phase == "island"
    assert world.yard.log == []
    assert len(world.gateway.orders) == orders
    assert world.yard.plant.main_closed
    assert world.loop.away[-1][0] is False
    world.service.ask(Request(RequestKind.END_DRILL), "Ann")
    await world.go(60)
    assert world.service.state.rehearsal is None
    assert world.yard.log == []


async def test_a_real_outage_ends_a_drill_and_is_answered(world):
    await world.go(3)
    world.service.ask(Request(RequestKind.START_DRILL), "Ann")
    await world.go(10)
    world.grid(False)
    await world.go(60)
    assert world.service.state.rehearsal is None
    assert world.phase == "island"
    assert world.modes()[0] is Mode.FORMING


async def test_devices_that_do_not_answer_are_said_and_vehicles_stop_by_their_lease(world):
    await world.go(3)
    world.grid(False)
    await world.go(60)
    world.yard.unreachable = True
    await world.go(5)
    assert "island-failing" in world.loop.alarms
    world.yard.unreachable = False
    await world.go(5)
    assert "island-failing" not in world.loop.alarms


async def test_a_command_that_is_not_delivered_in_time_is_dropped_and_handed_to_a_person(world):
    async def never(command):
        await asyncio.sleep(3600.0)

    timing = replace(world.settings.building.timing, flight_s=0.02)
    world.settings = replace(world.settings, building=replace(world.settings.building, timing=timing))
    world.service = world.new_service()
    world.service._outside.gear.carry_out = never
    await world.go(3)
    world.grid(False)
    await world.go(20)
    told = [message.code for message in world.service.journal.conditions]
    assert "fault: main not open" in told
    assert any("it was dropped" in event.text for event in world.service.journal.events)
    assert not world.energised


async def test_the_offer_to_a_restart_exists_only_with_permission(world):
    def offer():
        return restart_offer(world.service.state, world.service.inputs, world.service.building)

    await world.go(3)
    world.grid(False)
    await world.go(60)
    assert offer() is None
    world.service.ask(Request(RequestKind.PERMIT_OFFER), "Ann")
    await world.go(1)
    assert offer().capacity_kw > 0.0
    world.service.ask(Request(RequestKind.WITHDRAW_OFFER), "Ann")
    await world.go(1)
    assert offer() is None


@pytest.mark.parametrize(("output_kw", "power_kw"), [(4.2, -4.2), (-3.1, 3.1), (0.0, 0.0), (-0.0, 0.0)])
async def test_the_sign_turns_exactly_once_between_machine_and_evse(world, output_kw, power_kw):
    dispatcher = Dispatcher(world.settings, world.service._outside.gear, world.gateway, None, lambda _: None)
    command = Command("charger-1", Action.GIVE, output_kw, lease_s=60.0)
    dispatcher.send([command], world.service.evses())
    await dispatcher.settled()
    order = world.gateway.orders[-1]
    assert order.power_kw == power_kw
    assert str(order.power_kw) != "-0.0"
    dispatcher.send([Command("charger-1", Action.RELEASE)], world.service.evses())
    await dispatcher.settled()
    assert str(world.gateway.orders[-1].power_kw) == "0.0"


async def test_commands_leave_by_one_door():
    """Only the dispatcher reaches the switchgear, and only the step that asked the machine reaches the dispatcher."""
    doors = {}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = ast.unparse(node.func.value)
                if node.func.attr == "carry_out" or (node.func.attr == "send" and owner.endswith("_dispatcher")):
                    doors.setdefault(node.func.attr, set()).add(path.relative_to(SOURCE).as_posix())
    assert doors["send"] == {"operations/island/service.py"}
    assert doors["carry_out"] == {"operations/island/sending.py", "adapters/switchgear/manual.py"}
    service = (SOURCE / "operations/island/service.py").read_text(encoding="utf-8")
    assert service.count("_dispatcher.send(") == 1
    assert "_dispatcher.send(made.commands, evses)" in service


KINDS = [kind for kind in RequestKind if kind not in {RequestKind.START_DRILL, RequestKind.END_DRILL}]
DEVICES = ["", "main", "essential", "comfort", "battery", "charger-1", "charger-2"]
MOVES = st.one_of(
    st.tuples(st.just("grid"), st.booleans()),
    st.tuples(st.just("reach"), st.booleans()),
    st.tuples(st.just("meter"), st.booleans()),
    st.tuples(st.just("blind"), st.booleans()),
    st.tuples(st.just("station"), st.sampled_from(["charger-1", "charger-2", "charger-5"])),
    st.tuples(st.just("restart"), st.none()),
    st.tuples(st.just("ask"), st.tuples(st.sampled_from(KINDS), st.sampled_from(DEVICES))),
    st.tuples(st.just("wait"), st.integers(1, 15)),
)


def _play(world, kind, value):
    plant = world.yard.plant
    if kind == "grid":
        world.grid(value)
    elif kind == "reach":
        world.yard.unreachable = not value
    elif kind == "meter":
        world.yard.plant = replace(plant, meter_lost=value)
    elif kind == "blind":
        world.yard.plant = replace(plant, main_blind=value)
    elif kind == "station":
        world.stations[value].online = not world.stations[value].online
    elif kind == "restart":
        world.service = world.new_service()
    elif kind == "ask":
        world.service.ask(Request(value[0], value[1], 3.0), "a person in a hurry")


class Watch:
    """What must hold after every second, whatever was played."""

    def __init__(self):
        self.fed_s, self.main = 0.0, True

    def __call__(self, world):
        plant = world.yard.plant
        self.fed_s = self.fed_s + 1.0 if plant.street_fed else 0.0
        assert self.fed_s <= 2.0, "the dead street was fed for more than 2 s"
        if plant.main_closed and not self.main:
            assert not world.energised, "the contactor closed onto a running source"
        self.main = plant.main_closed
        if plant.closed[2] or plant.closed[3]:
            assert plant.closed[0], "the first tier is off while a lesser one is on"
        for station in world.stations.values():
            assert station.car.energy_kwh >= min(station.car.reserve_kwh, 30.0) - 1e-6, "below a driver's reserve"


@settings(max_examples=25, deadline=None)
@given(moves=st.lists(MOVES, max_size=14))
async def test_nothing_that_people_or_failures_do_energises_the_street(moves):
    world, watch = _world(), Watch()
    await world.go(2, watch)
    for kind, value in [("grid", False), ("wait", 9), *moves]:
        if kind == "wait":
            await world.go(value, watch)
        else:
            _play(world, kind, value)
            await world.go(2, watch)
    await world.go(5, watch)
    assert world.yard.street_fed_s <= 2.0 * (1 + len(moves))


async def test_on_the_grid_no_charger_goes_on_believing_that_it_holds_an_island():
    """Also after a restart, and where the station did not confirm at once."""
    asked = []

    class Forming:
        fails = True

        async def hold(self, evse, transaction_id, seconds):
            raise AssertionError("nothing forms here")

        async def let_go(self, evse):
            asked.append(evse.station_id)
            return CommandResult(not self.fails, "Accepted", math.nan, BEGIN)

    world = _world()
    outside = replace(world.service._outside, forming=Forming())
    world.service = IslandService(world.settings, lambda: world.loop, outside)
    await world.go(8)
    assert asked == ["CP-charger-1"]  # the one that could form; it did not confirm
    outside.forming.fails = False
    await world.go(30)
    assert asked == ["CP-charger-1"] * 2


async def test_a_loop_that_was_begun_anew_stands_back_too_and_what_it_told_is_put_right(world):
    await world.go(3)
    world.grid(False)
    await world.go(40)
    world.loop, safe = type(world.loop)(world), len(world.gateway.safe)
    await world.go(1)
    assert world.loop.away[-1][0] is True
    told = world.gateway.safe[safe:]
    assert {profile.station_id for profile in told} == {f"CP-{name}" for name in world.stations}
    assert {profile.charge_kw for profile in told} == {0.0}


async def test_a_stop_is_sent_whatever_the_loop_thinks_of_the_station(world):
    station = world.stations["charger-1"]
    station.ordered_kw = station.flowing_kw = 11.0  # it charges, and the loop has not got to know it yet
    seen = world.state
    world.state = lambda name: replace(seen(name), online=False)
    await world.go(3)
    world.grid(False)
    await world.go(3)
    assert station.ordered_kw == 0.0
