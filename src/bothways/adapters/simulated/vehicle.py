"""The vehicle behind a virtual station: a battery that obeys physics before commands."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bothways.dispatch.curves import Curves
from bothways.domain.errors import DomainError
from bothways.simulation.plant import respond

_TAPER_END_SHARE = 0.15


@dataclass(slots=True)
class VirtualVehicle:
    """A vehicle with its battery.

    Above ``taper_from_soc`` of its capacity it accepts linearly less, down to 15 % of its rating when full, as lithium
    cells in the constant-voltage phase do.

    Attributes:
        token: identification that its driver shows.
        capacity_kwh: usable capacity [kWh].
        energy_kwh: stored energy [kWh].
        charge_kw: greatest charging power [kW].
        discharge_kw: greatest discharging power [kW]; 0 for a vehicle that only charges.
        min_charge_kw: below it, charging pauses [kW].
        phases: phases it charges on.
        charge_efficiency: stored per AC energy.
        discharge_efficiency: AC per stored energy.
        target_soc: at which it stops charging, 0…1.
        resumes: False for a vehicle that stays asleep once its charging was paused.
        obeys: False for a vehicle that charges with what it likes whatever the limit says (a fault on demand).
        reports: False for a vehicle that says neither its state of charge nor its needs, as by IEC 61851 alone.
        taper_from_soc: from where on it accepts less, 0…1; 1 for a vehicle that never does.
        curves: losses at part load, which then hold in place of the efficiencies; of one vehicle.
    """

    token: str
    capacity_kwh: float
    energy_kwh: float
    charge_kw: float
    discharge_kw: float = 0.0
    min_charge_kw: float = 0.0
    phases: int = 3
    charge_efficiency: float = 0.92
    discharge_efficiency: float = 0.92
    target_soc: float = 1.0
    resumes: bool = True
    obeys: bool = True
    reports: bool = True
    taper_from_soc: float = 0.9
    curves: Curves | None = None
    asleep: bool = False
    _charged: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.capacity_kwh) and self.capacity_kwh > 0.0):
            msg = f"vehicle {self.token}: capacity_kwh must be above 0, not {self.capacity_kwh}"
            raise DomainError(msg)
        if not 0.0 <= self.energy_kwh <= self.capacity_kwh:
            msg = f"vehicle {self.token}: energy_kwh must lie in 0…{self.capacity_kwh}, not {self.energy_kwh}"
            raise DomainError(msg)

    @property
    def soc(self) -> float:
        """State of charge, 0…1."""
        return self.energy_kwh / self.capacity_kwh

    @property
    def full(self) -> bool:
        """Whether it takes no more."""
        return self.energy_kwh >= self.target_soc * self.capacity_kwh - 1e-9

    def step(self, setpoint_kw: float, hours: float) -> float:
        """Lives through ``hours`` [h] at a setpoint and returns the mean AC power that flowed [kW]."""
        asked = setpoint_kw if self.obeys or setpoint_kw == 0.0 else self.charge_kw
        if 0.0 < asked < self.min_charge_kw:
            asked = 0.0
        if asked <= 0.0 and self._charged and not self.resumes and not self.full:
            self.asleep = True
        if self.asleep:
            return 0.0
        power, self.energy_kwh = respond(
            asked,
            self.energy_kwh,
            self.target_soc * self.capacity_kwh,
            self._acceptance_kw(),
            self.discharge_kw,
            self.charge_efficiency,
            self.discharge_efficiency,
            hours,
            *(() if self.curves is None else (self.curves, 0)),
        )
        self.energy_kwh = min(max(self.energy_kwh, 0.0), self.capacity_kwh)
        self._charged = self._charged or power > 0.0
        return float(power)

    def _acceptance_kw(self) -> float:
        begins = self.taper_from_soc
        if self.soc <= begins or begins >= 1.0:
            return self.charge_kw
        share = 1.0 - (1.0 - _TAPER_END_SHARE) * (self.soc - begins) / (1.0 - begins)
        return min(max(self.charge_kw * share, self.min_charge_kw), self.charge_kw)
