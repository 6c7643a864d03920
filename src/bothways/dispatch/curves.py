"""Losses at part load as compiled loops take them: what power stores, and what stored power gives."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bothways.planning.part_load import PartLoad
from bothways.planning.segments import in_for, out_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Curves(NamedTuple):
    """Both directions of all vehicles: out = max(0, min_k(slope_k·in + intercept_k)), arrays of shape ``(N, K)``.

    Attributes:
        in_slope, in_intercept: charging, AC power in, stored power out.
        out_slope, out_intercept: discharging, stored power in, AC power out.
    """

    in_slope: Floats
    in_intercept: Floats
    out_slope: Floats
    out_intercept: Floats


def curves_of(part_load: PartLoad | None, eta_c: Floats, eta_d: Floats) -> Curves | None:
    """The curves of vehicles, or the efficiencies of those without; ``None`` where nobody has losses at part load."""
    if part_load is None:
        return None
    charge, discharge = part_load.segments(eta_c, eta_d)
    return Curves(charge.slope, charge.intercept, discharge.slope, discharge.intercept)


@njit(cache=True, nogil=True)
def stored_kwh(curves: Curves, power_kw: Floats, who: NDArray[np.int32], step_h: float) -> float:
    """Energy that a table of AC power has stored, ``(E, T)`` with the vehicle of each entry, −1 for none [kWh]."""
    total = 0.0
    for e in range(power_kw.shape[0]):
        for t in range(power_kw.shape[1]):
            i, power = who[e, t], power_kw[e, t]
            if i >= 0 and power > 0.0:
                total += out_of(curves.in_slope, curves.in_intercept, i, power)
            elif i >= 0 and power < 0.0:
                total -= in_for(curves.out_slope, curves.out_intercept, i, -power)
    return total * step_h
