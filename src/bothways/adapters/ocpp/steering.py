"""Power orders for one station: which message tells this station, in its version and by its discharge method."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bothways.adapters.ocpp import profiles
from bothways.adapters.ocpp.link import ORDER, URGENT, BadAnswer, NoAnswer, Superseded
from bothways.adapters.ocpp.modes import CENTRAL_SETPOINT, CHARGING_ONLY
from bothways.adapters.ocpp.options import DischargeAdapter
from bothways.adapters.ocpp.profiles import Wired
from bothways.adapters.ocpp.reading import number, whole
from bothways.adapters.ocpp.rpc import CallError
from bothways.adapters.ocpp.talk import Talk
from bothways.adapters.ocpp.wire import RateUnit, power_of
from bothways.domain.errors import GatewayError
from bothways.operations.orders import CommandResult, Composite, PowerOrder, SafeProfile
from bothways.operations.stations import EvseRecord, StationRecord

VENDOR = frozenset({"datatransfer", "external"})
CLEARS, CLEAR_AGAIN = 5, timedelta(seconds=10)
STILL = "the station did not confirm that discharging ended"


@dataclass(slots=True)
class Held:
    """What the gateway last did at one EVSE.

    Attributes:
        number: counts orders; a waiting order that is not the newest is given up.
        transaction_id: the transaction of the dynamic profile at the station, ``""`` where there is none.
        mode: its operation mode.
        phases: its number of phases.
        until: when the newest order of a dynamic profile ends; ``None`` where no such profile is at the station.
        cleared: how often the station was told to drop it.
        vendor_discharge: whether a vendor's message may still be discharging.
    """

    number: int = 0
    transaction_id: str = ""
    mode: str = ""
    phases: tuple[int, int] = (0, 0)
    until: datetime | None = None
    cleared: int = 0
    vendor_discharge: bool = False


class Refused(Exception):  # noqa: N818 - an outcome, not a failure
    """The order is not sent; the text says why."""


class Steering:
    """Puts orders on the wire of one station.

    Args:
        talk: the connected station.
    """

    __slots__ = ("_held", "_talk")

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._held: dict[int, Held] = {}

    async def set_power(self, order: PowerOrder, evse: EvseRecord, record: StationRecord) -> CommandResult:
        """Sends a setpoint; see :meth:`bothways.operations.ports.ChargerGateway.set_power`."""
        held = self._held.get(evse.evse_id)
        if held is None:
            # what an earlier connection, or an earlier life of the server, told the station is not known any more
            unsure = record.discharge in VENDOR and record.model in self._talk.options.discharge_adapters
            held = self._held[evse.evse_id] = Held(vendor_discharge=unsure)
        held.number += 1
        mine = held.number

        def newest() -> bool:
            return held.number == mine

        priority = URGENT if order.power_kw == 0.0 else ORDER
        try:
            self._check(order, evse, record)
            if order.power_kw < 0.0 and record.discharge in VENDOR:
                return await self._vendor_discharge(order, evse, record, held)
            if (
                held.vendor_discharge
                and order.power_kw > 0.0
                and not await self._end_discharge(order, evse, record, held)
            ):
                raise Refused(STILL)
            action, wired = self._message(order, evse, record, held)
            answer = await self._talk.link.call(action, wired.payload, priority=priority, wanted=newest)
            if action == "UpdateDynamicSchedule" and answer.get("status") != "Accepted":
                held.transaction_id = ""  # the station lost the profile: leave it there again
                action, wired = self._message(order, evse, record, held)
                answer = await self._talk.link.call(action, wired.payload, priority=priority, wanted=newest)
        except Refused as reason:
            return self._result("refused", math.nan, str(reason))
        except Superseded:
            return self._result("superseded", math.nan, "a newer order came before this one was sent")
        except (GatewayError, CallError) as error:
            held.transaction_id = ""
            return self._failed(error)
        done = self._answered(action, answer, wired, order, held)
        # an order of zero sets the limit first: a stop does not wait for a vendor's message
        if held.vendor_discharge and not await self._end_discharge(order, evse, record, held):
            return self._result("refused", done.commanded_kw, STILL)
        return done

    def _check(self, order: PowerOrder, evse: EvseRecord, record: StationRecord) -> None:
        version = self._talk.version
        if order.evse != (record.station_id, evse.evse_id):
            raise Refused(f"the order for {order.evse} came with the record of EVSE {evse.evse_id}")
        if not order.transaction_id:
            raise Refused("there is no transaction that a profile could be bound to")
        if version == "1.6" and whole(order.transaction_id) is None:
            raise Refused("the transaction is not one of OCPP 1.6")
        if order.power_kw >= 0.0:
            return
        if record.discharge == "none" or evse.discharge_kw <= 0.0:
            raise Refused("no way is known by which this station discharges")
        if record.discharge == "v2x":
            if version != "2.1":
                raise Refused(f"OCPP {version} has no fields for discharging")
            if reason := self._talk.capabilities.why_no_v2x():
                raise Refused(reason)
        if record.discharge == "negative_limit" and version == "2.1":
            raise Refused("OCPP 2.1 does not allow negative limits")
        if record.discharge in VENDOR:
            self._adapter(record)

    def _message(self, order: PowerOrder, evse: EvseRecord, record: StationRecord, held: Held) -> tuple[str, Wired]:
        talk = self._talk
        unit, now, lag = self._unit(), talk.clock.now(), talk.options.clock_lag_s
        switching = talk.capabilities.phase_switching is not False
        if talk.version == "1.6":
            return "SetChargingProfile", profiles.tx_profile_16(order, evse, unit, now, lag, switching=switching)
        if talk.version == "2.0.1":
            return "SetChargingProfile", profiles.tx_profile_201(order, evse, unit, now, lag, switching=switching)
        dynamic = talk.capabilities.dynamic is True
        two_way = record.discharge == "v2x" and evse.discharge_kw > 0.0 and not talk.capabilities.why_no_v2x()
        mode = CENTRAL_SETPOINT if order.power_kw < 0.0 or (two_way and dynamic) else CHARGING_ONLY
        phases = (order.phases, order.phase_to_use)
        if dynamic and (held.transaction_id, held.mode, held.phases) == (order.transaction_id, mode, phases):
            return "UpdateDynamicSchedule", profiles.dynamic_update(order, evse, unit, mode)
        held.transaction_id, held.mode, held.phases = "", mode, phases
        return "SetChargingProfile", profiles.tx_profile_21(
            order, evse, unit, now, lag, mode=mode, dynamic=dynamic, switching=switching
        )

    def _answered(
        self, action: str, answer: Mapping[str, Any], wired: Wired, order: PowerOrder, held: Held
    ) -> CommandResult:
        status = str(answer.get("status", ""))
        accepted = status == "Accepted"
        if self._talk.version == "2.1" and self._talk.capabilities.dynamic:
            number_ = profiles.TX_ID + order.evse.evse_id
            if accepted:
                held.transaction_id = order.transaction_id
                held.cleared = 0
                held.until = self._talk.clock.now() + timedelta(seconds=profiles.whole_seconds(order.valid_for_s))
                self._talk.dynamic[number_] = _schedule_update(action, wired.payload)
            else:
                held.transaction_id = ""
                self._talk.dynamic.pop(number_, None)
        info = answer.get("statusInfo")
        detail = str(info.get("reasonCode", "")) if isinstance(info, Mapping) else ""
        return CommandResult(accepted, status, wired.power_kw, self._talk.clock.now(), detail)

    async def _vendor_discharge(
        self, order: PowerOrder, evse: EvseRecord, record: StationRecord, held: Held
    ) -> CommandResult:
        """First a charging limit of 0: a vendor's message without effect leaves the vehicle idle, not charging."""
        idle = PowerOrder(order.evse, 0.0, order.transaction_id, order.valid_for_s, order.phases, order.phase_to_use)
        action, wired = self._message(idle, evse, record, held)
        answer = await self._talk.link.call(action, wired.payload, priority=ORDER)
        if answer.get("status") != "Accepted":
            return self._answered(action, answer, wired, idle, held)
        self._answered(action, answer, wired, idle, held)
        power_kw = -profiles.bounded(order.power_kw, evse)
        held.vendor_discharge = True
        taken = await self._adapter(record).discharge(
            record.station_id, evse.evse_id, power_kw, order.valid_for_s, self._vendor_call
        )
        word = "Accepted" if taken else "Rejected"
        return CommandResult(taken, word, -power_kw, self._talk.clock.now(), f"by {record.discharge}")

    async def _end_discharge(self, order: PowerOrder, evse: EvseRecord, record: StationRecord, held: Held) -> bool:
        """Ends a vendor's discharge; ``False`` where it may still go on."""
        adapter = self._talk.options.discharge_adapters.get(record.model)
        if adapter is None:
            return False
        try:
            ended = await adapter.discharge(
                record.station_id, evse.evse_id, 0.0, order.valid_for_s, self._vendor_stop_call
            )
        except (GatewayError, CallError):
            return False
        held.vendor_discharge = not ended
        return ended

    async def _vendor_call(self, action: str, payload: Mapping[str, object]) -> Mapping[str, object]:
        return await self._talk.link.call(action, payload, priority=ORDER)

    async def _vendor_stop_call(self, action: str, payload: Mapping[str, object]) -> Mapping[str, object]:
        return await self._talk.link.call(action, payload, priority=URGENT)

    def _adapter(self, record: StationRecord) -> DischargeAdapter:
        adapter = self._talk.options.discharge_adapters.get(record.model)
        if adapter is None:
            raise Refused(f"there is no discharge adapter for the model {record.model!r}")
        return adapter

    async def set_safe_profile(self, safe: SafeProfile, record: StationRecord) -> CommandResult:
        """Leaves the profiles that hold when the server is silent."""
        talk = self._talk
        wanted = profiles.safe_profiles(talk.version, safe, record.evses, self._unit(), talk.clock.now())
        if not wanted:
            return self._result("refused", math.nan, "the safe profile has no finite limit")
        status, power_kw = "", math.nan
        for wired in wanted:
            try:
                answer = await talk.link.call("SetChargingProfile", wired.payload, priority=URGENT)
            except (GatewayError, CallError) as error:
                return self._failed(error)
            status, power_kw = str(answer.get("status", "")), wired.power_kw
            if status != "Accepted":
                break
        return self._result(status, power_kw, "")

    async def composite(self, evse: EvseRecord) -> Composite | None:
        """What the station says it holds to now; ``None`` where it cannot say."""
        unit = self._unit()
        name = "connectorId" if self._talk.version == "1.6" else "evseId"
        payload = {name: evse.evse_id, "duration": 60, "chargingRateUnit": unit}
        try:
            answer = await self._talk.link.call("GetCompositeSchedule", payload, priority=ORDER)
        except (GatewayError, CallError):
            return None
        schedule = answer.get("chargingSchedule" if self._talk.version == "1.6" else "schedule")
        if answer.get("status") != "Accepted" or not isinstance(schedule, Mapping):
            return None
        periods = schedule.get("chargingSchedulePeriod") or ()
        period = next((item for item in periods if item.get("startPeriod", 0) <= 0), None)
        if period is None:
            return Composite()
        return _composite(period, "A" if schedule.get("chargingRateUnit") == "A" else "W", evse)

    async def expire(self) -> None:
        """Takes back dynamic profiles whose order ended without a newer one: the safe profile holds then.

        A station that does not confirm is asked again a few times.
        """
        now = self._talk.clock.now()
        for evse_id, held in self._held.items():
            if held.until is None or now < held.until:
                continue
            number_ = profiles.TX_ID + evse_id
            held.transaction_id = ""
            held.until = now + CLEAR_AGAIN if held.cleared < CLEARS else None
            held.cleared += 1
            self._talk.dynamic.pop(number_, None)
            mine = held.number
            try:
                await self._talk.link.call("ClearChargingProfile", {"chargingProfileId": number_}, priority=URGENT)
            except (GatewayError, CallError):
                continue
            if held.number == mine:  # accepted, or unknown to the station: either way it is gone
                held.until = None

    def overdue(self, now: datetime) -> bool:
        """Whether :meth:`expire` has something to do."""
        return any(held.until is not None and held.until <= now for held in self._held.values())

    def _unit(self) -> RateUnit:
        return self._talk.capabilities.unit(self._talk.version)

    def _failed(self, error: Exception) -> CommandResult:
        if isinstance(error, CallError):
            word = "unsupported" if error.code in {"NotImplemented", "NotSupported"} else "Rejected"
            return self._result(word, math.nan, str(error))
        if isinstance(error, BadAnswer):
            return self._result("Rejected", math.nan, str(error))
        return self._result("timeout" if isinstance(error, NoAnswer) else "offline", math.nan, str(error))

    def _result(self, status: str, power_kw: float, detail: str) -> CommandResult:
        return CommandResult(status == "Accepted", status, power_kw, self._talk.clock.now(), detail)


def _schedule_update(action: str, payload: Mapping[str, Any]) -> dict[str, float]:
    if action == "UpdateDynamicSchedule":
        return dict(payload["scheduleUpdate"])
    period = payload["chargingProfile"]["chargingSchedule"][0]["chargingSchedulePeriod"][0]
    return {name: period[name] for name in ("limit", "dischargeLimit", "setpoint") if name in period}


def _composite(period: Mapping[str, Any], unit: RateUnit, evse: EvseRecord) -> Composite:
    phases = whole(period.get("numberPhases")) or evse.phases

    def power(name: str) -> float | None:
        value = number(period.get(name))
        return None if value is None else power_of(value, unit, evse, phases)

    limit = power("limit")
    if limit is not None and limit < 0.0:  # a vendor's negative limit is a limit of discharging
        return Composite(0.0, limit, power("setpoint"))
    return Composite(limit, power("dischargeLimit"), power("setpoint"))
