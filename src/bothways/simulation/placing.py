"""From recorded sessions to stays on a grid: rounding, what does not fit, and which energies follow from what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bothways.domain.timegrid import TimeGrid
from bothways.mobility.assumptions import EnergyColumns
from bothways.mobility.sessions import SessionTable
from bothways.simulation.stays import Stays

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Placed:
    """Stays with the rows of the session table they came from, and what was left out.

    Attributes:
        stays: on the grid.
        rows: index into the session table, shape ``(S,)``.
        outside: sessions not wholly inside the grid.
        too_short: sessions without one whole step.
        overlapping: sessions that would share an EVSE with another one after rounding.
        lost_kwh: delivered energy of ``too_short`` and ``overlapping`` sessions [kWh].
    """

    stays: Stays
    rows: NDArray[np.intp]
    outside: int
    too_short: int
    overlapping: int
    lost_kwh: float


def place(
    table: SessionTable,
    energy: EnergyColumns,
    grid: TimeGrid,
    *,
    evse_charge_kw: float,
    evse_discharge_kw: float,
    evse_min_charge_kw: float,
) -> Placed:
    """Places sessions on a grid.

    The energy a driver asked for is counted on the AC side and stored with the charging efficiency. A vehicle
    really stops charging where it did in the record (delivered energy), so that no strategy gives more than that.
    The smaller of the charger's and the vehicle's rating counts.

    Args:
        table: sessions sorted by arrival.
        energy: battery-side energies and ratings for every row.
        grid: the study's grid.
        evse_charge_kw: rating of the EVSEs [kW].
        evse_discharge_kw: rating for discharging [kW], 0 for one-way.
        evse_min_charge_kw: smallest charging power other than 0 [kW].

    Returns:
        The stays and what was left out.
    """
    arrival = -((grid.start_s - table.arrival_s) // grid.step_s)
    departure = (table.departure_s - grid.start_s) // grid.step_s
    inside = (table.arrival_s >= grid.start_s) & (departure <= grid.periods)
    whole = departure > arrival
    evse_ids = tuple(sorted(set(table.evse_id)))
    number = {name: k for k, name in enumerate(evse_ids)}
    evse = np.array([number[name] for name in table.evse_id], dtype=np.int64)
    apart = _apart(evse, arrival, departure, inside & whole)
    rows = np.flatnonzero(inside & whole & apart)
    dropped = inside & ~(whole & apart)
    return Placed(
        stays=_stays(table, energy, grid, rows, arrival, departure, evse, evse_ids,
                     (evse_charge_kw, evse_discharge_kw, evse_min_charge_kw)),
        rows=rows,
        outside=int((~inside).sum()),
        too_short=int((inside & ~whole).sum()),
        overlapping=int((inside & whole & ~apart).sum()),
        lost_kwh=float(table.delivered_kwh[dropped].sum()),
    )  # fmt: skip


def _apart(evse: Ints, arrival: Ints, departure: Ints, wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Marks sessions that begin only after the one before on their EVSE has ended."""
    free_from: dict[int, int] = {}
    apart = np.ones(evse.shape[0], dtype=np.bool_)
    for i in np.flatnonzero(wanted):
        where = int(evse[i])
        if arrival[i] < free_from.get(where, -1):
            apart[i] = False
        else:
            free_from[where] = int(departure[i])
    return apart


def _stays(
    table: SessionTable, energy: EnergyColumns, grid: TimeGrid, rows: NDArray[np.intp], arrival: Ints,
    departure: Ints, evse: Ints, evse_ids: tuple[str, ...], ratings: tuple[float, float, float],
) -> Stays:  # fmt: skip
    charge, discharge, minimum = ratings
    first = energy.energy_at_arrival_kwh[rows]
    capacity = energy.capacity_kwh[rows]
    eta_c = energy.charge_efficiency[rows]
    linked = table.has_energy_since_last_session[rows]
    asked = np.where(table.has_request[rows], first + energy.request_kwh[rows] * eta_c, capacity)
    target = first + table.delivered_kwh[rows] * eta_c
    declared = (table.declared_departure_s[rows] - grid.start_s) // grid.step_s
    declared = np.maximum(declared, arrival[rows] + 1)
    charge_kw = np.minimum(energy.charge_kw[rows], charge)
    return Stays(
        session_id=tuple(table.session_id[i] for i in rows),
        evse=evse[rows],
        evse_ids=evse_ids,
        arrival=arrival[rows],
        departure=departure[rows],
        declared=np.where(table.has_declared_departure[rows], declared, -1),
        energy_kwh=first,
        floor_kwh=energy.energy_min_kwh[rows],
        asked_kwh=np.minimum(asked, capacity),
        target_kwh=np.minimum(target, np.maximum(capacity, first)),
        charge_kw=charge_kw,
        discharge_kw=np.minimum(energy.discharge_kw[rows], discharge),
        eta_c=eta_c,
        eta_d=energy.discharge_efficiency[rows],
        minimum_kw=np.minimum(minimum, charge_kw),
        previous=_previous(table, rows, linked),
        away_kwh=np.where(linked, table.energy_since_last_session_kwh[rows], 0.0),
        target_known=np.asarray(table.has_soc_at_arrival[rows] | linked),
        capacity_kwh=capacity,
    )


def _previous(table: SessionTable, rows: NDArray[np.intp], linked: NDArray[np.bool_]) -> Ints:
    """Index of the same vehicle's previous stay where the energy driven in between is known."""
    last: dict[str, int] = {}
    previous = np.full(rows.shape[0], -1, dtype=np.int64)
    for k, row in enumerate(rows):
        name = table.vehicle_id[row]
        if name is None:
            continue
        if linked[k] and name in last:
            previous[k] = last[name]
        last[name] = k
    return previous
