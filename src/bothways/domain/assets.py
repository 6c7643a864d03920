"""Vehicles, chargers and sites: what exists, with the limits that physics and paper put on it.

Power is AC-side, in kW, positive toward the consumer side: at an EVSE positive charges the vehicle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from bothways.domain.errors import DomainError


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise DomainError(message)


def _at_least_zero(owner: str, **values: float) -> None:
    for name, value in values.items():
        _require(
            math.isfinite(value) and value >= 0.0,
            f"{owner}: {name} must be finite and at least 0, not {value}",
        )


def _fraction(owner: str, **values: float) -> None:
    for name, value in values.items():
        _require(0.0 <= value <= 1.0, f"{owner}: {name} must lie in 0…1, not {value}")


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A battery on wheels.

    Attributes:
        vehicle_id: pseudonym that stays the same between sessions.
        usable_capacity_kwh: usable energy between soc 0 and soc 1 [kWh], battery side.
        charge_kw: greatest AC charging power the vehicle takes [kW].
        discharge_kw: greatest AC discharging power the vehicle gives [kW]; 0 where not known to be able.
        charge_efficiency: stored energy per AC energy while charging, 0…1.
        discharge_efficiency: AC energy per stored energy while discharging, 0…1.
        min_charge_kw: smallest charging power other than 0 [kW] (6 A in IEC 61851).
        resumes_after_pause: False for vehicles that stay asleep once charging was paused.
    """

    vehicle_id: str
    usable_capacity_kwh: float
    charge_kw: float
    discharge_kw: float = 0.0
    charge_efficiency: float = 1.0
    discharge_efficiency: float = 1.0
    min_charge_kw: float = 0.0
    resumes_after_pause: bool = True

    def __post_init__(self) -> None:
        owner = f"vehicle {self.vehicle_id}"
        _at_least_zero(
            owner,
            usable_capacity_kwh=self.usable_capacity_kwh,
            charge_kw=self.charge_kw,
            discharge_kw=self.discharge_kw,
            min_charge_kw=self.min_charge_kw,
        )
        _fraction(owner, charge_efficiency=self.charge_efficiency, discharge_efficiency=self.discharge_efficiency)
        _require(self.usable_capacity_kwh > 0.0, f"{owner}: usable_capacity_kwh must be above 0")
        _require(self.charge_efficiency > 0.0, f"{owner}: charge_efficiency must be above 0")
        _require(self.discharge_efficiency > 0.0, f"{owner}: discharge_efficiency must be above 0")
        _require(self.min_charge_kw <= self.charge_kw, f"{owner}: min_charge_kw is above charge_kw")


@dataclass(frozen=True, slots=True)
class EVSE:
    """One outlet that serves one vehicle at a time.

    Attributes:
        evse_id: unique within its site.
        charge_kw: greatest charging power [kW].
        discharge_kw: greatest discharging power [kW]; 0 for a one-way charger.
        min_charge_kw: smallest charging power other than 0 [kW].
        phases: number of phases, 1…3.
    """

    evse_id: str
    charge_kw: float
    discharge_kw: float = 0.0
    min_charge_kw: float = 0.0
    phases: int = 1

    def __post_init__(self) -> None:
        owner = f"EVSE {self.evse_id}"
        _at_least_zero(
            owner, charge_kw=self.charge_kw, discharge_kw=self.discharge_kw, min_charge_kw=self.min_charge_kw
        )
        _require(self.min_charge_kw <= self.charge_kw, f"{owner}: min_charge_kw is above charge_kw")
        _require(self.phases in {1, 2, 3}, f"{owner}: phases must be 1, 2 or 3, not {self.phases}")

    @property
    def bidirectional(self) -> bool:
        """Whether the EVSE can discharge a vehicle."""
        return self.discharge_kw > 0.0


@dataclass(frozen=True, slots=True)
class ChargingStation:
    """A cabinet with one or more EVSEs, the unit that speaks to a back end."""

    station_id: str
    evses: tuple[EVSE, ...]

    def __post_init__(self) -> None:
        _require(len(self.evses) > 0, f"station {self.station_id}: needs at least one EVSE")
        ids = [evse.evse_id for evse in self.evses]
        _require(len(set(ids)) == len(ids), f"station {self.station_id}: EVSE ids repeat: {ids}")


@dataclass(frozen=True, slots=True)
class Site:
    """A grid connection with what lies behind it.

    Attributes:
        site_id: name.
        tz: IANA zone of local time and of the tariff.
        import_limit_kw: contractual import limit [kW], soft and priced; ``inf`` where there is none.
        import_hard_limit_kw: safety limit on import [kW], above everything; ``inf`` where there is none.
        export_limit_kw: greatest export [kW]; 0 where export is not permitted.
        stations: the charging stations.
    """

    site_id: str
    tz: str
    import_limit_kw: float = math.inf
    import_hard_limit_kw: float = math.inf
    export_limit_kw: float = 0.0
    stations: tuple[ChargingStation, ...] = ()

    def __post_init__(self) -> None:
        owner = f"site {self.site_id}"
        for name in ("import_limit_kw", "import_hard_limit_kw", "export_limit_kw"):
            value = getattr(self, name)
            _require(value >= 0.0, f"{owner}: {name} must be at least 0, not {value}")
        ids = [station.station_id for station in self.stations]
        _require(len(set(ids)) == len(ids), f"{owner}: station ids repeat")

    @property
    def evses(self) -> tuple[EVSE, ...]:
        """All EVSEs of the site, station by station."""
        return tuple(evse for station in self.stations for evse in station.evses)


@dataclass(frozen=True, slots=True)
class Session:
    """Plug-in to plug-out of one vehicle at one EVSE, as it happened or as it is declared.

    Attributes:
        session_id: unique in its source.
        evse_id: where.
        arrival: plug-in (aware).
        departure: plug-out (aware), after the arrival.
        declared_departure: what the driver said at plug-in; ``None`` where nothing was said.
        requested_kwh: energy the driver asked for [kWh, AC side]; ``None`` where nothing was said.
        delivered_kwh: energy that was delivered [kWh, AC side].
        vehicle_id: pseudonym of the vehicle, ``None`` where unknown.
    """

    session_id: str
    evse_id: str
    arrival: datetime
    departure: datetime
    declared_departure: datetime | None
    requested_kwh: float | None
    delivered_kwh: float
    vehicle_id: str | None = None

    def __post_init__(self) -> None:
        owner = f"session {self.session_id}"
        for name in ("arrival", "departure", "declared_departure"):
            value = getattr(self, name)
            _require(value is None or value.tzinfo is not None, f"{owner}: {name} must be aware")
        _require(self.departure > self.arrival, f"{owner}: departure must lie after arrival")
        _at_least_zero(owner, delivered_kwh=self.delivered_kwh)
        if self.requested_kwh is not None:
            _at_least_zero(owner, requested_kwh=self.requested_kwh)
