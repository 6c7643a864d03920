"""Every message of every version over a real socket, and what the rarer ones lead to."""

import asyncio
from typing import Any

import pytest
from ocpp_doubles import NOW, calling, listening, station
from ocpp_payloads import smallest

from bothways.adapters.ocpp.administration import outgoing
from bothways.adapters.ocpp.link import PATIENCE_S
from bothways.adapters.ocpp.schemas import Version, violations
from bothways.adapters.ocpp.session import HANDLERS
from bothways.domain.errors import GatewayError
from bothways.operations.events import EvseKey, MessageKept
from bothways.operations.orders import Composite, PowerOrder

AT = "2026-03-01T12:00:00Z"
ACCEPTED = {"status": "Accepted"}
VERSIONS: tuple[Version, ...] = ("1.6", "2.0.1", "2.1")
EVSE = station().evses[0]
NOT_KEPT = {
    "Authorize",
    "BootNotification",
    "Heartbeat",
    "MeterValues",
    "NotifyEVChargingNeeds",
    "PullDynamicScheduleUpdate",
    "StartTransaction",
    "StatusNotification",
    "StopTransaction",
    "TransactionEvent",
}


@pytest.mark.asyncio
@pytest.mark.parametrize("version", VERSIONS)
async def test_every_message_of_a_station_is_answered(version: Version) -> None:
    async with listening(behind_tls_proxy=True) as wired, calling(wired, protocol=f"ocpp{version}") as cp:
        for action in sorted(HANDLERS[version]):
            payload = smallest(version, action)
            assert violations(version, action, payload) == ()
            answer = await cp.call(action, payload)
            assert answer[0] == 3, (action, answer)
            assert violations(version, action, answer[2], response=True) == (), action
        kept = {event.action for event in wired.intake.of(MessageKept)}
        assert kept == HANDLERS[version].keys() - NOT_KEPT
        assert all(not event.flags for event in wired.intake.events)


@pytest.mark.asyncio
@pytest.mark.parametrize("version", VERSIONS)
async def test_every_request_of_the_server_reaches_the_station(version: Version) -> None:
    answers = {action: smallest(version, action, response=True) for action in outgoing(version)}
    async with (
        listening(behind_tls_proxy=True) as wired,
        calling(wired, protocol=f"ocpp{version}", answers=answers) as cp,
    ):
        for action in sorted(outgoing(version)):
            payload = sound_request(version, action)
            answer = await wired.gateway.call("CP1", action, payload)
            assert cp.asked[-1] == (action, payload)
            assert answer == answers[action]


def sound_request(version: Version, action: str) -> dict[str, Any]:
    """The smallest payload that the schema allows, made to follow the rules of operation modes too."""
    payload = smallest(version, action)
    if version == "2.1" and action == "SetChargingProfile":
        payload["chargingProfile"]["chargingProfilePurpose"] = "TxDefaultProfile"
        payload["chargingProfile"]["chargingSchedule"][0]["chargingSchedulePeriod"] = [{"startPeriod": 0, "limit": 1}]
    return payload


@pytest.mark.asyncio
@pytest.mark.parametrize("version", VERSIONS)
async def test_requests_that_are_not_sound_are_not_sent(version: Version) -> None:
    async with listening() as wired, calling(wired, protocol=f"ocpp{version}") as cp:
        for action, payload in (("Heartbeat", {}), ("Nope", {}), ("Reset", {"type": "Maybe"}), ("Reset", {})):
            with pytest.raises(GatewayError):
                await wired.gateway.call("CP1", action, payload)
        with pytest.raises(GatewayError, match="not connected"):
            await wired.gateway.call("CP2", "ClearCache", {})
        with pytest.raises(GatewayError, match="NotImplemented"):
            await wired.gateway.call("CP1", "ClearCache", {})
        assert cp.asked == [("ClearCache", {})]


