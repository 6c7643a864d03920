"""Every hop from an order to the wire: never more than asked, never the other way, zero stays zero."""

import asyncio
import math
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ocpp_doubles import MemoryIntake, MemoryRegistry, StillClock, station

from bothways.adapters.ocpp.link import Link
from bothways.adapters.ocpp.modes import profile_violations
from bothways.adapters.ocpp.options import GatewayOptions
from bothways.adapters.ocpp.profiles import safe_profiles
from bothways.adapters.ocpp.rpc import CALLRESULT, Frame
from bothways.adapters.ocpp.schemas import Version, violations
from bothways.adapters.ocpp.steering import Steering
from bothways.adapters.ocpp.talk import Talk
from bothways.adapters.ocpp.wire import RateUnit, on_wire, power_of
from bothways.operations.events import EvseKey
from bothways.operations.orders import CommandResult, PowerOrder, SafeProfile
from bothways.operations.stations import DischargeMethod, EvseRecord

POWERS = st.one_of(
    st.floats(-60.0, 60.0),
    st.sampled_from([0.0, -0.0, 1e-9, -1e-9, 1e-5, -1e-5, 0.1, -0.1, 3.68, -3.68, 11.04, 1e300, -1e300]),
)
EVSES = st.builds(
    EvseRecord,
    evse_id=st.integers(1, 4),
    charge_kw=st.sampled_from([3.7, 7.4, 11.0, 22.0, 150.0]),
    discharge_kw=st.sampled_from([0.0, 3.7, 10.0, 50.0]),
    phases=st.integers(1, 3),
    voltage_v=st.sampled_from([120.0, 230.0, 239.6, 277.0]),
)
UNITS = st.sampled_from(["W", "A"])
VERSIONS: tuple[Version, ...] = ("1.6", "2.0.1", "2.1")
METHODS: tuple[DischargeMethod, ...] = ("none", "v2x", "negative_limit", "datatransfer", "external")


