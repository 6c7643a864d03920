"""The rules of 2.1 about operation modes, which its schemas do not contain.

Source: OCPP 2.1 edition 1, part 2, section K, table of limits and setpoints by operation mode. A station answers
anything else with ``Rejected``; the gateway does not send it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

CHARGING_ONLY, CENTRAL_SETPOINT = "ChargingOnly", "CentralSetpoint"

_POWERS = ("limit", "dischargeLimit", "setpoint", "setpointReactive")
_REQUIRED: dict[str, frozenset[str]] = {
    "ChargingOnly": frozenset({"limit"}),
    "CentralSetpoint": frozenset({"setpoint"}),
    "CentralFrequency": frozenset({"setpoint"}),
}
_ALLOWED: dict[str, frozenset[str]] = {
    "ChargingOnly": frozenset({"limit"}),
    "CentralSetpoint": frozenset(_POWERS),
    "CentralFrequency": frozenset({"setpoint", "limit", "dischargeLimit"}),
    "ExternalSetpoint": frozenset({"limit", "dischargeLimit"}),
    "LocalFrequency": frozenset(),
    "ExternalLimits": frozenset(),
    "LocalLoadBalancing": frozenset(),
    "Idle": frozenset(),
}


def period_violations(period: Mapping[str, Any], purpose: str, unit: str) -> list[str]:
    """What a charging schedule period does that its operation mode does not allow.

    Args:
        period: as on the wire.
        purpose: purpose of its profile, such as ``TxProfile``.
        unit: the schedule's ``chargingRateUnit``.

    Returns:
        Sentences for people; empty for a sound period.
    """
    mode = str(period.get("operationMode", CHARGING_ONLY))
    if mode not in _ALLOWED:
        return [f"operation mode {mode} does not exist"]
    given = {name for name in _POWERS if name in period}
    extra = {name for name in _POWERS for suffix in ("_L2", "_L3") if name + suffix in period}
    out = [f"{mode} needs {name}" for name in sorted(_REQUIRED.get(mode, frozenset()) - given)]
    out += [f"{mode} does not allow {name}" for name in sorted((given | extra) - _ALLOWED[mode])]
    if extra & {"dischargeLimit", "setpoint"} and purpose != "TxProfile":
        out.append("discharge limits and setpoints by phase are allowed in a TxProfile only")
    if period.get("evseSleep") and mode != "Idle":
        out.append("evseSleep is allowed with Idle only")
    if mode == "LocalFrequency":
        out += [f"{mode} needs {name}" for name in ("v2xBaseline", "v2xFreqWattCurve") if name not in period]
        if unit != "W":
            out.append("LocalFrequency is allowed in W only")
    return out + _order_violations(period)


def _order_violations(period: Mapping[str, Any]) -> list[str]:
    out = []
    for suffix in ("", "_L2", "_L3"):
        setpoint = period.get(f"setpoint{suffix}")
        limit, discharge = period.get(f"limit{suffix}"), period.get(f"dischargeLimit{suffix}")
        if setpoint is not None and limit is not None and setpoint > limit:
            out.append(f"setpoint{suffix} {setpoint:g} is above limit{suffix} {limit:g}")
        if setpoint is not None and discharge is not None and setpoint < discharge:
            out.append(f"setpoint{suffix} {setpoint:g} is below dischargeLimit{suffix} {discharge:g}")
        if discharge is not None and discharge > 0:
            out.append(f"dischargeLimit{suffix} {discharge:g} is above 0")
        if limit is not None and limit < 0:
            out.append(f"limit{suffix} {limit:g} is below 0")
    return out


def profile_violations(profile: Mapping[str, Any]) -> tuple[str, ...]:
    """What a 2.1 charging profile does that the standard does not allow; empty for a sound one.

    Args:
        profile: as on the wire, sound by its schema.
    """
    purpose, kind = str(profile.get("chargingProfilePurpose")), str(profile.get("chargingProfileKind"))
    schedules: Sequence[Mapping[str, Any]] = profile.get("chargingSchedule") or ()
    out: list[str] = []
    if purpose == "TxProfile" and not profile.get("transactionId"):
        out.append("a TxProfile needs its transaction")
    for schedule in schedules:
        periods: Sequence[Mapping[str, Any]] = schedule.get("chargingSchedulePeriod") or ()
        if not periods or periods[0].get("startPeriod") != 0:
            out.append("the first period must start at 0")
        for period in periods:
            out += period_violations(period, purpose, str(schedule.get("chargingRateUnit")))
        if kind == "Dynamic" and len(periods) != 1:
            out.append("a Dynamic profile has exactly one period")
    if kind == "Dynamic" and len(schedules) != 1:
        out.append("a Dynamic profile has exactly one schedule")
    return tuple(dict.fromkeys(out))
