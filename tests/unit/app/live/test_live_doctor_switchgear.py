"""The doctor reads a building's switchgear, says what an outage would miss, and touches nothing."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from bothways.adapters.clocks import SystemClock
from bothways.adapters.switchgear.served import YardServer
from bothways.adapters.switchgear.yard import Yard
from bothways.app.drill import site as demo
from bothways.app.live.checks_switchgear import recorded, switchgear
from bothways.app.live.config import config_from_mapping
from bothways.simulation.island_setup import DEMO, setup_from_mapping

pytestmark = pytest.mark.asyncio


def drilled(port):
    setup = setup_from_mapping(DEMO, "demo")
    return setup, demo.configuration(setup, "nowhere", (0, 0, port))


async def test_a_switchgear_that_answers_is_read_and_left_as_it_is():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    setup, config = drilled(port)
    yard = Yard(setup.site, setup.plant, setup.around)
    server = YardServer(yard)
    await server.start(port)
    try:
        (row,) = await switchgear(config)
        assert (row.verdict, row.text) == ("good", "drill: answers; main contactor closed, grid good")
        yard.plant = replace(yard.plant, main_blind=True, estop=True)
        yard.around = replace(yard.around, grid=False)
        rows = await switchgear(config)
        assert rows[0].text == "drill: answers; main contactor not known, grid lost"
        assert [row.verdict for row in rows[1:]] == ["look"] * 2
        assert "contradict" in rows[1].text
        assert "emergency stop" in rows[2].text
        assert yard.log == []
    finally:
        await server.stop()


async def test_what_does_not_answer_and_what_is_not_wired_is_said_with_what_to_do():
    _, config = drilled(1)  # nobody listens there
    (row,) = await switchgear(config)
    assert row.verdict == "look"
    assert "127.0.0.1:1 does not answer" in row.text
    assert "cannot be an island" in row.remedy
    mapping = config.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    gear = mapping["site"][0]["island"]["switchgear"]
    for section in gear["sections"].values():
        del section["keep_coil"]
    del gear["watchdog"], gear["estop_input"]
    del gear["sources"]["charger-2"]["power"]
    rows = await switchgear(config_from_mapping(mapping, {}))
    told = " | ".join(row.text for row in rows)
    assert "no power register: charger-2" in told
    assert "no watchdog: when the server is lost in an outage, every section stays on" in told
    assert "no estop_input" in told
    assert all(row.remedy for row in rows)


async def test_an_island_beside_a_bus_or_without_a_switchgear_is_broken():
    _, config = drilled(1)
    bare = config_from_mapping({"site": [{"id": "plain", "tz": "UTC", "prices": {"import_per_kwh": 0.3}}]}, {})
    assert await switchgear(bare) == []
    apart = config.model_copy(update={"bus": config.bus.model_copy(update={"url": "nats://127.0.0.1:4222"})})
    rows = await switchgear(apart)
    assert rows[0].verdict == "broken"
    assert "several processes" in rows[0].text
    assert "without [bus]" in rows[0].remedy
    island = config.site[0].island.model_copy(update={"switchgear": None})
    none = config.model_copy(update={"site": (config.site[0].model_copy(update={"island": island}),)})
    (row,) = await switchgear(none)
    assert row.verdict == "broken"
    assert "the server would not start" in row.text


async def test_a_building_without_its_permission_or_with_a_station_that_nobody_added_is_told_of():
    setup, config = drilled(1)
    site = config.site[0]
    stations = [demo.record(source) for _, source in demo.chargers(setup.site)]
    permission = demo.permission(SystemClock())
    assert recorded(site, permission, stations) == []
    rows = recorded(site, replace(permission, islanding=False), stations[1:])
    assert "nothing is energised" in rows[0].text
    assert "--islanding" in rows[0].remedy
    assert rows[1].text == "drill: not among the registered stations: CP-charger-1/1"
    assert recorded(site.model_copy(update={"island": None}), permission, []) == []
