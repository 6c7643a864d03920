"""The demo site of a live drill: a yard behind a real Modbus server, stations on real sockets, a street meter."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bothways.adapters.ocpp.island import MODE
from bothways.adapters.simulated.outlet import Outlet
from bothways.adapters.simulated.station import StationOptions, VirtualStation
from bothways.adapters.simulated.vehicle import VirtualVehicle
from bothways.adapters.switchgear.served import gear_settings
from bothways.adapters.switchgear.yard import Yard
from bothways.app.live.config import Config, config_from_mapping
from bothways.operations.ports import Clock, CompatibilityRow, SiteReading
from bothways.operations.stations import DriverNeed, EvseRecord, GridPermission, StationRecord
from bothways.resilience.island.site import IslandSite, Source, SourceKind
from bothways.simulation.island import Car
from bothways.simulation.island_drill import DrillSetup

SITE = "drill"
_METER_S = 5.0
_KWH_PER_KM = 0.2
_MILD_C = 20.0


@dataclass(slots=True)
class YardStation(VirtualStation):
    """A virtual station whose power is also bounded by what its yard makes possible."""

    possible: Callable[[float], float] = lambda kw: kw

    def following(self) -> bool:
        """Whether a profile in force now lets the first EVSE follow the building's load by itself."""
        outlet = self.outlets[0]
        VirtualStation.target_kw(self, outlet)  # looks at what is in force at this instant
        return outlet.in_force is not None and outlet.in_force.mode == MODE

    def target_kw(self, outlet: Outlet) -> float:
        """What the profiles ask for, as far as the bus, the contacts and the role in the island allow [kW]."""
        return self.possible(VirtualStation.target_kw(self, outlet))


class Played:
    """Fulfils ``PluggedIn`` with a virtual station."""

    def __init__(self, station: YardStation, car: Car) -> None:
        self.station, self._car = station, car

    def power_kw(self) -> float:
        """Power that flows now [kW], positive charges."""
        return self.station.outlets[0].power_kw

    def may_form(self) -> bool:
        """Whether the profile in force at the station lets it follow the building's load by itself."""
        return self.station.following()

    def car(self) -> Car | None:
        """The vehicle with its true energy."""
        vehicle = self.station.outlets[0].vehicle
        known = self._car
        if vehicle is None:
            return None
        return Car(known.vehicle_id, vehicle.energy_kwh, known.reserve_kwh, known.ceiling_kwh, known.opted_out)


class YardMeter:
    """The meter at the grid connection; without the grid it shows nothing."""

    def __init__(self, yard: Yard, clock: Clock) -> None:
        self._yard, self._clock = yard, clock

    async def readings(self) -> AsyncIterator[SiteReading]:
        """A reading per second while the street has voltage and the meter answers."""
        while True:
            plant = self._yard.plant
            if self._yard.around.grid and not plant.meter_lost:
                chargers = sum(played.power_kw() for played in self._yard.plugged.values())
                power = sum(plant.served_kw) - plant.pv_kw + chargers if plant.main_closed else 0.0
                yield SiteReading(self._clock.now(), power, (power / 3.0,) * 3, plant.pv_kw)
            await self._clock.sleep(1.0)


