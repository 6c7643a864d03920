"""Charging profiles as a station holds them: which one is in force now, and what it says.

The station's half of OCPP smart charging: a transaction's profile before the default one, the highest stack level
first, station-wide limits on top, and nothing that has run out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime

_MODE_FIELDS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    # mode: (required, allowed besides)
    "ChargingOnly": (frozenset({"limit"}), frozenset()),
    "CentralSetpoint": (frozenset({"setpoint"}), frozenset({"limit", "dischargeLimit", "setpointReactive"})),
    "CentralFrequency": (frozenset({"setpoint"}), frozenset({"limit", "dischargeLimit"})),
    "ExternalSetpoint": (frozenset(), frozenset({"limit", "dischargeLimit"})),
    "LocalFrequency": (frozenset({"v2xBaseline", "v2xFreqWattCurve"}), frozenset()),
    "ExternalLimits": (frozenset(), frozenset()),
    "LocalLoadBalancing": (frozenset(), frozenset()),
    "Idle": (frozenset(), frozenset()),
}
_LOCAL = frozenset({"ExternalSetpoint", "ExternalLimits", "LocalFrequency", "LocalLoadBalancing"})
"""Modes in which the power is not told by the server: a station that measures nothing itself stays at zero."""

_POWER_FIELDS = frozenset(
    {"limit", "dischargeLimit", "setpoint", "setpointReactive", "v2xBaseline", "v2xFreqWattCurve"}
)


@dataclass(frozen=True, slots=True)
class Period:
    """One period of a schedule; ``None`` where the period does not say."""

    start_s: float
    limit_kw: float | None = None
    discharge_limit_kw: float | None = None
    setpoint_kw: float | None = None
    mode: str = "ChargingOnly"


@dataclass(slots=True)
class Profile:
    """A profile that the station accepted; ``repeats_s`` is a day or a week where it recurs."""

    profile_id: int
    evse_id: int
    stack: int
    purpose: str
    start: datetime
    periods: tuple[Period, ...]
    duration_s: float = math.inf
    transaction_id: str = ""
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    max_offline_s: float = math.inf
    invalid_after_offline: bool = False
    dynamic: bool = False
    repeats_s: float = math.inf

    def period(self, now: datetime) -> Period | None:
        """The period in force, or ``None`` outside of the profile's time."""
        if (self.valid_from and now < self.valid_from) or (self.valid_to and now >= self.valid_to):
            return None
        elapsed = (now - self.start).total_seconds()
        if elapsed >= 0.0 and math.isfinite(self.repeats_s):
            elapsed %= self.repeats_s
        if elapsed < 0.0 or elapsed >= self.duration_s:
            return None
        started = [item for item in self.periods if item.start_s <= elapsed]
        return started[-1] if started else None


@dataclass(frozen=True, slots=True)
class InForce:
    """What an EVSE has to keep to now: charge at most ``limit_kw``, discharge at most ``-discharge_limit_kw``."""

    limit_kw: float
    discharge_limit_kw: float
    setpoint_kw: float | None
    source: str
    mode: str = "ChargingOnly"

    def target_kw(self) -> float:
        """Power to run at [kW]: the setpoint within the limits, or as much charging as the limit allows."""
        wanted = self.limit_kw if self.setpoint_kw is None else self.setpoint_kw
        return min(max(wanted, self.discharge_limit_kw), self.limit_kw)


