"""A whole study period under a rule instead of a plan, compiled: uncontrolled charging and its relatives."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bothways.dispatch.curves import Curves, curves_of
from bothways.dispatch.setpoints import setpoints
from bothways.domain.errors import DomainError
from bothways.simulation.plant import respond
from bothways.simulation.stays import Stays

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Trace:
    """What happened, per EVSE and per stay.

    Attributes:
        evse_power_kw: mean AC power, shape ``(E, T)`` [kW].
        evse_energy_kwh: stored energy of the connected vehicle at the end of the step, ``(E, T)`` [kWh]; 0 if vacant.
        evse_stay: index of the connected stay, ``(E, T)``; −1 where vacant.
        energy_end_kwh: stored energy at plug-out, ``(S,)`` [kWh].
        energy_start_kwh: stored energy at plug-in, ``(S,)`` [kWh].
        discharged_kwh: AC energy discharged per stay, ``(S,)`` [kWh].
        charged_kwh: AC energy charged per stay, ``(S,)`` [kWh].
    """

    evse_power_kw: Floats
    evse_energy_kwh: Floats
    evse_stay: NDArray[np.int32]
    energy_end_kwh: Floats
    energy_start_kwh: Floats
    discharged_kwh: Floats
    charged_kwh: Floats

    @property
    def vehicles_kw(self) -> Floats:
        """Sum over all EVSEs, shape ``(T,)`` [kW]."""
        return np.asarray(self.evse_power_kw.sum(axis=0))


def charge_on_arrival(
    stays: Stays,
    base_kw: Floats,
    step_h: float,
    *,
    import_hard_limit_kw: float = math.inf,
    import_target_kw: float = math.inf,
) -> Trace:
    """Uncontrolled charging: every vehicle draws full power from plug-in until it is full or leaves.

    Args:
        stays: the sessions on a grid of T steps.
        base_kw: load minus production without vehicles, shape ``(T,)`` [kW].
        step_h: step [h].
        import_hard_limit_kw: safety limit of the site [kW]; dispatch shares it in proportion.
        import_target_kw: a static load-management limit [kW] that gives way to required energy.

    Returns:
        The trace, energies on the battery side.

    Raises:
        DomainError: a stay ends after the grid.
    """
    periods = int(base_kw.shape[0])
    if stays.size and int(stays.departure.max()) > periods:
        msg = "a stay ends after the grid"
        raise DomainError(msg)
    parts = _run(
        stays.arrival, stays.departure, stays.evse, stays.evse_count, stays.energy_kwh, stays.floor_kwh,
        stays.target_kwh, stays.charge_kw, stays.eta_c, stays.eta_d, stays.minimum_kw, stays.previous,
        stays.away_kwh, np.ascontiguousarray(base_kw), step_h, import_hard_limit_kw, import_target_kw,
        curves_of(stays.part_load, stays.eta_c, stays.eta_d),
    )  # fmt: skip
    return Trace(*parts)


@njit(cache=True, nogil=True)
def _chosen(curves: Curves | None, who: Ints) -> Curves | None:
    """The curves of some of the stays."""
    if curves is None:
        return None
    return Curves(curves.in_slope[who], curves.in_intercept[who], curves.out_slope[who], curves.out_intercept[who])


@njit(cache=True, nogil=True)
def _run(
    arrival: Ints, departure: Ints, evse: Ints, evse_count: int, energy0: Floats, floor: Floats, target: Floats,
    charge_kw: Floats, eta_c: Floats, eta_d: Floats, minimum_kw: Floats, previous: Ints, away_kwh: Floats,
    base_kw: Floats, step_h: float, hard_kw: float, target_kw: float, curves: Curves | None = None,
) -> tuple[Floats, Floats, NDArray[np.int32], Floats, Floats, Floats, Floats]:  # fmt: skip
    periods = base_kw.shape[0]
    count = arrival.shape[0]
    power_out = np.zeros((evse_count, periods))
    energy_out = np.zeros((evse_count, periods))
    stay_out = np.full((evse_count, periods), -1, dtype=np.int32)
    energy = energy0.copy()
    start = energy0.copy()
    charged = np.zeros(count)
    present = np.empty(evse_count, dtype=np.int64)
    free = math.isinf(hard_kw) and math.isinf(target_kw)
    held = 0
    upcoming = 0
    for t in range(periods):
        kept = 0
        for k in range(held):
            if departure[present[k]] > t:
                present[kept] = present[k]
                kept += 1
        held = kept
        while upcoming < count and arrival[upcoming] == t:
            i = upcoming
            if previous[i] >= 0:
                energy[i] = max(0.0, energy[previous[i]] - away_kwh[i])
                start[i] = energy[i]
            present[held] = i
            held += 1
            upcoming += 1
        who = present[:held]
        if free:
            points = charge_kw[who]
        else:
            left = departure[who] - t
            none = np.zeros(held)
            least, promised = none, none  # under the safety limit alone nobody goes first: no departure is known
            if not math.isinf(target_kw):
                least, promised = floor[who], target[who]
            points = setpoints(
                charge_kw[who], energy[who], least, target[who], promised, left, charge_kw[who], none, eta_c[who],
                eta_d[who], minimum_kw[who], base_kw[t], target_kw, hard_kw, math.inf, step_h, _chosen(curves, who),
            )  # fmt: skip
        for k in range(held):
            i = who[k]
            power, energy[i] = respond(
                points[k], energy[i], target[i], charge_kw[i], 0.0, eta_c[i], eta_d[i], step_h, curves, i
            )
            charged[i] += power * step_h
            power_out[evse[i], t] = power
            energy_out[evse[i], t] = energy[i]
            stay_out[evse[i], t] = i
    return power_out, energy_out, stay_out, energy, start, np.zeros(count), charged
