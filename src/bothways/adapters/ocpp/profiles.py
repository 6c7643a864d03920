"""Charging profiles as each version writes them. Pure: what is put on the wire is decided here and nowhere else."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bothways.adapters.ocpp.modes import CENTRAL_SETPOINT, CHARGING_ONLY
from bothways.adapters.ocpp.schemas import Version
from bothways.adapters.ocpp.wire import RateUnit, on_wire, power_of, stamp
from bothways.operations.orders import PowerOrder, SafeProfile
from bothways.operations.stations import EvseRecord

SAFE_ID, STATION_ID, TX_ID = 1, 2, 100
LONGEST_S = 2**31 - 1
SAFE_S = (
    10 * 365 * 86_400
)  # a safe profile is renewed at every connection; a schedule without duration crashed a client


@dataclass(frozen=True, slots=True)
class Wired:
    """A request ready to be sent.

    Attributes:
        payload: of SetChargingProfile or UpdateDynamicSchedule.
        power_kw: what it asks for after rounding [kW].
    """

    payload: dict[str, Any]
    power_kw: float


def phases_of(order: PowerOrder, evse: EvseRecord) -> int:
    """Phases that the order's amperes count for."""
    return min(order.phases, evse.phases) if order.phases else evse.phases


def _named(order: PowerOrder, unit: RateUnit, *, switching: bool) -> bool:
    """Whether the message names a number of phases.

    A station that cannot switch refuses an order that names fewer than it has; a vehicle that uses fewer does so
    anyway.
    """
    return switching if order.phases else unit == "A"


def bounded(power_kw: float, evse: EvseRecord) -> float:
    """The power within what the EVSE can do; never further from zero than asked."""
    return min(max(power_kw, -evse.discharge_kw), evse.charge_kw)


def whole_seconds(seconds: float) -> int:
    """A duration on the wire: whole seconds, at least 1."""
    return int(min(max(seconds, 1.0), LONGEST_S))


def _schedule_times(now: datetime, valid_for_s: float, lag_s: int) -> tuple[str, int]:
    start = (now - timedelta(seconds=lag_s)).replace(microsecond=0)
    return stamp(start), whole_seconds(lag_s + valid_for_s)


def tx_profile_16(
    order: PowerOrder, evse: EvseRecord, unit: RateUnit, now: datetime, lag_s: int, *, switching: bool = True
) -> Wired:
    """A 1.6 TxProfile. A negative power gives a negative limit: the caller decides whether this is allowed."""
    phases = phases_of(order, evse)
    limit = on_wire(bounded(order.power_kw, evse), unit, evse, phases, strict=True)
    start, duration = _schedule_times(now, order.valid_for_s, lag_s)
    period: dict[str, Any] = {"startPeriod": 0, "limit": limit}
    if _named(order, unit, switching=switching):
        period["numberPhases"] = phases
    profile = {
        "chargingProfileId": TX_ID + evse.evse_id,
        "transactionId": int(order.transaction_id),
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": {
            "duration": duration,
            "startSchedule": start,
            "chargingRateUnit": unit,
            "chargingSchedulePeriod": [period],
        },
    }
    return Wired({"connectorId": evse.evse_id, "csChargingProfiles": profile}, power_of(limit, unit, evse, phases))


def _period_2x(
    order: PowerOrder, evse: EvseRecord, unit: RateUnit, mode: str, *, switching: bool
) -> tuple[dict[str, Any], float]:
    phases = phases_of(order, evse)
    value = on_wire(bounded(order.power_kw, evse), unit, evse, phases)
    period: dict[str, Any] = {"startPeriod": 0}
    if mode == CENTRAL_SETPOINT:
        # limits on both sides of the setpoint: whatever a station makes of it, it never turns the other way
        period |= {
            "operationMode": mode,
            "setpoint": value,
            "limit": max(value, 0.0),
            "dischargeLimit": min(value, 0.0),
        }
    else:
        period["limit"] = value
        if mode:
            period["operationMode"] = mode
    if _named(order, unit, switching=switching):
        period["numberPhases"] = phases
    if order.phase_to_use and order.phases == 1 and switching:
        period["phaseToUse"] = order.phase_to_use
    return period, power_of(value, unit, evse, phases)


def tx_profile_201(
    order: PowerOrder, evse: EvseRecord, unit: RateUnit, now: datetime, lag_s: int, *, switching: bool = True
) -> Wired:
    """A 2.0.1 TxProfile. A negative power gives a negative limit: the caller decides whether this is allowed."""
    period, power_kw = _period_2x(order, evse, unit, "", switching=switching)
    return Wired(_request_2x(order, evse, unit, period, now, lag_s), power_kw)


