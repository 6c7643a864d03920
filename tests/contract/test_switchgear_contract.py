"""One suite over every switchgear: simulated, by a real Modbus server, and with breakers that only people switch."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bothways.adapters.switchgear.manual import StatedSwitchgear
from bothways.adapters.switchgear.modbus import ModbusSwitchgear
from bothways.adapters.switchgear.served import YardServer, gear_settings
from bothways.adapters.switchgear.settings import ModbusGearSettings
from bothways.adapters.switchgear.simulated import SimulatedSwitchgear
from bothways.adapters.switchgear.yard import Yard
from bothways.domain.errors import GatewayError, InputError
from bothways.domain.validation import validated
from bothways.resilience.island.commands import Action, Command
from bothways.resilience.island.signals import Mode, Position
from bothways.simulation.island_setup import DEMO, setup_from_mapping


class Clock:
    def now(self):
        return datetime(2026, 1, 1, tzinfo=UTC)

    async def sleep(self, seconds):
        raise AssertionError("nothing waits")


def yard():
    setup = setup_from_mapping(DEMO, "demo")
    return Yard(setup.site, setup.plant, setup.around)


@asynccontextmanager
async def simulated():
    made = yard()
    yield made, SimulatedSwitchgear(made, Clock())


@asynccontextmanager
async def modbus():
    made = yard()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = YardServer(made)
    await server.start(port)
    gear = ModbusSwitchgear(gear_settings(made.site, port), Clock())
    try:
        yield made, gear
    finally:
        gear.close()
        await server.stop()


@asynccontextmanager
async def manual():
    async with modbus() as (made, gear):
        yield made, StatedSwitchgear(gear, frozenset({"comfort"}), Clock())


pytestmark = pytest.mark.asyncio
GEARS = pytest.mark.parametrize("opened", [simulated, modbus, manual])


@GEARS
async def test_contactor_and_breaker_show_where_they_are_and_go_where_they_are_told(opened):
    async with opened() as (made, gear):
        first = await gear.read()
        assert first.main is Position.CLOSED
        assert first.grid.voltage_pu == pytest.approx((1.0, 1.0, 1.0))
        assert first.grid.frequency_hz == pytest.approx(60.0)
        assert first.sections["refuge"].position is Position.CLOSED
        assert first.sections["refuge"].phase_kw == pytest.approx((1.8, 2.25, 1.35), abs=0.01)
        assert await gear.carry_out(Command("refuge", Action.OPEN))
        assert await gear.carry_out(Command("main", Action.OPEN))
        made.advance(1.0)
        second = await gear.read()
        assert second.main is Position.OPEN
        assert second.sections["refuge"].position is Position.OPEN
        assert second.sections["essential"].position is Position.CLOSED
        assert second.bus_pu == pytest.approx(0.0)
        assert await gear.carry_out(Command("main", Action.CLOSE))
        made.advance(1.0)
        assert (await gear.read()).main is Position.CLOSED


@GEARS
async def test_a_battery_forms_gives_takes_stops_and_is_cut_off_with_its_sign(opened):
    async with opened() as (made, gear):
        await gear.carry_out(Command("main", Action.OPEN))
        made.advance(1.0)
        assert (await gear.read()).sources["battery"].mode is Mode.OFF
        assert await gear.carry_out(Command("battery", Action.FORM, floor_kwh=5.0))
        made.advance(1.0)
        shown = (await gear.read()).sources["battery"]
        assert shown.mode is Mode.FORMING
        assert shown.output_kw > 0.0
        assert shown.energy_kwh == pytest.approx(45.0, abs=0.1)
        assert await gear.carry_out(Command("battery", Action.RELEASE))
        made.advance(1.0)
        assert (await gear.read()).sources["battery"].mode is Mode.OFF
        await gear.carry_out(Command("main", Action.CLOSE))
        made.advance(1.0)
        for output, mode in ((4.5, Mode.GIVING), (-3.25, Mode.CHARGING)):
            assert await gear.carry_out(Command("battery", Action.GIVE, output, floor_kwh=5.0, lease_s=60.0))
            made.advance(1.0)
            shown = (await gear.read()).sources["battery"]
            assert (shown.mode, shown.output_kw) == (mode, pytest.approx(output))
        assert await gear.carry_out(Command("battery", Action.TRIP))
        made.advance(1.0)
        shown = (await gear.read()).sources["battery"]
        assert (shown.mode, shown.output_kw) == (Mode.OFF, 0.0)


@GEARS
async def test_an_output_ends_with_its_lease(opened):
    async with opened() as (made, gear):
        assert await gear.carry_out(Command("battery", Action.GIVE, 4.5, floor_kwh=5.0, lease_s=30.0))
        made.advance(1.0)
        assert made.plant.units[0].lease_s <= 30.0
        made.advance(31.0)
        assert (await gear.read()).sources["battery"].mode is Mode.OFF


async def test_on_the_wire_an_output_is_never_rounded_up_and_a_floor_never_down():
    async with modbus() as (made, gear):
        for asked, told in ((4.519, 4.51), (-3.258, -3.25), (0.004, 0.0), (-0.004, 0.0)):
            assert await gear.carry_out(Command("battery", Action.GIVE, asked, floor_kwh=5.001, lease_s=59.9))
            last = made.log[-1]
            assert last.output_kw == pytest.approx(told)
            if told:
                assert (last.floor_kwh, last.lease_s) == (pytest.approx(5.01), 59.0)
            else:
                assert last.action is Action.RELEASE
        with pytest.raises(GatewayError, match="does not fit"):
            await gear.carry_out(Command("battery", Action.GIVE, 400.0, floor_kwh=5.0, lease_s=60.0))


@GEARS
async def test_neither_a_rehearsal_nor_what_is_for_a_person_reaches_a_device(opened):
    async with opened() as (made, gear):
        for device, action in (("main", Action.OPEN), ("essential", Action.OPEN), ("battery", Action.FORM)):
            assert not await gear.carry_out(Command(device, action, rehearsal=True))
            assert not await gear.carry_out(Command(device, action, by_hand=True))
            assert await gear.answers(device)
        made.advance(1.0)
        assert made.log == []
        assert (await gear.read()).main is Position.CLOSED
        assert not await gear.answers("nothing of that name")


@GEARS
async def test_what_does_not_answer_is_said_and_nothing_is_sent_later(opened):
    async with opened() as (made, gear):
        made.unreachable = True
        with pytest.raises(GatewayError):
            await gear.read()
        with pytest.raises(GatewayError):
            await gear.carry_out(Command("main", Action.OPEN))
        assert not await gear.answers("main")
        made.unreachable = False
        made.advance(1.0)
        assert (await gear.read()).main is Position.CLOSED


@GEARS
async def test_a_meter_that_is_out_takes_the_contactors_feedback_not_along(opened):
    async with opened() as (made, gear):
        made.plant = replace(made.plant, meter_lost=True)
        reading = await gear.read()
        assert reading.grid is None
        assert reading.main is Position.CLOSED


async def test_a_server_that_is_gone_and_back_is_found_again():
    made = yard()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    gear = ModbusSwitchgear(gear_settings(made.site, port), Clock())
    with pytest.raises(GatewayError):
        await gear.read()
    server = YardServer(made)
    await server.start(port)
    try:
        assert (await gear.read()).main is Position.CLOSED
    finally:
        gear.close()
        await server.stop()


async def test_contacts_that_contradict_each_other_are_no_feedback():
    async with modbus() as (made, gear):
        made.plant = replace(made.plant, main_blind=True)
        assert (await gear.read()).main is Position.UNKNOWN


async def test_only_people_say_where_their_breaker_is_and_a_load_that_flows_is_believed_more():
    async with manual() as (made, gear):
        assert (await gear.read()).sections["comfort"].position is Position.UNKNOWN
        assert not await gear.carry_out(Command("comfort", Action.OPEN))
        gear.state("comfort", closed=True, who="Ann")
        assert (await gear.read()).sections["comfort"].position is Position.CLOSED
        gear.state("comfort", closed=False, who="Ann")
        assert (await gear.read()).sections["comfort"].position is Position.UNKNOWN  # it still draws
        made.plant = replace(made.plant, closed=(True, True, True, False))
        assert (await gear.read()).sections["comfort"].position is Position.OPEN
        assert gear.stated["comfort"].who == "Ann"
        for device in ("main", "essential"):
            with pytest.raises(InputError, match="cannot be stated"):
                gear.state(device, closed=False, who="Ann")


async def test_settings_that_would_leave_the_contactor_unseen_are_refused():
    sound = {"host": "h", "main": {"coil": 0, "open_input": 0}, "loss_of_mains_input": 1}
    validated(ModbusGearSettings, sound, at="gear", page="p")
    for change, words in (
        ({"main": {"coil": 0}}, "mirror contact"),
        ({"loss_of_mains_input": None}, "loss of the grid must be seen"),
        ({"sources": {"b": {"form_coil": 1}}}, "forming_input"),
        ({"sources": {"b": {"setpoint": {"address": 1}}}}, "lease"),
        ({"sections": {"s": {"phase_kw": [{"address": 1}]}}}, "three registers or none"),
    ):
        with pytest.raises(InputError, match=words):
            validated(ModbusGearSettings, {**sound, **change}, at="gear", page="p")


@GEARS
async def test_what_hears_nothing_more_drops_all_sections_but_those_that_it_was_told_to_keep(opened):
    async with opened() as (made, gear):
        keep = frozenset({"essential", "refuge"})
        assert await gear.left_alone(36.0, keep)
        made.advance(30.0)
        assert await gear.left_alone(36.0, keep)  # somebody is still there
        made.advance(30.0)
        assert made.plant.closed == (True,) * 4
        made.advance(6.0)
        assert made.plant.closed == (True, True, False, False)
        await gear.carry_out(Command("kitchen-and-lift", Action.CLOSE))
        made.advance(60.0)  # it acts once
        assert made.plant.closed == (True, True, True, False)


@GEARS
async def test_a_watch_that_was_ended_drops_nothing_and_one_that_changes_its_mind_keeps_the_last(opened):
    async with opened() as (made, gear):
        assert await gear.left_alone(36.0, frozenset({"essential"}))
        assert await gear.left_alone(36.0, frozenset({"essential", "refuge", "comfort"}))
        assert await gear.left_alone(0.0, frozenset())
        made.advance(90.0)
        assert made.plant.closed == (True,) * 4
        assert await gear.left_alone(36.0, frozenset({"essential", "refuge", "kitchen-and-lift"}))
        made.advance(36.0)
        assert made.plant.closed == (True, True, True, False)
        made.unreachable = True
        with pytest.raises(GatewayError):
            await gear.left_alone(36.0, frozenset())


async def test_a_switchgear_without_a_watchdog_says_so_and_settings_name_both_or_neither():
    sound = {"host": "h", "main": {"coil": 0, "open_input": 0}, "loss_of_mains_input": 1}
    bare = ModbusSwitchgear(validated(ModbusGearSettings, sound, at="gear", page="p"), Clock())
    assert not await bare.left_alone(36.0, frozenset())
    for change in ({"watchdog": {"address": 8}}, {"sections": {"a": {"keep_coil": 1}}}):
        with pytest.raises(InputError, match="watchdog and keep_coil go together"):
            validated(ModbusGearSettings, {**sound, **change}, at="gear", page="p")
