"""Small sums that need no simulation: days of a home, stand-alone loads (V2L), car to car (V2V), diesel."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bothways.domain.errors import DomainError
from bothways.resilience.fleet import Kind

LITRES_PER_KWH = 0.30
"""Diesel per electric kWh of a small generator at three quarters of its load [l/kWh]; ratings of 20…60 kW sets lie at
0.27…0.33 l/kWh (Diesel Service & Supply, fuel consumption chart)."""
KG_CO2_PER_LITRE = 2.68
"""CO2 of burning a litre of diesel [kg/l] (IPCC 2006, vol. 2, 74.1 kg/GJ at 36.1 MJ/l)."""


def days_carried(daily_kwh: float, usable_kwh: float) -> float:
    """Days for which ``usable_kwh`` carries ``daily_kwh`` a day (F1 of the requirements).

    >>> [round(days_carried(30.0, usable), 2) for usable in (40.0, 60.0, 90.0)]
    [1.33, 2.0, 3.0]
    """
    if not (daily_kwh > 0.0 and usable_kwh >= 0.0 and math.isfinite(daily_kwh + usable_kwh)):
        msg = f"days need daily_kwh above 0 and usable_kwh of at least 0, not {daily_kwh} and {usable_kwh}"
        raise DomainError(msg)
    return usable_kwh / daily_kwh


@dataclass(frozen=True)
class StandAlone:
    """A vehicle that feeds one load by its outlet (V2L, R5).

    Attributes:
        load: what is fed.
        vehicle: kind of vehicle.
        kw: power while on [kW].
        hours: on time that the energy above the reserve lasts [h].
        days: the same in days of use.
        carries: whether the outlet's power is enough.
    """

    load: str
    vehicle: str
    kw: float
    hours: float
    days: float
    carries: bool


def stand_alone(kind: Kind, load: str, kw: float, hours_per_day: float, *, soc: float, outlet_kw: float) -> StandAlone:
    """How long one vehicle feeds one load, its evacuation reserve kept.

    Args:
        kind: the vehicle.
        load: name of the load.
        kw: its power [kW], above 0.
        hours_per_day: hours a day that it is on, above 0 to 24.
        soc: of the vehicle at the beginning, 0…1.
        outlet_kw: power of the vehicle's outlet [kW].

    Raises:
        DomainError: a number outside its range.
    """
    if not (kw > 0.0 and 0.0 < hours_per_day <= 24.0 and 0.0 <= soc <= 1.0 and outlet_kw >= 0.0):
        msg = f"V2L to {load!r} needs kw above 0, hours_per_day in 0…24 and soc in 0…1"
        raise DomainError(msg)
    usable = max(0.0, soc * kind.capacity_kwh - kind.reserve_kwh(cold=True)) * kind.discharge_efficiency
    hours = usable / kw
    return StandAlone(load, kind.name, kw, hours, hours / hours_per_day, kw <= outlet_kw + 1e-9)


@dataclass(frozen=True)
class CarToCar:
    """Energy for another car (V2V, R6).

    Attributes:
        giver: kind that gives.
        taker: kind that takes.
        km: distance that the taker can drive with it [km].
        given_kwh: taken out of the giver's battery [kWh].
        km_given_up: what the giver could have driven with it [km].
        hours: time at the power of the connection [h].
        possible: whether the giver keeps its reserve.
    """

    giver: str
    taker: str
    km: float
    given_kwh: float
    km_given_up: float
    hours: float
    possible: bool


def car_to_car(giver: Kind, taker: Kind, km: float, *, soc: float, kw: float, efficiency: float) -> CarToCar:
    """What it takes to give another car ``km`` more.

    Args:
        giver: the car that gives.
        taker: the car that takes.
        km: distance wanted [km].
        soc: of the giver at the beginning, 0…1.
        kw: power of the connection at the giver's battery [kW].
        efficiency: from battery to battery, above 0 to 1.

    Raises:
        DomainError: a number outside its range.
    """
    if not (km > 0.0 and 0.0 <= soc <= 1.0 and kw > 0.0 and 0.0 < efficiency <= 1.0 and giver.kwh_per_km > 0.0):
        msg = "V2V needs km, kw and kwh_per_km above 0, soc in 0…1 and an efficiency in 0…1"
        raise DomainError(msg)
    given = km * taker.kwh_per_km * taker.cold_factor / efficiency
    free = soc * giver.capacity_kwh - giver.reserve_kwh(cold=True)
    lost = given / (giver.kwh_per_km * giver.cold_factor)
    return CarToCar(giver.name, taker.name, km, given, lost, given / kw, given <= free + 1e-9)


@dataclass(frozen=True)
class DieselDisplaced:
    """Fuel that a generator would have burnt for energy that came from elsewhere (R26).

    Attributes:
        kwh: energy delivered instead of the generator [kWh].
        litres: of diesel.
        kg_avoided: CO2 of that diesel [kg].
        kg_of_energy: CO2 of having charged the energy before [kg].
    """

    kwh: float
    litres: float
    kg_avoided: float
    kg_of_energy: float

    @property
    def kg_net(self) -> float:
        """CO2 avoided after that of the charging [kg]; may be negative."""
        return self.kg_avoided - self.kg_of_energy


def diesel_displaced(
    kwh: float,
    charging_kg_per_kwh: float,
    round_trip: float,
    *,
    litres_per_kwh: float = LITRES_PER_KWH,
    kg_per_litre: float = KG_CO2_PER_LITRE,
) -> DieselDisplaced:
    """Diesel and CO2 that ``kwh`` out of vehicles displaces.

    >>> saved = diesel_displaced(100.0, 0.2, 0.8)
    >>> round(saved.litres, 1), round(saved.kg_avoided, 1), round(saved.kg_net, 1)
    (30.0, 80.4, 55.4)
    """
    if kwh < 0.0 or not 0.0 < round_trip <= 1.0:
        msg = f"diesel displaced needs kwh of at least 0 and a round trip in 0…1, not {kwh} and {round_trip}"
        raise DomainError(msg)
    litres = kwh * litres_per_kwh
    return DieselDisplaced(kwh, litres, litres * kg_per_litre, kwh / round_trip * charging_kg_per_kwh)
