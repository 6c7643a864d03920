"""Orders: what is refused, what is undone, what a station's words mean."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson
import pytest
from ocpp_doubles import MemoryIntake, MemoryRegistry, StillClock, station

from bothways.adapters.ocpp import rpc
from bothways.adapters.ocpp.capabilities import Capabilities, question
from bothways.adapters.ocpp.link import Link
from bothways.adapters.ocpp.modes import profile_violations
from bothways.adapters.ocpp.options import GatewayOptions
from bothways.adapters.ocpp.schemas import Version, violations
from bothways.adapters.ocpp.steering import Steering
from bothways.adapters.ocpp.talk import Talk
from bothways.operations.events import EvseKey
from bothways.operations.orders import CommandResult, PowerOrder, SafeProfile

Call = Callable[[str, Mapping[str, object]], Any]


class Acme:
    """Discharges by DataTransfer."""

    async def discharge(self, station_id: str, evse_id: int, power_kw: float, valid_for_s: float, call: Call) -> bool:
        data = {
            "vendorId": "acme",
            "messageId": "discharge",
            "data": f"{evse_id}:{power_kw * 1000:.0f}:{valid_for_s:.0f}",
        }
        return bool((await call("DataTransfer", data))["status"] == "Accepted")


class Bench:
    """A steering whose station answers by a table: an answer, or an error code."""

    def __init__(self, version: Version, **changes: Any) -> None:
        self.record = station(**changes)
        self.answers: dict[str, Any] = {}
        self.sent: list[tuple[str, Any]] = []
        self.link = Link(version, self._transmit, 0.05)
        options = GatewayOptions(discharge_adapters={"Acme": Acme()})
        self.talk = Talk(
            version, self.record, False, self.link, MemoryIntake(), MemoryRegistry(self.record), StillClock(), options
        )
        self.steering = Steering(self.talk)

    async def _transmit(self, data: bytes) -> None:
        _, message_id, action, payload = orjson.loads(data)
        self.sent.append((action, payload))
        answer = self.answers.get(action, {"status": "Accepted"})
        if isinstance(answer, list):
            answer = answer.pop(0)
        frame = [4, message_id, answer, "", {}] if isinstance(answer, str) else [3, message_id, answer]
        self.link.answered(rpc.parse(orjson.dumps(frame)))

    async def order(self, power_kw: float, transaction: str = "7", evse_id: int = 1, **more: Any) -> CommandResult:
        order = PowerOrder(EvseKey("CP1", evse_id), power_kw, transaction, 30.0, **more)
        return await self.steering.set_power(order, self.record.evses[0], self.record)

    def actions(self) -> list[str]:
        return [action for action, _ in self.sent]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("version", "changes", "power_kw", "transaction", "why"),
    [
        ("1.6", {}, 5.0, "", "no transaction"),
        ("1.6", {}, 5.0, "abc", "not one of OCPP 1.6"),
        ("1.6", {}, -5.0, "7", "no way is known"),
        ("2.1", {"discharge": "none"}, -5.0, "7", "no way is known"),
        ("1.6", {"discharge": "v2x"}, -5.0, "7", "no fields for discharging"),
        ("2.0.1", {"discharge": "v2x"}, -5.0, "7", "no fields for discharging"),
        ("2.1", {"discharge": "negative_limit"}, -5.0, "7", "does not allow negative limits"),
        ("2.0.1", {"discharge": "datatransfer", "model": "Unknown"}, -5.0, "7", "no discharge adapter"),
    ],
)
async def test_what_cannot_be_told_safely_is_refused_and_nothing_is_sent(
    version: Version, changes: dict[str, Any], power_kw: float, transaction: str, why: str
) -> None:
    bench = Bench(version, **changes)
    done = await bench.order(power_kw, transaction)
    assert (done.accepted, done.status, why in done.detail) == (False, "refused", True)
    assert bench.sent == []


@pytest.mark.asyncio
async def test_an_order_with_another_evses_record_is_refused() -> None:
    bench = Bench("1.6")
    assert (await bench.order(5.0, evse_id=2)).status == "refused"
    assert bench.sent == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("component", "variable", "value", "why"),
    [
        ("V2XChargingCtrlr", "Enabled", "false", "V2XChargingCtrlr.Enabled"),
        ("ISO15118Ctrlr", "Enabled", "False", "ISO15118Ctrlr.Enabled"),
        ("V2XChargingCtrlr", "SupportedOperationModes", "ChargingOnly, Idle", "CentralSetpoint"),
    ],
)
async def test_a_station_that_says_it_cannot_discharge_is_not_asked_to(
    component: str, variable: str, value: str, why: str
) -> None:
    bench = Bench("2.1", discharge="v2x")
    assert (await bench.order(-3.0)).accepted
    bench.talk.capabilities.note(component, variable, value)
    done = await bench.order(-3.0)
    assert (done.status, why in done.detail) == ("refused", True)
    assert (await bench.order(3.0)).accepted


@pytest.mark.asyncio
async def test_a_station_that_cannot_switch_phases_is_not_told_to() -> None:
    bench = Bench("2.0.1")
    bench.talk.capabilities.note("SmartChargingCtrlr", "ACPhaseSwitchingSupported", "false")
    assert (await bench.order(3.0, phases=1, phase_to_use=2)).accepted
    (period,) = bench.sent[-1][1]["chargingProfile"]["chargingSchedule"][0]["chargingSchedulePeriod"]
    assert period == {"startPeriod": 0, "limit": 3000.0}
    bench.talk.capabilities.phase_switching = True
    assert (await bench.order(3.0, phases=1, phase_to_use=2)).accepted
    (period,) = bench.sent[-1][1]["chargingProfile"]["chargingSchedule"][0]["chargingSchedulePeriod"]
    assert period == {"startPeriod": 0, "limit": 3000.0, "numberPhases": 1, "phaseToUse": 2}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"status": "Rejected"}, "Rejected"),
        ({"status": "NotSupported"}, "NotSupported"),
        ("NotImplemented", "unsupported"),
        ("PropertyConstraintViolation", "Rejected"),
    ],
)
async def test_a_stations_refusal_is_told(answer: Any, status: str) -> None:
    bench = Bench("1.6")
    bench.answers["SetChargingProfile"] = answer
    done = await bench.order(5.0)
    assert (done.accepted, done.status) == (False, status)
    assert not (await bench.steering.set_safe_profile(SafeProfile("CP1", 3.0), bench.record)).accepted


@pytest.mark.asyncio
async def test_a_dynamic_profile_that_the_station_lost_is_left_there_again() -> None:
    bench = Bench("2.1", discharge="v2x")
    bench.talk.capabilities.dynamic = True
    for power_kw in (3.0, 2.0):
        assert (await bench.order(power_kw)).accepted
    bench.answers["UpdateDynamicSchedule"] = {"status": "Rejected"}
    assert (await bench.order(-1.0)).commanded_kw == -1.0
    expected = ["SetChargingProfile", "UpdateDynamicSchedule", "UpdateDynamicSchedule", "SetChargingProfile"]
    assert bench.actions() == expected
    assert bench.talk.dynamic[101] == {"setpoint": -1000.0, "limit": 0.0, "dischargeLimit": -1000.0}
    bench.answers["SetChargingProfile"] = {"status": "Rejected"}
    assert not (await bench.order(-2.0)).accepted
    assert bench.talk.dynamic == {}


@pytest.mark.asyncio
async def test_a_dynamic_profile_without_orders_is_taken_back_until_the_station_confirms() -> None:
    bench = Bench("2.1")
    bench.talk.capabilities.dynamic = True
    clock = bench.talk.clock
    assert isinstance(clock, StillClock)
    await bench.order(3.0)
    bench.sent.clear()
    bench.answers["ClearChargingProfile"] = ["InternalError", "InternalError", {"status": "Unknown"}]
    for _ in range(60):
        clock.move(5.0)
        if bench.steering.overdue(clock.now()):
            await bench.steering.expire()
    assert bench.actions() == ["ClearChargingProfile"] * 3
    bench.sent.clear()
    bench.answers["ClearChargingProfile"] = "NotImplemented"
    await bench.order(3.0)
    for _ in range(60):
        clock.move(5.0)
        if bench.steering.overdue(clock.now()):
            await bench.steering.expire()
    assert bench.actions() == ["SetChargingProfile"] + ["ClearChargingProfile"] * 6  # bounded


@pytest.mark.asyncio
async def test_another_transaction_gets_a_dynamic_profile_of_its_own() -> None:
    bench = Bench("2.1")
    bench.talk.capabilities.dynamic = True
    await bench.order(3.0, "one")
    await bench.order(3.0, "two")
    assert bench.actions() == ["SetChargingProfile"] * 2


@pytest.mark.asyncio
async def test_a_vendors_discharge_starts_from_zero_and_ends_before_charging() -> None:
    bench = Bench("2.0.1", discharge="datatransfer", model="Acme")
    done = await bench.order(-20.0)  # bounded by what the EVSE can do
    assert (done.accepted, done.commanded_kw) == (True, -11.0)
    assert bench.actions() == ["SetChargingProfile", "DataTransfer"]
    (period,) = bench.sent[0][1]["chargingProfile"]["chargingSchedule"][0]["chargingSchedulePeriod"]
    assert period["limit"] == 0.0
    assert bench.sent[1][1]["data"] == "1:11000:30"
    bench.sent.clear()
    bench.answers["DataTransfer"] = {"status": "Rejected"}
    assert (await bench.order(5.0)).status == "refused"  # it may still discharge: it is not told to charge
    bench.answers["DataTransfer"] = {"status": "Accepted"}
    assert (await bench.order(5.0)).accepted
    assert (await bench.order(4.0)).accepted
    assert bench.actions() == ["DataTransfer", "DataTransfer", "SetChargingProfile", "SetChargingProfile"]
    assert bench.sent[1][1]["data"] == "1:0:30"


@pytest.mark.asyncio
async def test_a_vendors_discharge_without_effect_leaves_the_vehicle_idle() -> None:
    bench = Bench("1.6", discharge="datatransfer", model="Acme")
    bench.answers["DataTransfer"] = {"status": "UnknownMessageId"}
    assert not (await bench.order(-5.0)).accepted
    bench.sent.clear()
    bench.answers["SetChargingProfile"] = {"status": "Rejected"}
    assert not (await bench.order(-5.0)).accepted
    assert bench.actions() == ["SetChargingProfile"]  # without the zero limit, discharging is not begun


@pytest.mark.asyncio
async def test_a_station_of_unknown_past_ends_its_discharge_first() -> None:
    bench = Bench("1.6", discharge="datatransfer", model="Acme")
    assert (await bench.order(0.0)).accepted
    assert bench.actions() == ["SetChargingProfile", "DataTransfer"]


@pytest.mark.asyncio
@pytest.mark.parametrize("answer", [{"status": "Rejected"}, "InternalError"])
async def test_a_stop_sets_the_limit_whatever_a_vendors_message_does(answer: Any) -> None:
    bench = Bench("1.6", discharge="datatransfer", model="Acme")
    bench.answers["DataTransfer"] = answer
    done = await bench.order(0.0)
    assert (done.accepted, done.commanded_kw) == (False, 0.0)
    assert "did not confirm" in done.detail
    assert bench.actions() == ["SetChargingProfile", "DataTransfer"]
    assert (await bench.order(5.0)).status == "refused"


@pytest.mark.parametrize(
    ("unit", "version", "expected"),
    [("", "1.6", "A"), ("", "2.1", "W"), ("Current", "1.6", "A"), ("Current,Power", "1.6", "W"), ("A", "2.1", "A")],
)
def test_the_unit_is_what_the_station_takes(unit: str, version: Version, expected: str) -> None:
    capabilities = Capabilities()
    if version == "1.6" and unit:
        row = {"key": "ChargingScheduleAllowedChargingRateUnit", "readonly": True, "value": unit}
        capabilities.note_configuration({"configurationKey": [row]})
    elif unit:
        row = {"component": {"name": "SmartChargingCtrlr"}, "variable": {"name": "RateUnit"}, "attributeValue": unit}
        capabilities.note_report([row, "odd", {"variableAttribute": "odd"}])
    assert capabilities.unit(version) == expected


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_the_question_about_abilities_is_sound(version: Version) -> None:
    action, payload = question(version)
    assert violations(version, action, payload) == ()


@pytest.mark.parametrize(
    ("period", "sound"),
    [
        ({"limit": 5.0}, True),
        ({"operationMode": "ChargingOnly"}, False),
        ({"operationMode": "ChargingOnly", "limit": 5.0, "setpoint": 1.0}, False),
        ({"operationMode": "ChargingOnly", "limit": -5.0}, False),
        ({"operationMode": "CentralSetpoint", "setpoint": 5.0}, True),
        ({"operationMode": "CentralSetpoint", "limit": 5.0}, False),
        ({"operationMode": "CentralSetpoint", "setpoint": -5.0, "limit": 0.0, "dischargeLimit": -6.0}, True),
        ({"operationMode": "CentralSetpoint", "setpoint": -5.0, "dischargeLimit": -4.0}, False),
        ({"operationMode": "CentralSetpoint", "setpoint": 5.0, "limit": 4.0}, False),
        ({"operationMode": "CentralSetpoint", "setpoint": 1.0, "setpoint_L2": 1.0}, False),
        ({"operationMode": "CentralFrequency", "setpoint": 1.0, "setpointReactive": 1.0}, False),
        ({"operationMode": "CentralFrequency", "setpoint": 1.0, "limit": 2.0}, True),
        ({"operationMode": "ExternalSetpoint", "limit": 5.0, "dischargeLimit": -5.0}, True),
        ({"operationMode": "ExternalSetpoint", "setpoint": 5.0}, False),
        ({"operationMode": "ExternalLimits"}, True),
        ({"operationMode": "ExternalLimits", "limit": 1.0}, False),
        (
            {
                "operationMode": "LocalFrequency",
                "v2xBaseline": 0.0,
                "v2xFreqWattCurve": [{"frequency": 50, "power": 0}],
            },
            True,
        ),
        ({"operationMode": "LocalFrequency", "v2xBaseline": 0.0}, False),
        ({"operationMode": "LocalLoadBalancing"}, True),
        ({"operationMode": "LocalLoadBalancing", "setpoint": 1.0}, False),
        ({"operationMode": "Idle", "evseSleep": True}, True),
        ({"operationMode": "ChargingOnly", "limit": 1.0, "evseSleep": True}, False),
        ({"operationMode": "Idle", "limit": 0.0}, False),
        ({"operationMode": "Sideways"}, False),
    ],
)
def test_the_limits_that_each_operation_mode_allows(period: dict[str, Any], sound: bool) -> None:
    schedule = {"chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0} | period]}
    profile = {"chargingProfilePurpose": "TxDefaultProfile", "chargingProfileKind": "Absolute"}
    assert (profile_violations(profile | {"chargingSchedule": [schedule]}) == ()) == sound


def test_the_rules_of_profiles() -> None:
    def wrong(kind: str, purpose: str, starts: list[int], schedules: int = 1, unit: str = "W", **more: Any) -> int:
        periods = [{"startPeriod": start, "limit": 1.0} | more for start in starts]
        schedule = {"chargingRateUnit": unit, "chargingSchedulePeriod": periods}
        return len(
            profile_violations(
                {
                    "chargingProfileKind": kind,
                    "chargingProfilePurpose": purpose,
                    "chargingSchedule": [schedule] * schedules,
                }
            )
        )

    assert wrong("Absolute", "TxDefaultProfile", [0, 60]) == 0
    assert wrong("Absolute", "TxProfile", [0]) == 1  # without its transaction
    assert wrong("Absolute", "TxDefaultProfile", [5]) == 1
    assert wrong("Dynamic", "TxDefaultProfile", [0]) == 0
    assert wrong("Dynamic", "TxDefaultProfile", [0, 60]) == 1
    assert wrong("Dynamic", "TxDefaultProfile", [0], schedules=2) == 1
