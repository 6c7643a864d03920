"""What the couplings eat up of a gain: a schedule that moves changes the prices that it moved for."""

from __future__ import annotations

from numba import njit

from bothways.planning.engine.coupling import Extra, add_group_prices, extra_prices
from bothways.planning.engine.meter_price import coupling_price
from bothways.planning.problem import Floats


@njit(cache=True, nogil=True)
def eaten_up(
    moved: Floats, totals: Floats, i: int, begin: int, end: int, centre: Floats, rho: float, stairs: Floats, width: int,
    limits: Floats, charges: Floats, masks: Floats, mu: Floats, z: Floats, wanted: Floats, price: Floats,
    extra_centre: Floats, rate: Floats, extra: Extra, y: Floats, y_probe: Floats, probe: Floats,
) -> float:  # fmt: skip
    """Change of prices times change of totals, over one vehicle's stay [currency].

    Takes:
        moved, totals: what the couplings see after and before the move, as the sweeps keep it [kWh].
        i, begin, end: vehicle and its stay.
        centre, rho, stairs, width, limits, charges, masks, mu, z, wanted: as ``coupling_price`` takes them.
        price: price of energy before, as this vehicle sees it, ``(≥ T,)``.
        extra_centre, rate, extra: as ``extra_prices`` takes them.
        y: prices of the rows of ``extra`` before, flat ``(M, width)``.
        y_probe, probe: written.
    """
    coupling_price(
        moved, centre, rho, stairs, width, limits, charges, masks, mu, z, wanted, begin, end, begin, end, probe
    )
    eaten = 0.0
    if extra.rows > 0:
        extra_prices(moved, width, extra_centre, rate, extra, width, begin, end, y_probe)
        for t in range(begin, end):
            for j in range(extra.rows):
                eaten += (y_probe[j * width + t] - y[j * width + t]) * (
                    moved[(1 + j) * width + t] - totals[(1 + j) * width + t]
                )
        add_group_prices(y, extra, i, width, begin, end, probe)
    for t in range(begin, end):
        eaten += (probe[t] - price[t]) * (moved[t] - totals[t])
    return eaten