@dataclass(slots=True)
class ProfileStore:
    """All profiles of one station."""

    profiles: list[Profile] = field(default_factory=list)

    def install(self, profile: Profile) -> None:
        """Takes a profile; the same id, or the same place and stack level, replaces the earlier one."""
        self.profiles = [
            item
            for item in self.profiles
            if item.profile_id != profile.profile_id
            and (item.evse_id, item.purpose, item.stack, item.transaction_id)
            != (profile.evse_id, profile.purpose, profile.stack, profile.transaction_id)
        ]
        self.profiles.append(profile)

    def clear(
        self,
        profile_id: int | None = None,
        evse_id: int | None = None,
        purpose: str | None = None,
        stack: int | None = None,
    ) -> int:
        """Removes what matches every criterion given; returns how many went."""

        def matches(item: Profile) -> bool:
            if profile_id is not None:
                return item.profile_id == profile_id
            return (
                (evse_id is None or item.evse_id == evse_id)
                and (purpose is None or item.purpose == purpose)
                and (stack is None or item.stack == stack)
            )

        before = len(self.profiles)
        self.profiles = [item for item in self.profiles if not matches(item)]
        return before - len(self.profiles)

    def forget_transaction(self, transaction_id: str) -> None:
        """Removes profiles of a transaction that ended."""
        self.profiles = [
            item
            for item in self.profiles
            if not (item.purpose == "TxProfile" and item.transaction_id == transaction_id)
        ]

    def age_offline(self, offline_s: float) -> None:
        """Drops for good what must not outlive a loss of connection of so many seconds."""
        self.profiles = [
            item for item in self.profiles if not (item.invalid_after_offline and offline_s >= item.max_offline_s)
        ]

    def in_force(
        self, evse_id: int, transaction_id: str, now: datetime, offline_s: float, rating_kw: float, discharge_kw: float,
        sharers: int = 1,
    ) -> InForce:  # fmt: skip
        """What the EVSE has to keep to.

        Args:
            evse_id: which EVSE.
            transaction_id: its running transaction.
            now: the station's time.
            offline_s: seconds without a connection, 0 while connected.
            rating_kw: greatest charging power of the EVSE [kW].
            discharge_kw: greatest discharging power of the EVSE [kW].
            sharers: EVSEs that share the limits of the whole station now, this one included.
        """
        chosen: Period | None = None
        source = "no profile"
        for purpose in ("TxProfile", "TxDefaultProfile"):
            candidates = [
                (item.stack, item, period)
                for item in self.profiles
                if item.purpose == purpose
                and item.evse_id in {evse_id, 0}
                and (purpose != "TxProfile" or not item.transaction_id or item.transaction_id == transaction_id)
                and offline_s < item.max_offline_s
                and (period := item.period(now)) is not None
            ]
            if candidates:
                _, best, chosen = max(candidates, key=lambda entry: entry[0])
                source = f"{purpose} {best.profile_id}"
                break
        limit, floor, setpoint = rating_kw, 0.0, None
        if chosen is not None:
            limit, floor, setpoint = _read(chosen, rating_kw, discharge_kw)
        for item in self.profiles:
            if item.purpose in {
                "ChargingStationMaxProfile",
                "ChargePointMaxProfile",
                "ChargingStationExternalConstraints",
            }:
                period = item.period(now)
                if period is not None and period.limit_kw is not None and item.evse_id in {evse_id, 0}:
                    limit = min(limit, max(period.limit_kw, 0.0) / (1 if item.evse_id else max(1, sharers)))
        mode = "ChargingOnly" if chosen is None else chosen.mode
        return InForce(max(limit, floor), floor, setpoint, source, mode)


def _read(period: Period, rating_kw: float, discharge_kw: float) -> tuple[float, float, float | None]:
    if period.mode == "Idle":
        return 0.0, 0.0, 0.0
    if period.mode == "ChargingOnly":
        limit = rating_kw if period.limit_kw is None else period.limit_kw
        if limit < 0.0:  # a negative limit, as some 1.6 stations understand it
            floor = max(limit, -discharge_kw)
            return 0.0, floor, floor
        return min(limit, rating_kw), 0.0, None
    limit = min(rating_kw, rating_kw if period.limit_kw is None else max(period.limit_kw, 0.0))
    floor = (
        -discharge_kw if period.discharge_limit_kw is None else max(min(period.discharge_limit_kw, 0.0), -discharge_kw)
    )
    return limit, floor, 0.0 if period.mode in _LOCAL else period.setpoint_kw


def mode_fault(period: dict[str, object]) -> str:
    """What breaks OCPP 2.1's rules for operation modes in a schedule period, in words; ``""`` where it is sound."""
    mode = str(period.get("operationMode", "ChargingOnly"))
    if mode not in _MODE_FIELDS:
        return f"unknown operation mode {mode}"
    required, optional = _MODE_FIELDS[mode]
    given = {name for name in _POWER_FIELDS if name in period}
    if lacking := required - given:
        return f"{mode} needs {', '.join(sorted(lacking))}"
    if surplus := given - required - optional:
        return f"{mode} does not allow {', '.join(sorted(surplus))}"
    if "evseSleep" in period and mode != "Idle":
        return "evseSleep only goes with Idle"
    return _order_fault(*(_number(period.get(name)) for name in ("dischargeLimit", "setpoint", "limit")))


def _order_fault(floor: float | None, setpoint: float | None, limit: float | None) -> str:
    if floor is not None and floor > 0.0:
        return "dischargeLimit must be at most 0"
    if setpoint is not None and ((limit is not None and setpoint > limit) or (floor is not None and setpoint < floor)):
        return "setpoint lies outside its limits"
    return ""


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
