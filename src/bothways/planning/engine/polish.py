"""The loop around the fully corrective passes: takes a search over and drives its gap down."""

from __future__ import annotations

import math

import numpy as np

from bothways.planning.engine.corrective import (
    add_columns,
    mixed_schedules,
    mixture_energy,
    places,
    seed_columns,
)
from bothways.planning.engine.meter_price import KNOWN, coupling_price
from bothways.planning.engine.search import Search
from bothways.planning.engine.simd import LANES
from bothways.planning.engine.site import LOAD
from bothways.planning.engine.weights import move_weights
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


def polish(search: Search, gap: float, most_passes: int, give_up: int = GIVE_UP) -> None:
    """Continues ``search`` with fully corrective passes until the proven gap is at most ``gap``.

    Every pass is certified: its oracle answers at one price, in float64, are the lower bound. After ``give_up`` passes
    without progress the answer is what it is.
    """
    site, blocks, rows = search.site, search.blocks, search.coupling
    lanes, extra = blocks.count * LANES, rows.extra
    place, size, columns = places(blocks, stocked=extra.stock.size > 0)
    energy = np.zeros(size)
    own, weight = np.zeros((lanes, columns)), np.empty((lanes, columns))
    seed_columns(
        blocks.columns, blocks.window, blocks.first_row, blocks.vehicle, place, search.schedules, extra, energy, own,
        weight,
    )  # fmt: skip
    search.schedules = search.schedules.astype(np.float64)
    taken = np.flatnonzero(blocks.vehicle >= 0)
    load_kwh = site.table[LOAD * site.width : (LOAD + 1) * site.width]
    sums = np.empty(site.width + rows.numbers)
    inner, best, since, idle = INNER_SWEEPS, math.inf, 0, 0
    for done in range(most_passes):
        if done % FRESH_SUMS == 0:
            mixture_energy(blocks.columns, blocks.vehicle, site.width, place, energy, weight, load_kwh, extra, sums)
        if search.cancel is not None and search.cancel():
            break
        search.sweeps += 1
        follow(search, sums)
        prices = search.prices
        meter = search.conjugate()
        dual, y, by_kind = search.dual(*meter)
        values, fleet_gap = add_columns(
            blocks.columns, blocks.window, blocks.first_row, blocks.vehicle, by_kind, rows.kinds, y, extra,
            site.periods, site.width, place, energy, own, weight,
        )  # fmt: skip
        search.learn(search.offset + dual + values, y)
        site_gap, row_gaps = search.site_gap(sums, *meter), search.row_gaps(sums[site.width :])
        open_gap = fleet_gap + site_gap + float(row_gaps.sum())
        if open_gap <= 1.2 * gap * max(1.0, abs(search.offset + dual + values)):
            _price_schedule(search, place, energy, weight)
            if search.bounds.gap() <= gap:
                return
        search.rescale(fleet_gap, site_gap, row_gaps, BALANCE)
        since, idle = since + 1, idle + 1
        if open_gap < 0.7 * best:
            best, since, idle = open_gap, 0, 0
        elif idle >= give_up:
            break
        elif since >= PATIENCE:
            inner, since = min(2 * inner, MOST_INNER_SWEEPS), 0
        move_weights(
            inner, search.rng.permutation(taken), blocks.columns, place, energy, own, weight, sums, prices.energy,
            search.rho, search.lowest, *search.tables(search.pricing), prices.charges, search.pricing_rows.extra,
            prices.extra, search.rate,
        )  # fmt: skip
    _price_schedule(search, place, energy, weight)


def follow(search: Search, sums: Floats) -> None:
    """Moves the prices of all couplings to where the totals are."""
    site, prices = search.site, search.prices
    z, wanted, price = np.empty(site.width), np.empty(site.width + KNOWN), np.empty(site.width)
    coupling_price(
        sums, prices.energy, search.rho, *search.tables(search.pricing), prices.charges, z, wanted, 0, site.width, 0,
        site.width, price,
    )  # fmt: skip
    prices.energy = np.maximum(price, search.lowest)
    search.follow_rows(sums[site.width :])


def _price_schedule(search: Search, place: Ints, energy: Floats, weight: Floats) -> None:
    """Writes the mixtures into the search's schedules and prices exactly those."""
    blocks = search.blocks
    mixed_schedules(
        blocks.columns, blocks.window, blocks.first_row, blocks.vehicle, place, energy, weight, search.schedules
    )
    upper, broken, excess = search.upper(search.schedules)
    search.settle(upper, broken, excess)
    search.restore(upper, excess)
    if search.progress is not None:
        search.progress(search.sweeps, search.bounds.lower, search.bounds.upper)
