"""A simulated building for drills: contactor, breakers, loads with inrush, sources that trip, vehicles that drive away.

Pure: ``advance`` gives the next state of the plant, ``read`` what its instruments show. It is the counterpart of
:mod:`bothways.resilience.island` and knows nothing of its decisions but the commands.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

from bothways.resilience.island.commands import Action, Command
from bothways.resilience.island.signals import (
    GridReading,
    Inputs,
    Mode,
    Position,
    Request,
    SectionReading,
    SourceReading,
    VehicleReading,
)
from bothways.resilience.island.site import IslandSite, Phases, SourceKind

_OVERLOAD_S = 3.0
_DARK: Phases = (0.0, 0.0, 0.0)
_SOLAR_NOON_H = 12.0
_DAYLIGHT_H = 12.0


@dataclass(frozen=True, slots=True)
class Car:
    """A vehicle at a charger: stored energy, the driver's reserve, where charging ends [kWh]; consent."""

    vehicle_id: str
    energy_kwh: float
    reserve_kwh: float
    ceiling_kwh: float = math.inf
    opted_out: bool = False


@dataclass(frozen=True, slots=True)
class Unit:
    """One source of the plant.

    Attributes:
        mode: what it does.
        energy_kwh: stored energy or fuel [kWh]; not used at chargers.
        car: the vehicle at a charger.
        alive: whether it works.
        answers: whether its network works: without it, commands are lost and readings unknown.
        set_kw: output that it was told, if it follows [kW].
        lease_s: time until that output ends by itself [s].
        floor_kwh: stored energy at which it stops by itself, as told with the command [kWh].
        hot_s: time for which it has been overloaded [s].
    """

    mode: Mode = Mode.OFF
    energy_kwh: float = 0.0
    car: Car | None = None
    alive: bool = True
    answers: bool = True
    set_kw: float = 0.0
    lease_s: float = 0.0
    floor_kwh: float = 0.0
    hot_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What does not belong to the plant.

    Attributes:
        grid: whether the street has voltage.
        pv_peak_kw: output of PV at noon under a clear sky [kW].
        sky: share of it that smoke and clouds let through.
        sky_forecast: share that the forecast assumes.
        load: factor on every section's expected load.
    """

    grid: bool = True
    pv_peak_kw: float = 0.0
    sky: float = 1.0
    sky_forecast: float = 0.7
    load: float = 0.9


@dataclass(frozen=True, slots=True)
class Plant:
    """The building at one instant.

    Attributes:
        t_s: time since local midnight of the first day [s].
        main_closed: the contactor's true position.
        main_stuck: it does not move.
        main_blind: its feedback is lost.
        meter_lost: the meter on the street's side does not answer.
        estop: the emergency stop is pressed.
        closed: true position of every section's breaker.
        stuck: per section: its breaker does not move.
        units: the sources.
        served_kw: load served per section in the last step [kW].
        pv_kw: output of PV in the last step [kW].
        street_fed: whether a source fed the dead street in the last step.
    """

    t_s: float
    main_closed: bool
    closed: tuple[bool, ...]
    units: tuple[Unit, ...]
    main_stuck: bool = False
    main_blind: bool = False
    meter_lost: bool = False
    estop: bool = False
    stuck: tuple[bool, ...] = ()
    served_kw: tuple[float, ...] = ()
    pv_kw: float = 0.0
    street_fed: bool = False


def clear_sky(hour: float) -> float:
    """Share of the noon output at an hour of the day: half a sine over twelve hours of daylight.

    >>> clear_sky(12.0), clear_sky(0.0)
    (1.0, 0.0)
    """
    angle = math.pi * ((hour % 24.0) - (_SOLAR_NOON_H - _DAYLIGHT_H / 2)) / _DAYLIGHT_H
    return max(0.0, math.sin(angle)) if 0.0 < angle < math.pi else 0.0


def clear_sky_energy(hour: float, ahead_h: float) -> float:
    """Energy per kW of noon output from ``hour`` for ``ahead_h`` hours [kWh/kW]: the integral of :func:`clear_sky`.

    >>> round(clear_sky_energy(0.0, 24.0), 3)
    7.639
    """

    def until(h: float) -> float:
        days, rest = divmod(h, 24.0)
        angle = math.pi * (rest - (_SOLAR_NOON_H - _DAYLIGHT_H / 2)) / _DAYLIGHT_H
        within = 1.0 - math.cos(min(max(angle, 0.0), math.pi))
        return (2.0 * days + within) * _DAYLIGHT_H / math.pi

    return until(hour + ahead_h) - until(hour)


@lru_cache(maxsize=64)
def _forecast(hour: float, ahead_h: float) -> tuple[float, ...]:
    """Energy of a clear sky in every hour from now [kWh/kW]."""
    return tuple(clear_sky_energy(hour + k, 1.0) for k in range(math.ceil(ahead_h)))


def advance(plant: Plant, commands: tuple[Command, ...], around: Surroundings, dt_s: float, site: IslandSite) -> Plant:
    """The plant ``dt_s`` seconds later, after it has obeyed ``commands`` as far as it can.

    Energy is taken from each source at its output over ``dt_s``; a load that is switched on draws its inrush at the
    first instant. The forming source trips at once above its surge, and after 3 s above its power.
    """
    before = plant.closed
    plant = _obey(plant, commands, site)
    plant = _by_themselves(plant, dt_s)
    forming = [k for k, unit in enumerate(plant.units) if unit.mode is Mode.FORMING]
    fed = (around.grid and plant.main_closed) or bool(forming)
    pv = around.pv_peak_kw * around.sky * clear_sky(plant.t_s / 3600.0) if fed else 0.0
    loads = [
        _times(section.phase_kw, around.load) if closed and fed else _DARK
        for section, closed in zip(site.sections, plant.closed, strict=True)
    ]
    if forming and not (around.grid and plant.main_closed):
        plant, held = _hold(plant, forming[0], loads, before, pv, dt_s, site)
        if not held:
            loads, pv = [_DARK] * len(loads), 0.0
    energised = any(unit.mode in {Mode.FORMING, Mode.GIVING} for unit in plant.units)
    return replace(
        plant,
        t_s=plant.t_s + dt_s,
        units=tuple(
            _drain(unit, source.efficiency, dt_s) for unit, source in zip(plant.units, site.sources, strict=True)
        ),
        served_kw=tuple(sum(load) for load in loads),
        pv_kw=pv,
        street_fed=energised and plant.main_closed and not around.grid,
    )


def _times(load: Phases, factor: float) -> Phases:
    a, b, c = load
    return a * factor, b * factor, c * factor


def _obey(plant: Plant, commands: tuple[Command, ...], site: IslandSite) -> Plant:
    main, closed, units = plant.main_closed, list(plant.closed), list(plant.units)
    for command in commands:
        if command.rehearsal or command.by_hand:
            continue
        k = site.index[command.device]
        if k == 0:
            main = main if plant.main_stuck else command.action is Action.CLOSE
        elif k <= len(closed):
            stuck = plant.stuck[k - 1] if plant.stuck else False
            closed[k - 1] = closed[k - 1] if stuck else command.action is Action.CLOSE
        else:
            units[k - 1 - len(closed)] = _told(units[k - 1 - len(closed)], command)
    return replace(plant, main_closed=main, closed=tuple(closed), units=tuple(units))


def _told(unit: Unit, command: Command) -> Unit:
    """A source after a command. The hard-wired cut works without network, everything else needs it."""
    if command.action is Action.TRIP:
        return replace(unit, mode=Mode.OFF, set_kw=0.0)
    if not unit.answers or not unit.alive:
        return unit
    if command.action is Action.RELEASE:
        return replace(unit, mode=Mode.OFF, set_kw=0.0)
    if command.action is Action.FORM:
        return replace(unit, mode=Mode.FORMING, floor_kwh=command.floor_kwh)
    mode = Mode.GIVING if command.output_kw > 0.0 else Mode.CHARGING
    return replace(unit, mode=mode, set_kw=command.output_kw, lease_s=command.lease_s, floor_kwh=command.floor_kwh)


def _by_themselves(plant: Plant, dt_s: float) -> Plant:
    """What stations do without being told: stop when dead, empty, without vehicle, out of lease, or without a bus."""
    bus = plant.main_closed or any(unit.mode is Mode.FORMING and unit.alive for unit in plant.units)
    units = []
    for unit in plant.units:
        stored = unit.energy_kwh if unit.car is None else unit.car.energy_kwh
        following = unit.mode in {Mode.GIVING, Mode.CHARGING}
        lease = max(0.0, unit.lease_s - dt_s) if following else 0.0
        ended = following and (lease <= 0.0 or not bus)
        empty = unit.mode in {Mode.GIVING, Mode.FORMING} and stored <= unit.floor_kwh
        if unit.mode is Mode.OFF:
            units.append(unit)
        elif not unit.alive or plant.estop or ended or empty:
            units.append(replace(unit, mode=Mode.OFF, set_kw=0.0, lease_s=0.0))
        else:
            units.append(unit if lease == unit.lease_s else replace(unit, lease_s=lease))
    return replace(plant, units=tuple(units))


def _hold(
    plant: Plant,
    former: int,
    loads: list[Phases],
    before: tuple[bool, ...],
    pv: float,
    dt_s: float,
    site: IslandSite,
) -> tuple[Plant, bool]:
    """The forming source takes what loads ask for beyond PV and followers; returns whether it holds."""
    source, unit = site.sources[former], plant.units[former]
    first = sum(
        sum(load) * section.inrush if now and not was else sum(load)
        for load, section, now, was in zip(loads, site.sections, plant.closed, before, strict=True)
    )
    others = pv + sum(other.set_kw for k, other in enumerate(plant.units) if k != former)
    steady = sum(map(sum, loads)) - others
    wrong_phase = any(load[p] > 0.0 and p not in source.phases for load in loads for p in range(3))
    hot = unit.hot_s + dt_s if steady > source.power_kw else 0.0
    trips = first - others > source.power_kw * source.surge or hot > _OVERLOAD_S or wrong_phase
    units = list(plant.units)
    if trips:
        units = [
            replace(other, mode=Mode.OFF, set_kw=0.0, hot_s=0.0) if other.mode is not Mode.OFF else other
            for other in units
        ]
        return replace(plant, units=tuple(units)), False
    units[former] = replace(unit, set_kw=max(steady, -source.power_kw), hot_s=hot)
    return replace(plant, units=tuple(units)), True


def _drain(unit: Unit, efficiency: float, dt_s: float) -> Unit:
    if unit.mode is Mode.OFF or unit.set_kw == 0.0:
        return unit
    out = unit.set_kw * dt_s / 3600.0
    change = -out / efficiency if out > 0.0 else -out * efficiency
    if unit.car is not None:
        return replace(unit, car=replace(unit.car, energy_kwh=min(unit.car.energy_kwh + change, unit.car.ceiling_kwh)))
    return replace(unit, energy_kwh=unit.energy_kwh + change)


def read(plant: Plant, around: Surroundings, site: IslandSite, requests: tuple[Request, ...] = ()) -> Inputs:
    """What the instruments of the plant show."""
    forming = any(unit.mode is Mode.FORMING for unit in plant.units)
    live = forming or (around.grid and plant.main_closed)
    position = Position.CLOSED if plant.main_closed else Position.OPEN
    street = 1.0 if around.grid or (plant.main_closed and forming) else 0.0
    left_h = max(section.target_h for section in site.sections)
    cautious = around.pv_peak_kw * around.sky * around.sky_forecast
    hour = round(plant.t_s / 600.0) / 6.0  # a forecast is renewed every ten minutes
    ahead = _forecast(hour, left_h) if cautious > 0.0 else ()
    return Inputs(
        t_s=plant.t_s,
        grid=None if plant.meter_lost else GridReading((street,) * 3, site.windows.nominal_hz * street),
        main=Position.UNKNOWN if plant.main_blind else position,
        sections=tuple(
            SectionReading(
                Position.CLOSED if closed else Position.OPEN,
                _times(section.phase_kw, around.load) if closed and live else _DARK,
            )
            for section, closed in zip(site.sections, plant.closed, strict=True)
        ),
        sources=tuple(_shown(unit, source.kind) for unit, source in zip(plant.units, site.sources, strict=True)),
        estop=plant.estop,
        bus_pu=1.0 if live else 0.0,
        pv_kw=plant.pv_kw,
        pv_ahead_kwh=tuple(cautious * energy for energy in ahead),
        requests=requests,
    )


def _shown(unit: Unit, kind: SourceKind) -> SourceReading:
    if not unit.answers:
        return SourceReading(mode=Mode.UNKNOWN, available=False)
    car = unit.car
    vehicle = (
        None
        if car is None or kind is not SourceKind.V2X
        else VehicleReading(car.vehicle_id, car.energy_kwh, car.reserve_kwh, car.ceiling_kwh, car.opted_out)
    )
    return SourceReading(
        mode=unit.mode,
        available=unit.alive and (car is not None or kind is not SourceKind.V2X),
        output_kw=unit.set_kw if unit.mode is not Mode.OFF else 0.0,
        energy_kwh=unit.energy_kwh if kind is not SourceKind.V2X else None,
        vehicle=vehicle,
    )