@pytest.mark.asyncio
async def test_a_schedule_against_the_rules_of_its_mode_is_not_sent() -> None:
    period = {"startPeriod": 0, "operationMode": "LocalLoadBalancing", "setpoint": 3000.0}
    profile = {
        "id": 5,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": [{"id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": [period]}],
    }
    payload = {"evseId": 1, "chargingProfile": profile}
    assert violations("2.1", "SetChargingProfile", payload) == ()
    async with listening() as wired, calling(wired) as cp:
        with pytest.raises(GatewayError, match="LocalLoadBalancing does not allow setpoint"):
            await wired.gateway.call("CP1", "SetChargingProfile", payload)
        update = {"chargingProfileId": 5, "scheduleUpdate": {"setpoint": 3000.0, "limit": 2000.0}}
        with pytest.raises(GatewayError, match="above limit"):
            await wired.gateway.call("CP1", "UpdateDynamicSchedule", update)
        assert cp.asked == []


@pytest.mark.asyncio
async def test_a_station_is_asked_for_its_abilities_and_for_a_report_where_it_cannot_take_the_question() -> None:
    answers = {"GetBaseReport": ACCEPTED}
    async with listening(query_capabilities=True) as wired, calling(wired, answers=answers) as cp:
        assert (await cp.asked_for("GetBaseReport"))["reportBase"] == "FullInventory"
        assert [action for action, _ in cp.asked] == ["GetVariables", "GetBaseReport"]


@pytest.mark.asyncio
async def test_a_dynamic_schedule_is_pulled_and_taken_back_when_its_order_ends() -> None:
    answers = {"SetChargingProfile": ACCEPTED, "UpdateDynamicSchedule": ACCEPTED, "ClearChargingProfile": ACCEPTED}
    async with listening(station(discharge="v2x")) as wired, calling(wired, answers=answers) as cp:
        report = {
            "requestId": 1,
            "generatedAt": AT,
            "seqNo": 0,
            "reportData": [
                {
                    "component": {"name": "SmartChargingCtrlr"},
                    "variable": {"name": "SupportsDynamicProfiles"},
                    "variableAttribute": [{"value": "true"}],
                }
            ],
        }
        await cp.call("NotifyReport", report)
        pull = {"chargingProfileId": 101}
        assert (await cp.call("PullDynamicScheduleUpdate", pull))[2] == {"status": "Rejected"}
        for power_kw in (5.0, -2.0):
            order = PowerOrder(EvseKey("CP1", 1), power_kw, "tx", 30.0)
            assert (await wired.gateway.set_power(order, EVSE)).commanded_kw == power_kw
        assert [action for action, _ in cp.asked] == ["SetChargingProfile", "UpdateDynamicSchedule"]
        update = {"setpoint": -2000.0, "limit": 0.0, "dischargeLimit": -2000.0}
        assert (await cp.call("PullDynamicScheduleUpdate", pull))[2] == ACCEPTED | {"scheduleUpdate": update}
        wired.clock.move(31.0)
        assert await cp.asked_for("ClearChargingProfile") == {"chargingProfileId": 101}
        assert (await cp.call("PullDynamicScheduleUpdate", pull))[2] == {"status": "Rejected"}


class Consent:
    async def allowed(self, station_id: str, id_token: str) -> tuple[str, ...]:
        return ("DC", "DC_BPT")


