"""Lets the interior-point method end a search that steps alone do not end, and hands its answer to the certificate."""

from __future__ import annotations

import numpy as np

from bothways.planning.engine.interior.method import Interior
from bothways.planning.engine.model import BEGIN, END, FIELDS
from bothways.planning.engine.prices import price_unit
from bothways.planning.engine.search import Search
from bothways.planning.engine.simd import LANES

MOST_WORK = 3e10
"""Rows of the steps times the square of the longest stay in rows, up to which the method's system is small enough: days
and weeks of any stays, months of stays of some hours. At the most a step takes some two seconds."""

LITTLE_WORK = 1e9
"""The same up to which a step takes some sixty milliseconds at most, so that others need not be tried for long."""

MOST_CHARGES = 8
"""Demand charges up to which it is."""

MOST_STEPS = 60

_INSIDE = 5e-7  # distance that the method keeps from hard limits, of a step's energy
_EVEN_KWH = 1e-2  # what rows may still lack where a certificate is worth its time; the repair mends the rest
_NEAR, _CLOSER = 11.0, 0.5
"""The first certificate is made from so many times the gap on: what it proves is about an eighth of what the method has
come to. Another one once the method is close enough for it, going by the last, or has come that much closer."""

_ENOUGH = 0.03
"""The method aims at so small a share of the gap, and no lower."""


MOST_KINDS = 32
"""Kinds of vehicles, by their shares in group limits, up to which it is."""


def takes(periods: int, longest: int, charges: int) -> bool:
    """Whether the method's system is small enough for so many rows, the longest stay in rows, and demand charges."""
    return float(periods) * longest * longest <= MOST_WORK and charges <= MOST_CHARGES


def can_finish(search: Search) -> bool:
    """Whether the method takes what this search is about: meter and groups but no reserve, and not too long stays."""
    coupling = search.coupling
    if coupling.extra.rows > coupling.extra.groups or coupling.shares.shape[0] > MOST_KINDS:
        return False
    nodes, longest = _sizes(search)
    return takes(nodes * search.site.periods, nodes * longest, search.site.charges.shape[0])


def soon_done(search: Search) -> bool:
    """Whether steps of the method are so short that it may take over at once."""
    nodes, longest = _sizes(search)
    return float(nodes * search.site.periods) * (nodes * longest) ** 2 <= LITTLE_WORK


def _sizes(search: Search) -> tuple[int, int]:
    """Rows of a step, and steps of the longest stay."""
    columns = search.blocks.columns.reshape(-1, FIELDS, LANES)
    return 1 + search.coupling.extra.groups, int((columns[:, END] - columns[:, BEGIN]).max(initial=0.0))


def finish(search: Search, gap: float) -> None:
    """Steps until the proven gap is at most ``gap`` or the method is at its end.

    The best bounds stay, but for the upper one of a fleet of which only the last schedule is kept.
    """
    margin = _INSIDE * search.typical_kwh  # its equations hold but for rounding, hard limits do not bend
    site, hard = search.site.inside(margin), np.isinf(search.coupling.extra.penalty)
    coupling = search.coupling.tightened(margin * hard[:, None]) if hard.any() else search.coupling
    price = np.vstack([search.prices.energy[: site.periods], coupling.table(search.prices.extra)])
    peaks = search.prices.charges[: site.masks.size].reshape(-1, site.width)[:, : site.periods]
    interior = Interior(site, coupling, search.blocks, price, peaks, price_unit(site))
    looked, needed, last = _NEAR * gap / _CLOSER, _NEAR * gap, search.sweeps + MOST_STEPS
    moved = False
    while search.sweeps < last and not search.cancelled():
        scale = max(1.0, abs(search.offset + interior.objective))
        until = max(needed, _CLOSER * looked) * scale
        done = interior.iterate(min(_ENOUGH * gap * scale, 0.3 * until), until)
        if done == 0:
            break
        search.sweeps, moved = search.sweeps + done, True
        believed = interior.complementarity / max(1.0, abs(search.offset + interior.objective))
        if interior.lacking > _EVEN_KWH or (believed > needed and believed > _CLOSER * looked):
            continue
        looked, moved = believed, False
        _certify(search, interior, gap)
        if search.bounds.gap() <= gap:
            return
        needed = min(believed, gap * believed / search.bounds.gap())
    if moved:
        _certify(search, interior, gap)


def _certify(search: Search, interior: Interior, gap: float) -> None:
    """Brings prices and schedules into the search and recomputes both bounds."""
    site, prices, meter = search.site, search.prices, interior.meter
    y = np.where(np.isfinite(interior.y), interior.y, 0.0)
    nodes = y[: site.periods * meter.nodes].reshape(site.periods, meter.nodes)
    prices.energy[: site.periods] = np.maximum(nodes[:, 0], search.lowest)
    search.coupling.table(prices.extra)[:] = nodes[:, 1:].T
    charges = prices.charges[: site.masks.size].reshape(-1, site.width)
    charges[:] = 0.0
    charges[meter.charge, meter.step] = np.maximum(y[nodes.size :], 0.0)
    schedules = np.empty(search.schedules.size)
    interior.changes(schedules)
    search.schedules = schedules
    search.certify()
    if search.bounds.gap() > gap:
        _store_what_burns(search, interior)


def _store_what_burns(search: Search, interior: Interior) -> None:
    """Takes the schedule that the meter sees as the method does, where it keeps hard limits and costs less."""
    sums, schedules = search.sums, np.empty(search.schedules.size)
    interior.changes(schedules, as_metered=True)
    upper, broken, excess = search.upper(schedules)
    if upper < search.bounds.upper and search.keeps(broken, excess):
        search.schedules = schedules
        search.settle(upper, broken, excess)
        if search.progress is not None:
            search.progress(search.sweeps, search.bounds.lower, search.bounds.upper)
    else:
        search.sums = sums
