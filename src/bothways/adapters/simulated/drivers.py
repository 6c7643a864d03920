"""People who come and go at virtual stations: a seeded routine for demonstrations and soak runs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bothways.adapters.simulated.station import VirtualStation
from bothways.adapters.simulated.vehicle import VirtualVehicle
from bothways.operations.ports import Clock

Declare = Callable[[str, datetime, float, bool], Awaitable[None]]
"""Told of a driver's wish: token, ready by, state of charge wished for, consent to discharge."""


@dataclass(frozen=True, slots=True)
class Routine:
    """How a driver lives.

    Attributes:
        capacity_kwh: battery [kWh].
        charge_kw: greatest charging power [kW].
        discharge_kw: greatest discharging power [kW]; 0 for a vehicle that only charges.
        phases: phases it charges on.
        away_h: mean time away [h].
        stay_h: mean stay [h].
        trip_kwh: mean energy that a trip uses [kWh].
        target_soc: state of charge wished for, 0…1.
        consents: whether the driver agrees to discharging.
    """

    capacity_kwh: float = 60.0
    charge_kw: float = 11.0
    discharge_kw: float = 0.0
    phases: int = 3
    away_h: float = 2.0
    stay_h: float = 7.0
    trip_kwh: float = 14.0
    target_soc: float = 0.8
    consents: bool = False


@dataclass(slots=True)
class Driver:
    """One driver with one vehicle and a favourite EVSE."""

    token: str
    station: VirtualStation
    evse_id: int
    routine: Routine
    clock: Clock
    rng: random.Random
    declare: Declare | None = None
    vehicle: VirtualVehicle = field(init=False)

    def __post_init__(self) -> None:
        routine = self.routine
        self.vehicle = VirtualVehicle(
            self.token,
            routine.capacity_kwh,
            routine.capacity_kwh * self.rng.uniform(0.3, 0.7),
            routine.charge_kw,
            routine.discharge_kw,
            min_charge_kw=0.23 * 6.0 * routine.phases,
            phases=routine.phases,
        )

    async def run(self, *, starts_plugged_in: bool) -> None:
        """Comes and goes until cancelled."""
        if not starts_plugged_in:
            await self._wait(self.routine.away_h * self.rng.random())
        while True:
            stay_h = max(0.5, self.rng.gauss(self.routine.stay_h, self.routine.stay_h / 4.0))
            leaves = self.clock.now() + timedelta(hours=stay_h)
            if self.declare is not None:
                await self.declare(self.token, leaves, self.routine.target_soc, self.routine.consents)
            await self.station.plug_in(self.evse_id, self.vehicle, leaves)
            await self._wait(stay_h * self.rng.uniform(0.85, 1.0))
            await self.station.unplug(self.evse_id)
            used = min(self.vehicle.energy_kwh * 0.8, self.rng.expovariate(1.0 / self.routine.trip_kwh))
            await self._wait(max(0.3, self.rng.expovariate(1.0 / self.routine.away_h)))
            self.vehicle.energy_kwh -= used
            self.vehicle.asleep = False

    async def _wait(self, hours: float) -> None:
        await self.clock.sleep(hours * 3600.0)


async def live(drivers: list[Driver], share_present: float, rng: random.Random) -> None:
    """Runs all drivers at once; ``share_present`` of them are plugged in at the start."""
    async with asyncio.TaskGroup() as group:
        for driver in drivers:
            group.create_task(driver.run(starts_plugged_in=rng.random() < share_present))
