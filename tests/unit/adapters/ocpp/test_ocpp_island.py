"""What a charger that forms an island is told in OCPP 2.1: sound by schema and by the rules of its mode."""

import math
from datetime import UTC, datetime

import pytest

from bothways.adapters.ocpp.island import ISLAND_ID, STACK, IslandMode, island_profile
from bothways.adapters.ocpp.modes import profile_violations
from bothways.adapters.ocpp.profiles import TX_ID
from bothways.adapters.ocpp.schemas import violations
from bothways.domain.errors import GatewayError
from bothways.operations.events import EvseKey

pytestmark = pytest.mark.asyncio


class Clock:
    def now(self):
        return datetime(2026, 1, 1, 12, tzinfo=UTC)


class Gateway:
    def __init__(self, answer):
        self.answer, self.asked = answer, []

    async def call(self, station_id, action, payload):
        self.asked.append((station_id, action, payload))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def test_the_profile_is_sound_and_tells_no_power():
    payload = island_profile(1, "tx", "2026-01-01T12:00:00Z", 3600)
    assert violations("2.1", "SetChargingProfile", payload, response=False) == ()
    profile = payload["chargingProfile"]
    assert profile_violations(profile) == ()
    period = profile["chargingSchedule"][0]["chargingSchedulePeriod"][0]
    assert period == {"startPeriod": 0, "operationMode": "LocalLoadBalancing"}
    assert "invalidAfterOfflineDuration" not in profile  # others depend on it while the server is away
    assert profile["stackLevel"] == STACK > 0
    assert profile["id"] == ISLAND_ID + 1 != TX_ID + 1


async def test_it_is_set_and_cleared_and_a_silent_station_is_said():
    gateway = Gateway({"status": "Accepted"})
    mode = IslandMode(gateway, Clock())
    assert (await mode.hold(EvseKey("CP", 1), "tx", 900.5)).accepted
    assert (await mode.let_go(EvseKey("CP", 1))).accepted
    assert [action for _, action, _ in gateway.asked] == ["SetChargingProfile", "ClearChargingProfile"]
    schedule = gateway.asked[0][2]["chargingProfile"]["chargingSchedule"][0]
    assert (schedule["startSchedule"], schedule["duration"]) == (
        "2026-01-01T11:59:00.000Z",
        900,
    )  # ends early, never late
    cleared = gateway.asked[1][2]
    assert violations("2.1", "ClearChargingProfile", cleared, response=False) == ()
    assert not (await IslandMode(Gateway({"status": "Rejected"}), Clock()).hold(EvseKey("CP", 1), "tx", 900.0)).accepted
    away = await IslandMode(Gateway(GatewayError("gone")), Clock()).hold(EvseKey("CP", 1), "tx", 900.0)
    assert (away.accepted, away.status) == (False, "offline")
    assert math.isnan(away.commanded_kw)
