"""Lets the interior-point method end a search that steps alone do not end, and hands its answer to the certificate."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from bothways.planning.engine.interior.method import Interior
from bothways.planning.engine.model import BEGIN, END, FIELDS, Blocks, Numbers
from bothways.planning.engine.prices import price_unit
from bothways.planning.engine.search import Search
from bothways.planning.engine.simd import LANES
from bothways.planning.problem import Floats, Ints

MOST_WORK = 3e7
"""Steps times the square of the longest stay up to which the method's system is small enough: days of any stays, weeks
and months of stays of some hours."""

MOST_CHARGES = 8
"""Demand charges up to which it is."""

MOST_STEPS = 60

_INSIDE = 5e-7  # distance that the method keeps from hard limits, of a step's energy
_EVEN_KWH = 1e-2  # what rows may still lack where a certificate is worth its time; the repair mends the rest
_NEAR, _CLOSER, _ENOUGH = 30.0, 0.3, 1e-3
"""Certificates are made from so many times the gap on, whenever the method has come that much closer, until it believes
in so small a share of the gap: rounding may end it any time, and the best that was certified stays."""


def takes(periods: int, longest: int, charges: int) -> bool:
    """Whether the method's system is small enough for so many steps, the longest stay, and demand charges."""
    return float(periods) * longest * longest <= MOST_WORK and charges <= MOST_CHARGES


def can_finish(search: Search) -> bool:
    """Whether the method takes what this search is about: one meter, and not too long stays."""
    site = search.site
    columns = search.blocks.columns.reshape(-1, FIELDS, LANES)
    longest = int((columns[:, END] - columns[:, BEGIN]).max(initial=0.0))
    return takes(site.periods, longest, site.charges.shape[0]) and not search.coupling.extra.rows


def finish(search: Search, gap: float) -> None:
    """Steps until the proven gap is at most ``gap`` or the method is at its end; the best bounds stay."""
    search.schedules = search.schedules.astype(np.float64)
    site = search.site.inside(
        _INSIDE * search.typical_kwh
    )  # its equations hold but for rounding, hard limits do not bend
    interior = Interior(site, search.blocks, price_unit(site))
    looked = math.inf
    for _ in range(MOST_STEPS):
        if search.cancel is not None and search.cancel():
            break
        try:
            with np.errstate(all="ignore"):
                moved = interior.iterate()
        except np.linalg.LinAlgError:  # charges that say the same: what was certified so far is the answer
            break
        if moved == 0.0:
            break
        search.sweeps += 1
        believed = interior.complementarity / max(1.0, abs(search.offset + interior.objective))
        if believed > _NEAR * gap or believed > _CLOSER * looked or interior.lacking > _EVEN_KWH:
            continue
        looked = believed
        _certify(search, interior)
        if search.bounds.gap() <= gap or believed < _ENOUGH * gap:
            return


def _certify(search: Search, interior: Interior) -> None:
    """Brings prices and schedules into the search and recomputes both bounds."""
    site, prices, meter = search.site, search.prices, interior.meter
    y = np.where(np.isfinite(interior.y), interior.y, 0.0)
    prices.energy[: site.periods] = np.maximum(y[: site.periods], search.lowest)
    charges = prices.charges[: site.masks.size].reshape(-1, site.width)
    charges[:] = 0.0
    charges[meter.charge, meter.step] = np.maximum(y[site.periods :], 0.0)
    _write(search.blocks, interior, search.schedules)
    search.certify()


def _write(blocks: Blocks, interior: Interior, schedules: Numbers) -> None:
    cars = interior.cars
    into, out, _ = interior.x[: cars.cost.size].reshape(3, -1)
    _write_changes(cars.lane, cars.edges, cars.first, into - out, blocks.window, blocks.first_row, schedules)


@njit(cache=True, nogil=True)
def _write_changes(
    lane: Ints, edges: Ints, first: Ints, change: Floats, window: Ints, first_row: Ints, schedules: Numbers
) -> None:
    """Writes changes of stored energy, ``(S,)``, where the blocks keep them; lanes without steps stay at 0."""
    for n in range(schedules.shape[0]):
        schedules[n] = 0.0
    for i in range(lane.shape[0]):
        block = lane[i] // LANES
        row = first_row[block] + first[i] - window[block, 0]
        for k in range(edges[i], edges[i + 1]):
            schedules[(row + k - edges[i]) * LANES + lane[i] % LANES] = change[k]