@pytest.mark.asyncio
async def test_the_drivers_consent_decides_on_energy_transfer() -> None:
    async with listening(consent=Consent()) as wired, calling(wired) as cp:
        token = {"idToken": {"idToken": "TAG", "type": "Central"}}
        assert (await cp.call("Authorize", token))[2] == {
            "idTokenInfo": ACCEPTED,
            "allowedEnergyTransfer": ["DC", "DC_BPT"],
        }
        token["idToken"]["idToken"] = "BLOCKED"
        assert (await cp.call("Authorize", token))[2] == {"idTokenInfo": {"status": "Blocked"}}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("version", "period", "unit", "expected"),
    [
        ("1.6", {"limit": 16.0}, "A", Composite(limit_kw=11.04)),
        ("1.6", {"limit": -3000.0}, "W", Composite(limit_kw=0.0, discharge_limit_kw=-3.0)),
        ("2.0.1", {"limit": 16.0, "numberPhases": 1}, "A", Composite(limit_kw=3.68)),
        ("2.1", {"limit": 0.0, "setpoint": -2000.0, "dischargeLimit": -2500.0}, "W", Composite(0.0, -2.5, -2.0)),
    ],
)
async def test_the_composite_schedule_is_read_in_kilowatts(
    version: Version, period: dict[str, Any], unit: str, expected: Composite
) -> None:
    schedule = {"chargingRateUnit": unit, "chargingSchedulePeriod": [{"startPeriod": 0} | period], "duration": 60}
    if version == "1.6":
        answer = ACCEPTED | {"chargingSchedule": schedule}
    else:
        answer = ACCEPTED | {"schedule": schedule | {"evseId": 1, "scheduleStart": AT}}
    async with listening() as wired:
        async with calling(wired, protocol=f"ocpp{version}", answers={"GetCompositeSchedule": answer}) as cp:
            assert await wired.gateway.composite(EvseKey("CP1", 1)) == expected
            cp.answers["GetCompositeSchedule"] = {"status": "Rejected"}
            assert await wired.gateway.composite(EvseKey("CP1", 1)) is None
            del cp.answers["GetCompositeSchedule"]
            assert await wired.gateway.composite(EvseKey("CP1", 1)) is None
        assert await wired.gateway.composite(EvseKey("CP1", 1)) is None


@pytest.mark.asyncio
async def test_a_stream_is_taken_without_answer_and_as_a_call() -> None:
    payload = {"id": 1, "pending": 0, "basetime": AT, "data": [{"t": 0.5, "v": "49.98"}]}
    async with listening() as wired, calling(wired) as cp:
        await cp.raw([6, "s1", "NotifyPeriodicEventStream", payload])
        assert (await cp.call("NotifyPeriodicEventStream", payload))[2] == {}
        assert cp.replies.empty()
        assert [event.at for event in wired.intake.of(MessageKept)] == [NOW, NOW]


@pytest.mark.asyncio
@pytest.mark.parametrize(("version", "told"), [("2.0.1", False), ("2.1", True)])
async def test_a_bad_answer_is_reported_to_the_station_in_21_only(version: Version, told: bool) -> None:
    answers = {"ClearCache": {"status": "Perhaps"}}
    async with listening() as wired, calling(wired, protocol=f"ocpp{version}", answers=answers) as cp:
        with pytest.raises(GatewayError, match="breaks the schema"):
            await wired.gateway.call("CP1", "ClearCache", {})
        if told:
            assert (await cp.reply())[::2] == [5, "PropertyConstraintViolation", {}]
        assert (await cp.call("Heartbeat", {}))[0] == 3
        assert cp.replies.empty()


@pytest.mark.asyncio
async def test_one_call_is_outstanding_and_an_urgent_zero_passes_those_that_wait() -> None:
    async with listening() as wired, calling(wired, protocol="ocpp1.6", answers={"Reset": "silence"}) as cp:
        cp.answers["SetChargingProfile"] = ACCEPTED
        first = asyncio.create_task(wired.gateway.call("CP1", "Reset", {"type": "Soft"}))
        await cp.asked_for("Reset")
        orders = [PowerOrder(EvseKey("CP1", 1), power, "1", 30.0) for power in (5.0, 6.0)]
        late = [asyncio.create_task(wired.gateway.set_power(order, EVSE)) for order in orders]
        await asyncio.sleep(0)
        halt = PowerOrder(EvseKey("CP1", 2), 0.0, "2", 30.0)
        stop = asyncio.create_task(wired.gateway.set_power(halt, station().evses[1]))
        assert PATIENCE_S <= 1.0  # so that a stop is out within two seconds, whatever the station left unanswered
        assert (await asyncio.wait_for(stop, 10.0)).accepted
        with pytest.raises(GatewayError, match="given up"):
            await first
        assert [(await task).status for task in late] == ["superseded", "Accepted"]
        limits = [sent["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"]
                  for action, sent in cp.asked if action == "SetChargingProfile"]  # fmt: skip
        assert limits == [0.0, 8.5]  # 8.6 / 0.1 is no whole number in binary
