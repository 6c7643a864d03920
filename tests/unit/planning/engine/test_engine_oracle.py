"""The oracle of one vehicle against a linear program, and the lanes against the oracle."""

import numpy as np
import pytest
from scipy.optimize import linprog

from bothways.planning.engine import lanes
from bothways.planning.engine.model import (
    BEGIN,
    BIG,
    CEILING,
    E0,
    END,
    FIELDS,
    FLOOR,
    MOST_IN,
    MOST_OUT,
    ONE_WAY,
    PER_IN,
    PER_OUT,
    REQUIRED,
    VALUE,
    WEAR,
    pack,
)
from bothways.planning.engine.oracle import cheapest
from bothways.planning.engine.simd import HALF, LANES

PERIODS = 20


def _rows(rng: np.random.Generator, size: int) -> np.ndarray:
    rows = np.zeros((size, FIELDS))
    rows[:, BEGIN] = rng.integers(0, PERIODS, size)
    rows[:, END] = np.minimum(PERIODS, rows[:, BEGIN] + rng.integers(1, PERIODS + 1, size))
    rows[:, MOST_IN] = rng.uniform(1.0, 5.0, size)
    rows[:, MOST_OUT] = np.where(rng.random(size) < 0.7, rng.uniform(1.0, 5.0, size), 0.0)
    rows[:, ONE_WAY] = np.where(rows[:, MOST_OUT] > 0.0, 0.0, BIG)
    rows[:, CEILING] = rng.uniform(10.0, 60.0, size)
    rows[:, FLOOR] = rng.uniform(0.0, 5.0, size)
    rows[:, E0] = rng.uniform(rows[:, FLOOR], rows[:, CEILING])
    reachable = rows[:, E0] + rows[:, MOST_IN] * (rows[:, END] - rows[:, BEGIN])
    rows[:, REQUIRED] = np.minimum(rng.uniform(rows[:, FLOOR], rows[:, CEILING]), reachable)
    rows[:, PER_IN], rows[:, PER_OUT] = 1.0 / rng.uniform(0.8, 1.0, size), rng.uniform(0.8, 1.0, size)
    rows[:, WEAR], rows[:, VALUE] = rng.uniform(0.0, 0.1, size), rng.choice([0.0, 0.15], size)
    return rows


def _least_cost(row: np.ndarray, price: np.ndarray) -> float:
    begin, end = int(row[BEGIN]), int(row[END])
    steps = end - begin
    here = price[begin:end]
    cost = np.concatenate([here * row[PER_IN] - row[VALUE], row[VALUE] - (here - row[WEAR]) * row[PER_OUT]])
    lower = np.tril(np.ones((steps, steps)))
    stored = np.hstack([lower, -lower])
    most, least = np.full(steps, row[CEILING] - row[E0]), np.full(steps, row[FLOOR] - row[E0])
    least[-1] = max(least[-1], row[REQUIRED] - row[E0])
    result = linprog(
        cost,
        A_ub=np.vstack([stored, -stored]),
        b_ub=np.concatenate([most, -least]),
        bounds=[(0.0, row[MOST_IN])] * steps + [(0.0, row[MOST_OUT])] * steps,
    )
    assert result.status == 0
    return float(result.fun)


def test_oracle_finds_the_least_cost() -> None:
    rng = np.random.default_rng(4)
    change = np.empty(PERIODS)
    for row in _rows(rng, 60):
        price = rng.uniform(0.0, 0.5, PERIODS)
        assert cheapest(row, price, change) == pytest.approx(_least_cost(row, price), abs=1e-9)
        stored = row[E0] + np.cumsum(change)
        assert stored.max() <= row[CEILING] + 1e-9
        assert stored.min() >= row[FLOOR] - 1e-9
        assert stored[-1] >= row[REQUIRED] - 1e-9


@pytest.mark.parametrize(("kind", "width", "within"), [(np.float64, HALF, 1e-12), (np.float32, LANES, 1e-3)])
def test_lanes_agree_with_the_readable_oracle(kind: type, width: int, within: float) -> None:
    rng = np.random.default_rng(5)
    rows = _rows(rng, 3 * LANES - 5)
    blocks = pack(rows, PERIODS)
    price = rng.uniform(0.0, 0.5, PERIODS)
    scratch = [np.empty(2 * lanes.slots(PERIODS), kind) for _ in range(2)]
    tables = [np.empty(PERIODS * LANES, kind) for _ in range(3)]
    change = np.empty(PERIODS)
    seen = 0
    for block in range(blocks.count):
        first, last = blocks.window[block]
        tables[2][:] = 0.0
        for half in range(LANES // width):
            lanes.cheapest_block(
                blocks.columns, block, half, width, price, scratch[0][:0], first, last, *scratch, *tables
            )
        answers = tables[2].reshape(PERIODS, LANES).T.astype(np.float64)
        for lane in range(LANES):
            vehicle = blocks.vehicle[block * LANES + lane]
            if vehicle < 0:
                continue
            row, x = rows[vehicle], answers[lane]
            cost = np.where(x > 0.0, price * x * row[PER_IN], (price - row[WEAR]) * x * row[PER_OUT]).sum()
            assert cost - row[VALUE] * x.sum() == pytest.approx(cheapest(row, price, change), abs=within)
            seen += 1
    assert seen == rows.shape[0]
