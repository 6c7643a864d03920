"""The gate before every discharge (R54, R55): each condition that is not met refuses, with a sentence for a person."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from bothways.operations.site.state import SessionState
from bothways.operations.stations import EvseRecord, StationRecord

_CRUMB_KWH = 0.05
"""Nobody starts to discharge for less."""


@dataclass(frozen=True, slots=True)
class PairAbility:
    """What the compatibility register says about a vehicle at a charger.

    Attributes:
        discharge: whether the pair is known to be able.
        discharge_kw: greatest discharging power known [kW].
        source: where it was published.
        dated: when it was recorded.
        reason: why not, where ``discharge`` is False.
        resumes: whether charging goes on after a pause (R32); ``None`` where unknown.
        to_grid: whether the pair may feed the grid, and not only what is behind the meter.
    """

    discharge: bool
    discharge_kw: float = 0.0
    source: str = ""
    dated: date | None = None
    reason: str = ""
    resumes: bool | None = None
    to_grid: bool = True


class CompatibilityRegister(Protocol):
    """Which vehicle at which charger can do what (R55). Unknown means none."""

    def ability(self, vehicle: str, charger: str) -> PairAbility | None:
        """The entry for a vehicle (id token or model) at a charger model; ``None`` where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class ListedPairs:
    """A register of listed pairs."""

    pairs: Mapping[tuple[str, str], PairAbility]

    def ability(self, vehicle: str, charger: str) -> PairAbility | None:
        """The listed entry, or ``None``."""
        return self.pairs.get((vehicle, charger))


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's answer: the power allowed [kW], why it is 0 where it is, and whether it may reach the grid."""

    discharge_kw: float
    why_not: str = ""
    to_grid: bool = True


def discharge_gate(
    lacks: tuple[str, ...],
    station: StationRecord,
    record: EvseRecord,
    session: SessionState,
    register: CompatibilityRegister,
    *,
    meter_fresh: bool,
) -> Verdict:
    """Whether this vehicle may discharge now, and with how much.

    Args:
        lacks: what the grid connection still misses, by ``GridPermission.missing``.
        station: the station as registered.
        record: the EVSE as installed.
        session: the vehicle as believed.
        register: compatibility of vehicles and chargers.
        meter_fresh: whether the site's meter can be relied on now.

    Returns:
        The verdict; the power is the least of what EVSE, pair and session allow.
    """
    why = _why_not(lacks, station, record, session, meter_fresh=meter_fresh)
    if why:
        return Verdict(0.0, why)
    ability = None
    for vehicle in (session.id_token, session.model):
        if vehicle:
            ability = ability or register.ability(vehicle, station.model)
    if ability is None:
        return Verdict(
            0.0, f"no source says that this vehicle can discharge at a {station.model or 'charger of this model'}"
        )
    if not ability.discharge:
        return Verdict(0.0, ability.reason or "the register says that this vehicle cannot discharge here")
    power = min(record.discharge_kw, ability.discharge_kw, session.discharge_kw)
    if power <= 0.0:
        return Verdict(0.0, "the vehicle offers no discharging power")
    return Verdict(power, to_grid=ability.to_grid)


def used_up(session: SessionState) -> str:
    """Which cap on feeding back is reached, in words; empty where none is."""
    need, limits = session.need, session.battery.limits
    own = math.inf if need is None else need.discharge_cap_kwh
    if not session.counted and session.day_cap_kwh <= 0.0 < min(own, limits.kwh_per_day, session.year_cap_kwh):
        return "what this vehicle has fed back so far has not been read from the store yet"
    day, year = min(own, limits.kwh_per_day), session.year_cap_kwh
    if session.returned_today_kwh >= day - _CRUMB_KWH:
        return f"today's share of {day:.1f} kWh has been used"
    if session.returned_year_kwh >= year - _CRUMB_KWH:
        return f"the {year:.0f} kWh that the battery's warranty permits this year have been used"
    return ""


def _why_not(
    lacks: tuple[str, ...],
    station: StationRecord,
    record: EvseRecord,
    session: SessionState,
    *,
    meter_fresh: bool,
) -> str:
    """The first condition that refuses, in words; empty where none does."""
    need = session.need
    if lacks:
        return f"the grid connection does not permit it: {'; '.join(lacks)}"
    if need is None or not need.discharge_consent:
        return "the driver has not agreed to it"
    if used := used_up(session):
        return used
    lowest = session.battery.limits.soc_min
    if session.floor_kwh < session.energy_low_kwh <= lowest * session.capacity_kwh.value:
        return f"the battery's warranty lets nobody feed back below {100 * lowest:.0f} %"
    if session.energy_low_kwh <= session.floor_kwh:
        floor = 100 * session.floor_kwh / max(session.capacity_kwh.value, 1e-9)
        return (
            f"{floor:.0f} % are the driver's, and only {100 * session.soc.low:.0f} % are certain to be in the battery "
            f"({session.soc.source})"
        )
    refusals = (
        (record.discharge_kw <= 0.0, "this charging point works one way only"),
        (station.discharge == "none", "nobody has recorded how this station is told to discharge"),
        (session.until is None, "the driver has not said when they leave"),
        (not meter_fresh, "the site's meter is silent, so that nobody would see what is exported"),
    )
    return next((text for refuses, text in refusals if refuses), "")
