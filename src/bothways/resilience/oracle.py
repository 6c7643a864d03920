"""The plain-numpy reference of survival without vehicles: slow, readable, written from the method's description.

All starts are followed side by side. The state of one start is a table (generators running) × (bins of stored energy)
that holds probabilities and, beside them, probability-weighted energies, so that a bin keeps its exact mean energy.
The compiled kernels keep frames instead of means and round down; the two agree within a bin.
"""

from __future__ import annotations

import numpy as np

from bothways.resilience.site import Floats, Site, generator_states
from bothways.resilience.survival import Starts


def survival_reference(site: Site, starts: Starts, keep: int, horizon: int, bins: int = 101) -> Floats:
    """Chance to have every hour so far, by start and hours since.

    Args:
        site: loads and sources; generators without a fuel limit.
        starts: when outages begin.
        keep: tiers kept on.
        horizon: longest outage [h].
        bins: of stored energy.

    Returns:
        Shape ``(S, horizon)``.
    """
    states = generator_states(site.generators)
    gen_kw = states.running @ states.unit_kw
    start_kwh, full_kwh, power_kw, turn = site.store_numbers
    load = site.load_kw[:keep].sum(axis=0)
    before = np.vstack([np.zeros(site.hours), np.cumsum(site.load_kw[:keep], axis=0)[:-1]])
    rush = (before + site.inrush_kw[:keep, None]).max(axis=0)
    total = np.zeros((starts.size, horizon))
    for weight, battery_works, sun_works in site.worlds:
        room, rating = full_kwh * battery_works, power_kw * battery_works
        chance = np.zeros((starts.size, gen_kw.size, bins))
        energy = np.zeros_like(chance)
        chance[:, :, 0] = states.start
        energy[:, :, 0] = states.start * start_kwh * battery_works
        for d in range(horizon):
            hour = (starts.hour + d) % site.hours
            chance = np.einsum("sgb,gh->shb", chance, states.move)
            energy = np.einsum("sgb,gh->shb", energy, states.move)
            stored = np.divide(energy, chance, out=np.zeros_like(energy), where=chance > 0.0)
            forms = (gen_kw > 0.0) | (rating > 0.0)
            supply = gen_kw[None, :] + np.where(forms, 1.0, 0.0) * (site.pv_kw[hour] * sun_works)[:, None]
            needed = np.maximum(load[hour], rush[hour]) if d == 0 else load[hour]
            most = np.minimum(rating, stored)
            carried = needed[:, None, None] - supply[:, :, None] <= most + 1e-7 * max(room, 1.0) / bins
            net = (supply - load[hour][:, None])[:, :, None]
            charged = np.minimum(np.maximum(stored, room), stored + np.minimum(np.maximum(net, 0.0), rating) * turn)
            after = np.where(net < 0.0, np.maximum(0.0, stored + net), charged)
            chance = chance * carried
            total[:, d] += weight * chance.sum(axis=(1, 2))
            chance, energy = _rebinned(chance, after, room, bins)
    return total


def _rebinned(chance: Floats, stored: Floats, room: float, bins: int) -> tuple[Floats, Floats]:
    """Moves every cell into the bin of its energy; cells that meet keep their mean."""
    size, states, _ = chance.shape
    place = np.zeros(chance.shape, dtype=np.int64)
    if room > 0.0:
        place = np.clip(np.round(stored / room * (bins - 1)).astype(np.int64), 0, bins - 1)
    row = (np.arange(size)[:, None, None] * states + np.arange(states)[None, :, None]) * bins + place
    cells = size * states * bins
    moved: Floats = np.zeros(cells)
    energy: Floats = np.zeros(cells)
    np.add.at(moved, row.ravel(), chance.ravel())
    np.add.at(energy, row.ravel(), (chance * stored).ravel())
    shape = (size, states, bins)
    return moved.reshape(shape), energy.reshape(shape)
