"""What is known about charging stations, by paper and by registration."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

DischargeMethod = Literal["none", "v2x", "negative_limit", "datatransfer", "external"]


@dataclass(frozen=True, slots=True)
class EvseRecord:
    """One EVSE as installed.

    Attributes:
        evse_id: number within the station, from 1.
        charge_kw: greatest charging power [kW].
        discharge_kw: greatest discharging power [kW]; 0 for a one-way EVSE.
        min_charge_kw: smallest charging power other than 0 [kW].
        phases: phases it is wired to, 1 to 3.
        first_phase: site phase that the EVSE's L1 is wired to, 1 to 3 (phases are rotated between EVSEs).
        voltage_v: phase to neutral [V].
    """

    evse_id: int
    charge_kw: float
    discharge_kw: float = 0.0
    min_charge_kw: float = 0.0
    phases: int = 3
    first_phase: int = 1
    voltage_v: float = 230.0


@dataclass(frozen=True, slots=True)
class StationRecord:
    """One charging station.

    Attributes:
        station_id: identity in the address it connects to, and its user name.
        site_id: where it stands.
        evses: its EVSEs.
        security_profile: 1 Basic, 2 TLS and Basic, 3 mutual TLS. Never lowered silently.
        accepted_at: when it was accepted for the first time; ``None`` for a station that never was.
        discharge: how it is told to discharge; ``none`` until somebody states otherwise.
        model: vendor and model as reported at boot, for the compatibility register.
        serial: serial number, which the station's certificate may name instead of its id; ``""`` where unknown.
    """

    station_id: str
    site_id: str
    evses: tuple[EvseRecord, ...]
    security_profile: int = 1
    accepted_at: datetime | None = None
    discharge: DischargeMethod = "none"
    model: str = ""
    serial: str = ""

    def evse(self, evse_id: int) -> EvseRecord | None:
        """The EVSE with this number, or ``None``."""
        return next((item for item in self.evses if item.evse_id == evse_id), None)


@dataclass(frozen=True, slots=True)
class GridPermission:
    """The grid connection on paper (R54). Export and discharge stay off until everything is recorded and valid.

    Attributes:
        site_id: the site.
        agreement: reference of the connection agreement, ``""`` where there is none.
        export_limit_kw: export that it allows [kW].
        protection: reference of the loss-of-mains protection, ``""`` where there is none.
        certificates: expiry by certificate: charger (DC) or vehicle (AC).
        islanding: whether running as an island is permitted; a permission of its own.
    """

    site_id: str
    agreement: str = ""
    export_limit_kw: float = 0.0
    protection: str = ""
    certificates: tuple[tuple[str, datetime], ...] = ()
    islanding: bool = False

    def missing(self, now: datetime) -> tuple[str, ...]:
        """What still forbids discharging, in words; empty where it is permitted."""
        lacks = []
        if not self.agreement:
            lacks.append("no connection agreement is recorded")
        if not self.protection:
            lacks.append("no loss-of-mains protection is recorded")
        if not self.certificates:
            lacks.append("no certificate of charger or vehicle is recorded")
        lacks.extend(
            f"certificate {name} expired on {ends:%Y-%m-%d}" for name, ends in self.certificates if ends <= now
        )
        return tuple(lacks)

    def allowed_export_kw(self, now: datetime) -> float:
        """Export allowed now [kW]; 0 where anything is missing or not finite."""
        if self.missing(now) or not math.isfinite(self.export_limit_kw):
            return 0.0
        return max(0.0, self.export_limit_kw)


_ONE_WAY = ("AC_single_phase", "AC_two_phase", "AC_three_phase", "DC")


def energy_transfer(*, discharge_consent: bool) -> tuple[str, ...]:
    """OCPP's energy transfer modes that a driver's consent allows."""
    return (*_ONE_WAY, "AC_BPT", "DC_BPT") if discharge_consent else _ONE_WAY


@dataclass(frozen=True, slots=True)
class DriverNeed:
    """How much by when, as the driver said or as it is remembered.

    Attributes:
        need_id: unique; a later need for the same holder replaces an earlier one.
        holder: the id token, or ``station_id/evse_id`` for whoever is plugged in there.
        ready_by: when the vehicle must be ready.
        energy_kwh: energy to be delivered by then [kWh, AC side]; ``None`` where ``soc`` says it.
        soc: state of charge to reach, 0…1; ``None`` where ``energy_kwh`` says it.
        floor_soc: nobody discharges below it.
        discharge_consent: whether the driver allows discharging at all.
        discharge_cap_kwh: most that may be discharged per local day [kWh].
        charge_now: whether everything is to be charged at once, at full power.
        stated_at: when it was said.
    """

    need_id: str
    holder: str
    ready_by: datetime
    stated_at: datetime
    energy_kwh: float | None = None
    soc: float | None = None
    floor_soc: float = 0.3
    discharge_consent: bool = False
    discharge_cap_kwh: float = math.inf
    charge_now: bool = False