def free_port() -> int:
    """A port of this machine that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def station_id(source: Source) -> str:
    """Identity of the station that plays a charger."""
    return f"CP-{source.source_id}"


def token(source: Source) -> str:
    """Card of the driver at a charger."""
    return f"DRV-{source.source_id}"[:36]


def configuration(setup: DrillSetup, folder: str, ports: tuple[int, int, int]) -> Config:
    """The live system's configuration for the drilled building.

    Args:
        setup: what is played.
        folder: where the store lies.
        ports: of stations, people and the switchgear.
    """
    site = setup.site
    stations, web, gear = ports
    chargers = frozenset(source.source_id for source in site.sources if source.kind is SourceKind.V2X)
    building = {
        "sections": [
            {
                "id": s.section_id, "tier": s.tier, "phase_kw": s.phase_kw, "inrush": s.inrush, "target_h": s.target_h,
                "serves": s.serves, "by_hand": s.by_hand,
            }
            for s in site.sections
        ],
        "sources": [_source(source) for source in site.sources],
        "switchgear": gear_settings(site, gear, chargers).model_dump(exclude_none=True),
        "evacuation": {"distance_km": 0.0, "kwh_per_km": _KWH_PER_KM, "temperature_c": _MILD_C},
        "confirm_islanding": site.confirm_islanding,
        "nominal_hz": round(site.windows.nominal_hz),
        "interval_s": site.timing.interval_s,
        "return_s": site.timing.return_s,
        "pv_peak_kw": setup.around.pv_peak_kw,
        "pv_share": setup.around.sky_forecast,
    }  # fmt: skip
    mapping: dict[str, Any] = {
        "server": {"port": stations, "web_port": web, "log_level": "error"},
        "store": {"url": f"sqlite:///{folder}/drill.db"},
        "tokens": {"accepted": [token(source) for source in site.sources if source.source_id in chargers]},
        "site": [
            {
                "id": SITE, "tz": "UTC", "assumed_load_kw": sum(s.kw for s in site.sections),
                "prices": {"import_per_kwh": 0.3}, "island": building,
            }
        ],
    }  # fmt: skip
    return config_from_mapping(mapping, {}, at="drill")


def _source(source: Source) -> dict[str, Any]:
    part: dict[str, Any] = {
        "id": source.source_id, "kind": source.kind.value, "power_kw": source.power_kw,
        "grid_forming": source.grid_forming, "phases": tuple(p + 1 for p in source.phases), "surge": source.surge,
        "efficiency": source.efficiency, "floor_kwh": source.floor_kwh, "by_hand": source.by_hand,
    }  # fmt: skip
    return {**part, "station": station_id(source)} if source.kind is SourceKind.V2X else part


def record(source: Source) -> StationRecord:
    """A charger's station as registered."""
    evse = EvseRecord(1, charge_kw=source.power_kw, discharge_kw=source.power_kw)
    return StationRecord(station_id(source), SITE, (evse,), discharge="v2x")


def permission(clock: Clock) -> GridPermission:
    """Everything on paper, and the separate permission to island."""
    made_up = "made up for this drill"
    certificates = ((made_up, clock.now() + timedelta(days=365)),)
    return GridPermission(SITE, made_up, 0.0, made_up, certificates, islanding=True)


def pair(source: Source, clock: Clock) -> CompatibilityRow:
    """The register's line for a driver's vehicle at its charger."""
    return CompatibilityRow(
        token(source), "bothways virtual", "CCS", ("V2H", "V2B"), source.power_kw, "virtual vehicle", clock.now()
    )


def need(source: Source, car: Car, clock: Clock) -> DriverNeed:
    """What the driver said long before the outage: no hurry, consent or not."""
    now = clock.now()
    return DriverNeed(
        need_id=f"drill-{source.source_id}", holder=token(source), ready_by=now + timedelta(days=5), stated_at=now,
        soc=0.0, floor_soc=0.0, discharge_consent=not car.opted_out,
    )  # fmt: skip


def reserve_km(car: Car) -> float:
    """The driver's reserve as a distance under the drill's consumption [km]."""
    return car.reserve_kwh / _KWH_PER_KM


def station(source: Source, secret: str, port: int, clock: Clock, seed: int) -> YardStation:
    """The station that plays a charger."""
    outlet = Outlet(1, charge_kw=source.power_kw, discharge_kw=source.power_kw)
    options = StationOptions(secret=secret, tick_s=1.0, meter_s=_METER_S, heartbeat_s=60.0)
    made = YardStation(
        station_id(source), f"ws://127.0.0.1:{port}/ocpp", [outlet], clock, options, rng=random.Random(seed)
    )
    made.wire.retry_s = (0.05, 0.2)  # of the machine's time, which the drill's clock waits for
    return made


def vehicle(source: Source, car: Car) -> VirtualVehicle:
    """The vehicle at a charger, able to take and give what the charger can."""
    capacity = car.ceiling_kwh if car.ceiling_kwh < float("inf") else car.energy_kwh
    return VirtualVehicle(
        token(source), max(capacity, car.energy_kwh), car.energy_kwh, source.power_kw, source.power_kw,
        charge_efficiency=source.efficiency, discharge_efficiency=source.efficiency,
    )  # fmt: skip


def chargers(site: IslandSite) -> list[tuple[int, Source]]:
    """The chargers with their place among the sources."""
    return [(k, source) for k, source in enumerate(site.sources) if source.kind is SourceKind.V2X]


def possible(yard: Yard, name: str) -> Callable[[float], float]:
    """What the yard makes of a power that a charger's profiles ask for."""
    return lambda wanted: yard.possible_kw(name, wanted)


async def until(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Waits for something, in the machine's time.

    Raises:
        TimeoutError: it did not happen.
    """
    try:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.005)
    except TimeoutError as error:
        msg = f"within {seconds:g} s: {what}"
        raise TimeoutError(msg) from error
