"""Stays: charging sessions placed on the time grid, with what is true and what the driver said."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bothways.domain.errors import DomainError
from bothways.planning.part_load import PartLoad

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Stays:
    """Sessions as columns on a grid of ``periods`` steps, sorted by arrival; arrays have shape ``(S,)``.

    A stay covers the whole steps between plug-in and plug-out: arrival is rounded up, departure down, so that
    no energy flows while the vehicle is not there.

    Attributes:
        session_id: the sessions' names.
        evse: index of the EVSE, 0…``evse_ids`` − 1.
        evse_ids: names of the EVSEs.
        arrival: first step of presence.
        departure: step after the last one (true plug-out).
        declared: step of the declared departure; −1 where nothing was declared.
        energy_kwh: stored energy at arrival [kWh]; for linked stays the energy that an undisturbed chain brings.
        floor_kwh: energy that discharging never crosses [kWh].
        asked_kwh: stored energy that the driver asked for [kWh]; the capacity where nothing was said.
        target_kwh: stored energy at which the vehicle really stops charging [kWh].
        charge_kw: greatest charging power [kW].
        discharge_kw: greatest discharging power [kW]; 0 without consent or capability.
        eta_c: charging efficiency.
        eta_d: discharging efficiency.
        minimum_kw: smallest charging power other than 0 [kW].
        previous: index of the same vehicle's previous stay, −1 for none: its energy carries over.
        away_kwh: energy driven away between the previous stay and this one [kWh].
        target_known: whether the operator knows ``target_kwh`` at arrival (the vehicle reports its SoC).
        capacity_kwh: usable capacity [kWh].
        part_load: losses at part load, and stand-by of those that can feed back; ``None`` where ``eta_c`` and ``eta_d``
            hold at every power. They are those at full power otherwise.
    """

    session_id: tuple[str, ...]
    evse: Ints
    evse_ids: tuple[str, ...]
    arrival: Ints
    departure: Ints
    declared: Ints
    energy_kwh: Floats
    floor_kwh: Floats
    asked_kwh: Floats
    target_kwh: Floats
    charge_kw: Floats
    discharge_kw: Floats
    eta_c: Floats
    eta_d: Floats
    minimum_kw: Floats
    previous: Ints
    away_kwh: Floats
    target_known: Bools
    capacity_kwh: Floats
    part_load: PartLoad | None = None

    def __post_init__(self) -> None:
        if np.any(np.diff(self.arrival) < 0):
            msg = "stays must be sorted by arrival"
            raise DomainError(msg)
        if np.any(self.departure <= self.arrival):
            msg = "every stay must cover at least one whole step"
            raise DomainError(msg)
        if np.any(self.previous >= np.arange(self.size)):
            msg = "a stay can only follow an earlier one"
            raise DomainError(msg)

    @property
    def size(self) -> int:
        """Number of stays S."""
        return int(self.arrival.shape[0])

    @property
    def evse_count(self) -> int:
        """Number of EVSEs."""
        return len(self.evse_ids)

    def one_way(self) -> Stays:
        """The same stays with discharging switched off."""
        return self.with_discharge(0.0)

    def with_losses(self, part_load: PartLoad) -> Stays:
        """The same stays with losses at part load; their efficiencies become those at full power."""
        charge, discharge, eta_c, eta_d = part_load.limits_at_full_power(
            self.charge_kw, self.discharge_kw, self.eta_c, self.eta_d
        )
        return replace(
            self, charge_kw=charge, discharge_kw=discharge, eta_c=eta_c, eta_d=eta_d,
            minimum_kw=np.minimum(self.minimum_kw, charge), part_load=part_load,
        )  # fmt: skip

    def at_share_of_power(self, charge: Floats, discharge: Floats) -> Stays:
        """The same stays with shares of their powers, as a cold or hot battery takes them, ``(S,)`` each."""
        most = self.charge_kw * charge
        return replace(
            self, charge_kw=most, discharge_kw=self.discharge_kw * discharge,
            minimum_kw=np.minimum(self.minimum_kw, most),
        )  # fmt: skip

    def with_discharge(self, limit_kw: float) -> Stays:
        """The same stays with discharging capped at ``limit_kw``."""
        return Stays(**{**self.__dict__, "discharge_kw": np.minimum(self.discharge_kw, limit_kw)})