class Vendor:
    """A model that discharges by a vendor's message; remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[float] = []

    async def discharge(self, station_id: str, evse_id: int, power_kw: float, valid_for_s: float, call: Any) -> bool:
        self.told.append(power_kw)
        return True


class Listener:
    """A station that accepts everything and remembers the payloads."""

    def __init__(self, version: Version, method: DischargeMethod, evse: EvseRecord, unit: RateUnit, dynamic: bool):
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Any] = {}
        self.vendor = Vendor()
        self.evse = evse
        self.record = station(evses=(evse,), discharge=method)
        self.link = Link(version, self._transmit, 1.0)
        options = GatewayOptions(discharge_adapters={self.record.model: self.vendor})
        registry = MemoryRegistry(self.record)
        talk = Talk(
            version, self.record, True, self.link, MemoryIntake(), registry, StillClock(), options, accepted=True
        )
        talk.capabilities.units = frozenset({unit})
        talk.capabilities.dynamic = dynamic
        self.steering = Steering(talk)

    async def _transmit(self, data: bytes) -> None:
        _, message_id, action, payload = orjson.loads(data)
        assert violations(self.link.version, action, payload) == ()
        self.sent.append((action, payload))
        answer = self.answers.get(action, {"status": "Accepted"})
        self.link.answered(Frame(CALLRESULT, message_id, payload=answer))

    async def order(self, order: PowerOrder) -> CommandResult:
        return await self.steering.set_power(order, self.evse, self.record)


def directions(
    action: str, payload: dict[str, Any], evse: EvseRecord, unit: str, installed: list[int]
) -> tuple[float, float]:
    """Most charging and most discharging power [kW] that a station may read out of a message, both at least 0.

    An update of a dynamic profile keeps the phases of the profile that was ``installed``.
    """
    if action == "UpdateDynamicSchedule":
        period, phases = payload["scheduleUpdate"], installed[0]
    else:
        profile = payload.get("csChargingProfiles") or payload["chargingProfile"]
        schedule = profile["chargingSchedule"]
        schedule = schedule[0] if isinstance(schedule, list) else schedule
        (period,) = schedule["chargingSchedulePeriod"]
        assert schedule["chargingRateUnit"] == unit
        installed[:] = [period.get("numberPhases", evse.phases)]
        phases = installed[0]
    factor = 1e-3 if unit == "W" else evse.voltage_v * phases * 1e-3
    values = [period[name] for name in ("limit", "setpoint", "dischargeLimit") if name in period]
    return max(0.0, *values) * factor, max(0.0, *(-value for value in values)) * factor


@given(power=st.floats(allow_nan=False, allow_infinity=False), evse=EVSES, unit=UNITS, strict=st.booleans())
@example(power=16.1 * 0.23, evse=EvseRecord(1, 22.0, phases=1), unit="A", strict=True)
def test_a_power_on_the_wire_is_never_larger_nor_of_the_other_sign(
    power: float, evse: EvseRecord, unit: RateUnit, strict: bool
) -> None:
    value = on_wire(power, unit, evse, evse.phases, strict=strict)
    back = power_of(value, unit, evse, evse.phases)
    assert abs(back) <= abs(power)
    assert back * power >= 0.0
    if power == 0.0:
        assert value == 0.0
    if strict:
        assert (value / 0.1).is_integer()
    if abs(power) < 1e6:
        assert abs(back - power) <= (0.001 if unit == "W" else 0.5 * evse.voltage_v * evse.phases / 1000.0)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("method", METHODS)
@given(
    powers=st.lists(POWERS, min_size=1, max_size=4),
    evse=EVSES,
    unit=UNITS,
    dynamic=st.booleans(),
    phases=st.sampled_from([0, 1, 3]),
    valid_s=st.floats(0.5, 1e12),
)
def test_orders_reach_the_wire_smaller_in_their_own_direction_or_not_at_all(
    version: Version,
    method: DischargeMethod,
    powers: list[float],
    evse: EvseRecord,
    unit: RateUnit,
    dynamic: bool,
    phases: int,
    valid_s: float,
) -> None:
    async def run() -> None:
        listener = Listener(version, method, evse, unit, dynamic)
        supported = {
            "v2x": ("2.1",),
            "negative_limit": ("1.6", "2.0.1"),
            "datatransfer": VERSIONS,
            "external": VERSIONS,
        }
        installed: list[int] = []
        for power in powers:
            listener.sent.clear()
            listener.vendor.told.clear()
            order = PowerOrder(EvseKey("CP1", evse.evse_id), power, "7", valid_s, phases=phases)
            done = await listener.order(order)
            if power < 0.0 and (evse.discharge_kw == 0.0 or version not in supported.get(method, ())):
                assert done.status == "refused"
                assert math.isnan(done.commanded_kw)
                assert listener.sent == []
                assert listener.vendor.told == []
                continue
            assert done.accepted, done
            assert abs(done.commanded_kw) <= abs(power)
            assert done.commanded_kw * power >= 0.0
            ((action, payload),) = listener.sent
            charge, discharge = directions(action, payload, evse, unit, installed)
            assert charge <= max(0.0, power) * (1 + 1e-12)
            vendor = method in {"datatransfer", "external"}
            assert discharge <= (0.0 if vendor else max(0.0, -power) * (1 + 1e-12))
            told = max(listener.vendor.told, default=0.0)
            assert 0.0 <= told <= max(0.0, -power)
            assert told == 0.0 or charge == 0.0
            if power >= 0.0:
                assert math.isclose(charge, done.commanded_kw, rel_tol=1e-9)
            if version == "2.1" and action == "SetChargingProfile":
                profile = payload["chargingProfile"]
                assert profile_violations(profile) == ()
                assert profile["maxOfflineDuration"] >= 1
                assert profile["invalidAfterOfflineDuration"] is True
            elif action == "SetChargingProfile" and version == "1.6":
                assert payload["csChargingProfiles"]["chargingSchedule"]["duration"] >= 1

    asyncio.run(run())


@pytest.mark.parametrize("version", VERSIONS)
@given(
    charge=st.one_of(st.floats(-5.0, 60.0), st.just(math.inf)),
    whole=st.one_of(st.floats(0.0, 200.0), st.just(math.inf)),
    evses=st.lists(EVSES, max_size=3),
    unit=UNITS,
)
def test_a_safe_profile_never_exceeds_what_it_may_nor_discharges(
    version: Version, charge: float, whole: float, evses: list[EvseRecord], unit: RateUnit
) -> None:
    for wired in safe_profiles(version, SafeProfile("CP1", charge, whole), evses, unit, StillClock().now()):
        assert violations(version, "SetChargingProfile", wired.payload) == ()
        profile = wired.payload.get("csChargingProfiles") or wired.payload["chargingProfile"]
        schedule = profile["chargingSchedule"]
        schedule = schedule[0] if isinstance(schedule, list) else schedule
        (period,) = schedule["chargingSchedulePeriod"]
        limit = charge if profile["chargingProfilePurpose"] == "TxDefaultProfile" else whole
        assert schedule["duration"] > 0
        for evse in evses:
            power = period["limit"] * (1e-3 if unit == "W" else evse.voltage_v * evse.phases * 1e-3)
            assert 0.0 <= power <= max(0.0, limit) * (1 + 1e-12)


@pytest.mark.parametrize("version", VERSIONS)
@given(power=POWERS, evse=EVSES, unit=UNITS, phases=st.sampled_from([0, 1, 3]))
def test_a_station_that_repeats_what_it_was_told_is_read_as_what_was_commanded(
    version: Version, power: float, evse: EvseRecord, unit: RateUnit, phases: int
) -> None:
    async def run() -> None:
        method: DischargeMethod = "v2x" if version == "2.1" else "negative_limit"
        listener = Listener(version, method, evse, unit, dynamic=False)
        done = await listener.order(PowerOrder(EvseKey("CP1", evse.evse_id), power, "7", 30.0, phases=phases))
        if not done.accepted:
            return
        ((_, payload),) = listener.sent
        profile = payload.get("csChargingProfiles") or payload["chargingProfile"]
        schedule = profile["chargingSchedule"]
        schedule = dict(schedule[0] if isinstance(schedule, list) else schedule)
        del schedule["startSchedule"]
        if version == "1.6":
            listener.answers["GetCompositeSchedule"] = {"status": "Accepted", "chargingSchedule": schedule}
        else:
            schedule |= {"evseId": evse.evse_id, "scheduleStart": "2026-03-01T12:00:00Z", "duration": 60}
            del schedule["id"]
            listener.answers["GetCompositeSchedule"] = {"status": "Accepted", "schedule": schedule}
        composite = await listener.steering.composite(evse)
        assert composite is not None
        if version == "2.1" and power < 0.0:
            assert composite.setpoint_kw == done.commanded_kw
        elif power >= 0.0:
            assert composite.limit_kw == done.commanded_kw
            assert composite.discharge_limit_kw in {None, 0.0}
        else:
            assert (composite.discharge_limit_kw or 0.0) == done.commanded_kw
            assert composite.limit_kw == 0.0

    asyncio.run(run())
