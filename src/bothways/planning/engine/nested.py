"""The nested start: a sample of a large fleet is solved first, for the prices to begin with."""

from __future__ import annotations

import numpy as np

from bothways.planning.engine.model import FIELDS, Blocks
from bothways.planning.engine.prices import Prices
from bothways.planning.engine.search import Search
from bothways.planning.engine.simd import LANES
from bothways.planning.problem import Ints

NESTED_BLOCKS = 64
"""A sample has at least this many blocks."""

NESTED_GAP = 1e-2
"""A sample is solved to this gap: its own optimum is not the fleet's, and what is left is cheaper to find there."""


def sample(blocks: Blocks, chosen: Ints) -> tuple[Blocks, float]:
    """Some of the blocks, and their share of the vehicles."""
    lanes = blocks.vehicle.reshape(-1, LANES)
    window = blocks.window[chosen]
    first_row = np.zeros(chosen.size + 1, dtype=np.int64)
    np.cumsum(window[:, 1] - window[:, 0], out=first_row[1:])
    part = Blocks(
        lanes[chosen].ravel(),
        blocks.columns.reshape(-1, FIELDS * LANES)[chosen].ravel(),
        window,
        first_row,
    )
    return part, float((part.vehicle >= 0).sum() / (blocks.vehicle >= 0).sum())


def start_prices(search: Search, prices: Prices, gap: float) -> Prices:
    """Solves a sample of the fleet, recursively, for the prices to begin with."""
    count = max(NESTED_BLOCKS, search.blocks.count // 32)
    if search.blocks.count < 2 * count:
        return prices
    # Every so-many-th block: a sample that is spread evenly over the kinds of stay.
    chosen = np.unique(np.linspace(0, search.blocks.count - 1, count).round().astype(np.int64))
    blocks, share = sample(search.blocks, chosen)
    small = Search(
        search.site.shrunk(share), search.coupling.sampled(search.blocks, chosen, share), blocks,
        int((blocks.vehicle >= 0).sum()), search.step_h, search.lowest, search.offset * share, 1, search.rng,
        search.cancel,
    )  # fmt: skip
    small.run(start_prices(small, prices, gap), max(gap, NESTED_GAP), 60)
    return small.prices
