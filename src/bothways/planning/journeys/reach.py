"""What each vehicle can reach over all its stays when no site restricts it: charging at full power wherever it is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bothways.planning.journeys.problem import JourneyProblem
from bothways.planning.layout import Layout
from bothways.planning.problem import Floats, Ints, PlanProblem
from bothways.planning.shortfall import Reach, number, reach

_ROUNDING_KWH = 1e-9


@dataclass(frozen=True)
class Linked:
    """One site's part of the journeys.

    Attributes:
        problem: the site, stays that a trip leads to arriving with the most that they can.
        layout: its vehicle-steps.
        bounds: what its vehicles can reach.
        trip_to: trip that leads to each stay, −1 for none, ``(N,)``.
        trip_from: trip that each stay ends with, −1 for none, ``(N,)``.
    """

    problem: PlanProblem
    layout: Layout
    bounds: Reach
    trip_to: Ints
    trip_from: Ints


def in_order(problem: JourneyProblem) -> Ints:
    """Trips so that each comes after the one that leads to its stay: by the step in which they end."""
    trips = problem.trips
    arrival = [
        int(problem.sites[site].fleet.arrival[row])
        for site, row in zip(trips.to_site.tolist(), trips.to_vehicle.tolist(), strict=True)
    ]
    return np.argsort(np.array(arrival, dtype=np.int64), kind="stable")


def linked(problem: JourneyProblem) -> tuple[Linked, ...]:
    """Every site with the most that its stays can arrive with, trip after trip."""
    trips = problem.trips
    start = [site.fleet.energy_at_arrival_kwh.astype(np.float64) for site in problem.sites]
    for m in in_order(problem).tolist():
        here, row = int(trips.from_site[m]), int(trips.from_vehicle[m])
        there, to = int(trips.to_site[m]), int(trips.to_vehicle[m])
        start[there][to] = _most_at_end(problem.sites[here], row, float(start[here][row])) - trips.energy_kwh[m]
    parts = []
    for number_of, site in enumerate(problem.sites):
        most = replace(site, fleet=replace(site.fleet, energy_at_arrival_kwh=start[number_of]))
        layout = Layout.of(most)
        parts.append(
            Linked(
                most,
                layout,
                reach(most, layout),
                _trip_of(site.fleet.size, trips.to_site, trips.to_vehicle, number_of),
                _trip_of(site.fleet.size, trips.from_site, trips.from_vehicle, number_of),
            )
        )
    return tuple(parts)


def out_of_reach(problem: JourneyProblem, parts: tuple[Linked, ...]) -> tuple[str, ...]:
    """Sentences on trips that need more energy than the battery can hold when they begin."""
    sentences = []
    for name, part in zip(problem.names, parts, strict=True):
        lacking = -part.problem.fleet.energy_at_arrival_kwh
        for row in np.flatnonzero((part.trip_to >= 0) & (lacking > _ROUNDING_KWH)).tolist():
            m = int(part.trip_to[row])
            sentences.append(
                f"trip {m} to {name} (vehicle {row} there) uses {number(float(problem.trips.energy_kwh[m]))} kWh, "
                f"{number(float(lacking[row]))} kWh more than the battery can hold when it leaves"
            )
    return tuple(sentences)


def _most_at_end(site: PlanProblem, row: int, start_kwh: float) -> float:
    fleet = site.fleet
    ceiling = max(float(fleet.energy_max_kwh[row]), start_kwh)
    stored = float(fleet.charge_kw[row] * fleet.charge_efficiency[row]) * site.step_h
    return min(ceiling, start_kwh + stored * int(fleet.departure[row] - fleet.arrival[row]))


def _trip_of(size: int, sites: Ints, rows: Ints, number_of: int) -> Ints:
    found = np.full(size, -1, dtype=np.int64)
    here = np.flatnonzero(sites == number_of)
    found[rows[here]] = here
    return found


def arriving(problem: JourneyProblem, end_kwh: list[Floats]) -> list[Floats]:
    """Energy at the start of each stay, per site ``(N,)`` [kWh], from the energies at the ends."""
    trips = problem.trips
    start = [site.fleet.energy_at_arrival_kwh.astype(np.float64) for site in problem.sites]
    for m in range(trips.size):
        left = end_kwh[int(trips.from_site[m])][int(trips.from_vehicle[m])]
        start[int(trips.to_site[m])][int(trips.to_vehicle[m])] = left - trips.energy_kwh[m]
    return start
