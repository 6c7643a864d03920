"""How a virtual station answers the server's requests."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bothways.adapters.simulated.dialects import Dialect16
from bothways.adapters.simulated.outlet import Outlet
from bothways.adapters.simulated.profiles import Period, Profile, mode_fault
from bothways.adapters.simulated.wire import Refused

if TYPE_CHECKING:
    from bothways.adapters.simulated.station import VirtualStation

_REPEATS_S = {"Daily": 86_400.0, "Weekly": 604_800.0}

Payload = dict[str, Any]
Command = Callable[["VirtualStation", Payload], Awaitable[Payload]]


async def answer(station: VirtualStation, action: str, payload: Payload) -> Payload:
    """Answers one request.

    Raises:
        Refused: ``NotImplemented`` for a request that the station does not know, a violation for one it cannot read.
    """
    command = _COMMANDS.get(action)
    if command is None:
        raise Refused("NotImplemented", f"{action} is not known here")
    if "silent" in station.faults:
        raise Refused("InternalError", "fault on demand: silent")
    try:
        return await command(station, payload)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        code = "FormationViolation" if _old(station) else "FormatViolation"
        raise Refused(code, f"{action} cannot be read ({type(error).__name__})") from error


# ---- profiles


def _old(station: VirtualStation) -> bool:
    return isinstance(station.dialect, Dialect16)


def _kw(value: object, unit: str, outlet: Outlet | None, phases: int) -> float | None:
    if not isinstance(value, int | float):
        return None
    if unit == "W":
        return float(value) / 1000.0
    volts = 230.0 if outlet is None else outlet.voltage_v
    return float(value) * volts * phases / 1000.0


def _profile(station: VirtualStation, evse_id: int, raw: Payload) -> Profile:
    schedule = raw["chargingSchedule"]
    schedule = schedule[0] if isinstance(schedule, list) else schedule
    unit = schedule["chargingRateUnit"]
    outlet = next((item for item in station.outlets if item.evse_id == evse_id), None)
    periods = []
    for row in schedule["chargingSchedulePeriod"]:
        phases = int(row.get("numberPhases", 3 if outlet is None else outlet.phases))
        power = [_kw(row.get(name), unit, outlet, phases) for name in ("limit", "dischargeLimit", "setpoint")]
        mode = row.get("operationMode", "ChargingOnly")
        periods.append(Period(float(row["startPeriod"]), power[0], power[1], power[2], mode))
    now = station.clock.now()
    start = schedule.get("startSchedule")
    kind = raw.get("chargingProfileKind")
    begins = now if start is None else _instant(start)
    if kind == "Relative" and outlet is not None and outlet.transaction is not None:
        begins = outlet.transaction.started_at  # relative to when charging began
    return Profile(
        profile_id=int(raw["chargingProfileId"] if _old(station) else raw["id"]),
        evse_id=evse_id,
        stack=int(raw["stackLevel"]),
        purpose=str(raw["chargingProfilePurpose"]),
        start=begins,
        periods=tuple(periods),
        duration_s=float(schedule.get("duration", math.inf)),
        transaction_id=str(raw.get("transactionId", "")),
        valid_from=_instant(raw["validFrom"]) if "validFrom" in raw else None,
        valid_to=_instant(raw["validTo"]) if "validTo" in raw else None,
        max_offline_s=float(raw.get("maxOfflineDuration", math.inf)),
        invalid_after_offline=bool(raw.get("invalidAfterOfflineDuration", False)),
        dynamic=kind == "Dynamic",
        repeats_s=_REPEATS_S.get(str(raw.get("recurrencyKind")), math.inf) if kind == "Recurring" else math.inf,
    )


def _evse_id(payload: Payload) -> int:
    """The EVSE that a request names, 0 for the whole station; connectors are EVSEs in 1.6."""
    named = payload.get("connectorId") or payload.get("evseId") or payload.get("evse", {}).get("id") or 0
    return int(named)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


async def _set_profile(station: VirtualStation, payload: Payload) -> Payload:
    if "reject_profiles" in station.faults:
        return {"status": "Rejected"}
    evse_id = _evse_id(payload)
    raw = payload.get("csChargingProfiles") or payload["chargingProfile"]
    schedules = raw["chargingSchedule"] if isinstance(raw["chargingSchedule"], list) else [raw["chargingSchedule"]]
    rows = [row for schedule in schedules for row in schedule["chargingSchedulePeriod"]]
    if station.options.protocol == "ocpp2.1":
        if any(mode_fault(row) for row in rows):
            return {"status": "Rejected", "statusInfo": {"reasonCode": "InvalidSchedule"}}
        if raw.get("chargingProfileKind") == "Dynamic" and (len(rows) != 1 or rows[0]["startPeriod"] != 0):
            return {"status": "Rejected", "statusInfo": {"reasonCode": "InvalidSchedule"}}
    elif any(row["limit"] < 0 for row in rows):
        if station.options.negative_limit == "reject":
            raise Refused("PropertyConstraintViolation", "limit must be at least 0")
        if station.options.negative_limit == "ignore":
            return {"status": "Accepted"}
    profile = _profile(station, evse_id, raw)
    if profile.purpose == "TxProfile" and station.by_transaction(profile.transaction_id) is None:
        return {"status": "Rejected"}
    station.profiles.install(profile)
    return {"status": "Accepted"}


async def _clear_profile(station: VirtualStation, payload: Payload) -> Payload:
    rule = payload.get("chargingProfileCriteria", payload)
    identity = payload.get("id", payload.get("chargingProfileId"))
    count = station.profiles.clear(
        identity,
        rule.get("connectorId", rule.get("evseId")),
        rule.get("chargingProfilePurpose"),
        rule.get("stackLevel"),
    )
    return {"status": "Accepted" if count else "Unknown"}


async def _update_dynamic(station: VirtualStation, payload: Payload) -> Payload:
    update = payload["scheduleUpdate"]
    for profile in station.profiles.profiles:
        if profile.profile_id == payload["chargingProfileId"] and profile.dynamic:
            outlet = next((o for o in station.outlets if o.evse_id == profile.evse_id), None)
            old = profile.periods[0]
            value = {name: _kw(update.get(name), "W", outlet, 3) for name in ("limit", "dischargeLimit", "setpoint")}
            profile.periods = (
                Period(
                    0.0,
                    old.limit_kw if value["limit"] is None else value["limit"],
                    old.discharge_limit_kw if value["dischargeLimit"] is None else value["dischargeLimit"],
                    old.setpoint_kw if value["setpoint"] is None else value["setpoint"],
                    old.mode,
                ),
            )
            profile.start = station.clock.now()
            return {"status": "Accepted"}
    return {"status": "Rejected"}


async def _composite(station: VirtualStation, payload: Payload) -> Payload:
    evse_id = _evse_id(payload)
    outlet = next((item for item in station.outlets if item.evse_id == evse_id), None)
    if outlet is None:
        return {"status": "Rejected"}
    station.target_kw(outlet)
    held = outlet.in_force
    if held is None:
        return {"status": "Rejected"}
    if _old(station):
        period: Payload = {"startPeriod": 0, "limit": round(held.target_kw() * 1000.0, 1)}
        schedule = {"duration": payload["duration"], "chargingRateUnit": "W", "chargingSchedulePeriod": [period]}
        return {
            "status": "Accepted",
            "connectorId": evse_id,
            "scheduleStart": station.now_stamp(),
            "chargingSchedule": schedule,
        }
    period = {"startPeriod": 0, "limit": round(held.limit_kw * 1000.0, 1)}
    if station.options.protocol == "ocpp2.1":
        period["dischargeLimit"] = round(held.discharge_limit_kw * 1000.0, 1)
        if held.setpoint_kw is not None:
            period["setpoint"] = round(held.target_kw() * 1000.0, 1)
    schedule = {
        "evseId": evse_id,
        "duration": payload["duration"],
        "scheduleStart": station.now_stamp(),
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": [period],
    }
    return {"status": "Accepted", "schedule": schedule}


# ---- transactions


async def _start(station: VirtualStation, payload: Payload) -> Payload:
    evse_id = _evse_id(payload)
    free = [o for o in station.outlets if o.vehicle is not None and o.transaction is None]
    outlet = next((o for o in free if evse_id in {0, o.evse_id}), None)
    token = payload.get("idTag") or payload.get("idToken", {}).get("idToken", "")
    if outlet is None or not outlet.available:
        return {"status": "Rejected"}
    remote = payload.get("remoteStartId")
    station.begin(outlet, str(token), None if remote is None else int(remote))
    return {"status": "Accepted"}


async def _stop(station: VirtualStation, payload: Payload) -> Payload:
    outlet = station.by_transaction(str(payload["transactionId"]))
    if outlet is None or "will_not_stop" in station.faults:
        return {"status": "Rejected"}
    station.finish(outlet, "Remote")
    return {"status": "Accepted"}


async def _allowed_transfer(station: VirtualStation, payload: Payload) -> Payload:
    outlet = station.by_transaction(str(payload["transactionId"]))
    if outlet is None:
        return {"status": "Rejected"}
    outlet.transfer_allowed = tuple(payload["allowedEnergyTransfer"])
    return {"status": "Accepted"}


# ---- the rest


async def _trigger(station: VirtualStation, payload: Payload) -> Payload:
    wanted = payload["requestedMessage"]
    if wanted == "BootNotification":
        station.later(station.boot("Triggered"))
    elif wanted == "StatusNotification":
        for outlet in station.outlets:
            station.later(station.say(station.dialect.status(outlet, station.clock.now())))
    elif wanted in {"MeterValues", "TransactionEvent"}:
        for outlet in station.outlets:
            station.report(outlet, "Trigger")
    elif wanted == "Heartbeat":
        station.later(station.say(("Heartbeat", {})))
    else:
        return {"status": "NotImplemented"}
    return {"status": "Accepted"}


async def _reset(station: VirtualStation, payload: Payload) -> Payload:
    waits = payload.get("type") == "OnIdle" and any(outlet.transaction is not None for outlet in station.outlets)

    async def soon() -> None:
        await station.clock.sleep(1.0)
        while payload.get("type") == "OnIdle" and any(outlet.transaction is not None for outlet in station.outlets):
            await station.clock.sleep(1.0)
        await station.restart("ImmediateReset")

    station.later(soon())
    return {"status": "Scheduled" if waits else "Accepted"}


async def _availability(station: VirtualStation, payload: Payload) -> Payload:
    word = payload.get("type") or payload.get("operationalStatus")
    evse_id = _evse_id(payload)
    scheduled = False
    for outlet in station.outlets:
        if evse_id not in {0, outlet.evse_id}:
            continue
        outlet.retiring = word != "Operative" and outlet.transaction is not None
        scheduled = scheduled or outlet.retiring
        if not outlet.retiring:
            outlet.available = word == "Operative"
            station.later(station.say(station.dialect.status(outlet, station.clock.now())))
    return {"status": "Scheduled" if scheduled else "Accepted"}


async def _unlock(station: VirtualStation, payload: Payload) -> Payload:
    evse_id = int(payload["connectorId"]) if _old(station) else int(payload["evseId"])
    outlet = next((o for o in station.outlets if o.evse_id == evse_id), None)
    if outlet is None:
        return {"status": "NotSupported" if _old(station) else "UnknownConnector"}
    if outlet.transaction is not None:
        return {"status": "UnlockFailed" if _old(station) else "OngoingAuthorizedTransaction"}
    return {"status": "Unlocked"}


async def _get_configuration(station: VirtualStation, payload: Payload) -> Payload:
    names = payload.get("key") or sorted(station.variables)
    known = [
        {"key": name, "readonly": False, "value": station.variables[name]}
        for name in names
        if name in station.variables
    ]
    return {"configurationKey": known, "unknownKey": [name for name in names if name not in station.variables]}


async def _change_configuration(station: VirtualStation, payload: Payload) -> Payload:
    station.variables[str(payload["key"])] = str(payload["value"])
    return {"status": "Accepted"}


def _variable_key(item: Payload) -> str:
    return f"{item['component']['name']}.{item['variable']['name']}"


async def _get_variables(station: VirtualStation, payload: Payload) -> Payload:
    results = []
    for item in payload["getVariableData"]:
        value = station.variables.get(_variable_key(item), station.variables.get(item["variable"]["name"]))
        result = {"component": item["component"], "variable": item["variable"]}
        if value is None:
            result["attributeStatus"] = "UnknownVariable"
        else:
            result.update(attributeStatus="Accepted", attributeValue=value)
        results.append(result)
    return {"getVariableResult": results}


async def _set_variables(station: VirtualStation, payload: Payload) -> Payload:
    results = []
    for item in payload["setVariableData"]:
        station.variables[_variable_key(item)] = str(item["attributeValue"])
        station.variables[item["variable"]["name"]] = str(item["attributeValue"])
        results.append({"attributeStatus": "Accepted", "component": item["component"], "variable": item["variable"]})
    return {"setVariableResult": results}


def capabilities(station: VirtualStation) -> dict[str, str]:
    """The device model that the station reports, by ``Component.Variable``."""
    both = any(outlet.discharge_kw > 0.0 for outlet in station.outlets) and station.options.protocol == "ocpp2.1"
    report = {
        "SmartChargingCtrlr.Enabled": "true",
        "SmartChargingCtrlr.RateUnit": "W,A",
        "ISO15118Ctrlr.Enabled": "true" if both else "false",
    }
    if both:
        report |= {
            "V2XChargingCtrlr.Enabled": "true",
            "V2XChargingCtrlr.SupportedEnergyTransferModes": "AC_BPT",
            "V2XChargingCtrlr.SupportedOperationModes": "Idle,ChargingOnly,CentralSetpoint",
        }
    return report


async def _base_report(station: VirtualStation, payload: Payload) -> Payload:
    rows = [
        {
            "component": {"name": name.split(".")[0]},
            "variable": {"name": name.split(".")[1]},
            "variableAttribute": [{"type": "Actual", "value": value}],
        }
        for name, value in {**capabilities(station)}.items()
    ]
    report = {"requestId": payload["requestId"], "generatedAt": station.now_stamp(), "seqNo": 0, "reportData": rows}
    station.later(station.say(("NotifyReport", report)))
    return {"status": "Accepted"}


async def _unknown_vendor(station: VirtualStation, payload: Payload) -> Payload:
    del station, payload
    return {"status": "UnknownVendorId"}


async def _accepted(station: VirtualStation, payload: Payload) -> Payload:
    del station, payload
    return {"status": "Accepted"}


async def _list_version(station: VirtualStation, payload: Payload) -> Payload:
    del payload
    version = int(station.variables.get("LocalListVersion", "0"))
    return {"listVersion": version} if _old(station) else {"versionNumber": version}


async def _send_list(station: VirtualStation, payload: Payload) -> Payload:
    station.variables["LocalListVersion"] = str(payload.get("listVersion", payload.get("versionNumber", 0)))
    return {"status": "Accepted"}


_COMMANDS: dict[str, Command] = {
    "SetChargingProfile": _set_profile,
    "ClearChargingProfile": _clear_profile,
    "UpdateDynamicSchedule": _update_dynamic,
    "GetCompositeSchedule": _composite,
    "RemoteStartTransaction": _start,
    "RequestStartTransaction": _start,
    "RemoteStopTransaction": _stop,
    "RequestStopTransaction": _stop,
    "NotifyAllowedEnergyTransfer": _allowed_transfer,
    "TriggerMessage": _trigger,
    "Reset": _reset,
    "ChangeAvailability": _availability,
    "UnlockConnector": _unlock,
    "GetConfiguration": _get_configuration,
    "ChangeConfiguration": _change_configuration,
    "GetVariables": _get_variables,
    "SetVariables": _set_variables,
    "GetBaseReport": _base_report,
    "DataTransfer": _unknown_vendor,
    "ClearCache": _accepted,
    "GetLocalListVersion": _list_version,
    "SendLocalList": _send_list,
}