def tx_profile_21(
    order: PowerOrder,
    evse: EvseRecord,
    unit: RateUnit,
    now: datetime,
    lag_s: int,
    *,
    mode: str,
    dynamic: bool,
    switching: bool = True,
) -> Wired:
    """A 2.1 TxProfile, in ``ChargingOnly`` or ``CentralSetpoint``, that ends by itself when the station is offline."""
    period, power_kw = _period_2x(order, evse, unit, mode, switching=switching)
    payload = _request_2x(order, evse, unit, period, now, lag_s)
    profile = payload["chargingProfile"]
    profile["maxOfflineDuration"] = whole_seconds(order.valid_for_s)
    profile["invalidAfterOfflineDuration"] = True
    if dynamic:
        profile["chargingProfileKind"] = "Dynamic"
        profile["dynUpdateTime"] = stamp(now)
        schedule = profile["chargingSchedule"][0]
        del schedule["startSchedule"], schedule["duration"]
    return Wired(payload, power_kw)


def _request_2x(
    order: PowerOrder, evse: EvseRecord, unit: RateUnit, period: dict[str, Any], now: datetime, lag_s: int
) -> dict[str, Any]:
    start, duration = _schedule_times(now, order.valid_for_s, lag_s)
    return {
        "evseId": evse.evse_id,
        "chargingProfile": {
            "id": TX_ID + evse.evse_id,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Absolute",
            "transactionId": order.transaction_id,
            "chargingSchedule": [
                {
                    "id": TX_ID + evse.evse_id,
                    "startSchedule": start,
                    "duration": duration,
                    "chargingRateUnit": unit,
                    "chargingSchedulePeriod": [period],
                }
            ],
        },
    }


def dynamic_update(order: PowerOrder, evse: EvseRecord, unit: RateUnit, mode: str) -> Wired:
    """An UpdateDynamicSchedule for the profile that :func:`tx_profile_21` left as Dynamic."""
    period, power_kw = _period_2x(order, evse, unit, mode, switching=False)
    update = {name: period[name] for name in ("limit", "dischargeLimit", "setpoint") if name in period}
    return Wired({"chargingProfileId": TX_ID + evse.evse_id, "scheduleUpdate": update}, power_kw)


def safe_profiles(
    version: Version, safe: SafeProfile, evses: Iterable[EvseRecord], unit: RateUnit, now: datetime
) -> list[Wired]:
    """The profiles that hold when the server is silent: one for every transaction, one for the station as a whole.

    Args:
        version: protocol version.
        safe: what is to hold; powers below 0 count as 0.
        evses: the station's EVSEs; the one with the highest voltage and most phases decides about amperes.
        unit: unit that the station understands.
        now: server's time.

    Returns:
        One request per profile, the station's own limit first where it is finite.
    """
    known = list(evses) or [EvseRecord(1, math.inf)]
    widest = max(known, key=lambda evse: evse.voltage_v * evse.phases)
    wanted = [("TxDefaultProfile", SAFE_ID, min(safe.charge_kw, max(evse.charge_kw for evse in known)))]
    if math.isfinite(safe.station_kw):
        station = "ChargePointMaxProfile" if version == "1.6" else "ChargingStationMaxProfile"
        wanted.insert(0, (station, STATION_ID, safe.station_kw))
    out = []
    for purpose, number, power_kw in wanted:
        if not math.isfinite(power_kw):
            continue
        limit = on_wire(max(power_kw, 0.0), unit, widest, widest.phases, strict=version == "1.6")
        payload = _safe_request(version, purpose, number, unit, limit, now)
        out.append(Wired(payload, power_of(limit, unit, widest, widest.phases)))
    return out


def _safe_request(
    version: Version, purpose: str, number: int, unit: RateUnit, limit: float, now: datetime
) -> dict[str, Any]:
    midnight = stamp(now.replace(hour=0, minute=0, second=0, microsecond=0))
    period: dict[str, Any] = {"startPeriod": 0, "limit": limit}
    schedule: dict[str, Any] = {
        "startSchedule": midnight,
        "duration": SAFE_S,
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [period],
    }
    profile: dict[str, Any] = {
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
        "chargingSchedule": schedule,
    }
    if version == "1.6":
        return {"connectorId": 0, "csChargingProfiles": {"chargingProfileId": number} | profile}
    if version == "2.1":
        period["operationMode"] = CHARGING_ONLY
    profile["chargingSchedule"] = [{"id": number} | schedule]
    return {"evseId": 0, "chargingProfile": {"id": number} | profile}
