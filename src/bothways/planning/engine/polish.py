"""The loop around the fully corrective passes: takes a search over and drives its gap down."""

from __future__ import annotations

import math

import numpy as np

from bothways.planning.engine.certificate import repaired
from bothways.planning.engine.corrective import (
    add_columns,
    mixed_schedules,
    mixture_energy,
    move_weights,
    places,
    seed_columns,
)
from bothways.planning.engine.search import NOWHERE, Search
from bothways.planning.engine.simd import LANES
from bothways.planning.engine.site import LOAD, conjugate, coupling_price, site_cost
from bothways.planning.problem import Floats, Ints

INNER_SWEEPS = 3
"""Sweeps over the weights between two prices at first: few are cheap, and enough for most fleets."""

BALANCE = 0.3
"""As in ``search``, for the corrective passes."""

MOST_INNER_SWEEPS = 24

GIVE_UP = 120
"""Passes without progress after which the answer is what it is."""

FRESH_SUMS = 16
"""Passes after which the site's total is summed anew, before rounding adds up."""

PATIENCE = 12
"""Passes without progress after which the weights get twice as many sweeps: too few, and prices chase each other."""


def polish(search: Search, gap: float, most_passes: int) -> None:
    """Continues ``search`` with fully corrective passes until the proven gap is at most ``gap``.

    Every pass is certified: its oracle answers at one price, in float64, are the lower bound.
    """
    site, blocks = search.site, search.blocks
    lanes = blocks.count * LANES
    place, size, columns = places(blocks)
    energy = np.zeros(size)
    own, weight = np.zeros((lanes, columns)), np.empty((lanes, columns))
    seed_columns(
        blocks.columns, blocks.window, blocks.first_row, blocks.vehicle, place, search.schedules, energy, own,
        weight,
    )  # fmt: skip
    search.schedules = search.schedules.astype(np.float64)
    taken = np.flatnonzero(blocks.vehicle >= 0)
    load_kwh = site.table[LOAD * site.width : (LOAD + 1) * site.width]
    sums = np.empty(site.width)
    table = search.tables(site)
    z, wanted, price = np.empty(site.width), np.empty(site.width), np.empty(site.width)
    inner, best, since, idle = INNER_SWEEPS, math.inf, 0, 0
    for done in range(most_passes):
        if done % FRESH_SUMS == 0:
            mixture_energy(blocks.columns, blocks.vehicle, site.width, place, energy, weight, load_kwh, sums)
        if search.cancel is not None and search.cancel():
            break
        search.sweeps += 1
        prices = search.prices
        coupling_price(
            sums,
            prices.energy,
            search.rho,
            *search.tables(search.pricing),
            prices.charges,
            z,
            wanted,
            0,
            site.width,
            price,
        )
        np.maximum(price, search.lowest, out=price)
        prices.energy = price.copy()
        dual = -conjugate(price, site.periods, *table, prices.charges.copy())
        dual += float(price[: site.periods] @ site.row(LOAD))
        site_cost_now, _ = site_cost(sums, site.periods, *table)
        values, fleet_gap = add_columns(
            blocks.columns, blocks.window, blocks.vehicle, price, site.periods, site.width, place, energy, own, weight
        )
        search.bounds.lower = max(search.bounds.lower, search.offset + dual + values)
        site_gap = abs(site_cost_now - dual - float(price[: site.periods] @ (sums - load_kwh)[: site.periods]))
        if fleet_gap + site_gap <= 1.2 * gap * max(1.0, abs(search.offset + dual + values)):
            _price_schedule(search, place, energy, weight)
            if search.bounds.gap() <= gap:
                return
        search.rescale(fleet_gap, site_gap, BALANCE)
        since, idle = since + 1, idle + 1
        if fleet_gap + site_gap < 0.7 * best:
            best, since, idle = fleet_gap + site_gap, 0, 0
        elif idle >= GIVE_UP:
            break
        elif since >= PATIENCE:
            inner, since = min(2 * inner, MOST_INNER_SWEEPS), 0
        move_weights(
            inner, search.rng.permutation(taken), blocks.columns, place, energy, own, weight, sums, prices.energy,
            search.rho, search.lowest, *search.tables(search.pricing), prices.charges,
        )  # fmt: skip
    _price_schedule(search, place, energy, weight)


def _price_schedule(search: Search, place: Ints, energy: Floats, weight: Floats) -> None:
    """Writes the mixtures into the search's schedules and prices exactly those."""
    site, blocks = search.site, search.blocks
    mixed_schedules(
        blocks.columns, blocks.window, blocks.first_row, blocks.vehicle, place, energy, weight, search.schedules
    )
    search.sums = np.zeros((1, site.width))
    own_cost = repaired(
        0, blocks.count, blocks.columns, blocks.window, blocks.first_row, search.schedules, search.sums[0],
        NOWHERE,
    )  # fmt: skip
    cost, broken = site_cost(
        search.total(), site.periods, site.table, site.width, site.limits, site.charges, site.masks
    )
    search.settle(search.offset + cost + own_cost, broken)
    if search.progress is not None:
        search.progress(search.sweeps, search.bounds.lower, search.bounds.upper)
