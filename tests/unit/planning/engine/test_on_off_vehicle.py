"""One vehicle on or off at given prices: against linear programs and against trying everything."""

from itertools import product

import numpy as np
import pytest
from scipy.optimize import linprog

from bothways.planning.engine.model import BEGIN, CEILING, E0, END, FIELDS, FLOOR, MOST_IN, MOST_OUT, REQUIRED
from bothways.planning.engine.onoff.branching import branched
from bothways.planning.engine.onoff.oracle import FREE, OFF, ON, cheapest_within, scratch
from bothways.planning.engine.onoff.runs import cheapest_run

STEPS = 5


def vehicle(rng, *, one_way=False):
    """A vehicle whose stay is ``STEPS`` long, its least change of a step, and prices that may be far below zero."""
    row = np.zeros(FIELDS)
    row[MOST_IN] = rng.uniform(1.0, 5.0)
    row[MOST_OUT] = 0.0 if one_way else rng.choice([0.0, rng.uniform(1.0, 5.0)])
    row[FLOOR], row[CEILING] = rng.uniform(0.0, 3.0), rng.uniform(12.0, 20.0)
    row[E0] = rng.uniform(row[FLOOR], 10.0)
    row[REQUIRED] = min(row[CEILING], row[E0] + rng.uniform(-2.0, 0.8 * STEPS) * row[MOST_IN])
    row[REQUIRED] = max(row[REQUIRED], row[FLOOR])
    row[BEGIN], row[END] = 0, STEPS
    buy = rng.uniform(-0.5, 0.6, STEPS)
    sell = buy - rng.choice([0.05, -0.3]) * np.abs(buy)  # selling for more than buying costs: burning would pay
    return row, float(row[MOST_IN] * rng.uniform(0.1, 0.8)), buy, sell


def by_linear_program(row, least, buy, sell, state):
    """The least cost with every step on or off; infinite where there is none."""
    low = [least if one == ON else -row[MOST_OUT] for one in state]
    high = [row[MOST_IN] if one == ON else 0.0 for one in state]
    cost = [buy[k] if one == ON else sell[k] for k, one in enumerate(state)]
    running = np.tril(np.ones((STEPS, STEPS)))
    floor = np.full(STEPS, row[FLOOR])
    floor[-1] = max(row[REQUIRED], row[FLOOR])
    found = linprog(
        cost, A_ub=np.vstack([running, -running]),
        b_ub=np.concatenate([np.full(STEPS, row[CEILING] - row[E0]), row[E0] - floor]),
        bounds=list(zip(low, high, strict=True)),
    )  # fmt: skip
    return found.fun if found.status == 0 else np.inf


def cost_of(buy, sell, x):
    return float(np.where(x > 0.0, buy * x, sell * x).sum())


@pytest.mark.parametrize("seed", range(25))
def test_decided_steps_cost_what_a_linear_program_says_and_undecided_ones_no_more(seed):
    rng = np.random.default_rng(seed)
    row, least, buy, sell = vehicle(rng)
    for _ in range(6):
        state = rng.choice([ON, OFF], STEPS)
        change = np.zeros(STEPS)
        cost = cheapest_within(row, least, buy, sell, state, STEPS, scratch(STEPS), change)
        exact = by_linear_program(row, least, buy, sell, state.tolist())
        assert cost == pytest.approx(exact, abs=1e-7)
        if np.isfinite(cost):
            assert cost_of(buy, sell, change) == pytest.approx(cost, abs=1e-9)
            loose = np.where(rng.random(STEPS) < 0.5, FREE, state)
            relaxed = cheapest_within(row, least, buy, sell, loose, STEPS, scratch(STEPS), change)
            assert relaxed <= cost + 1e-9


@pytest.mark.parametrize("seed", range(40))
def test_the_tree_finds_what_trying_all_states_finds(seed):
    row, least, buy, sell = vehicle(np.random.default_rng(1000 + seed))
    best = min(
        cheapest_within(row, least, buy, sell, np.array(one), STEPS, scratch(STEPS), np.zeros(STEPS))
        for one in product((ON, OFF), repeat=STEPS)
    )
    found = np.zeros(STEPS)
    room = np.empty(STEPS, np.int64), np.empty((3, STEPS + 1), np.int64), np.empty(STEPS + 1), scratch(STEPS)
    cost, bound = branched(row, least, buy, sell, STEPS, 10_000, 0.0, *room, np.zeros(STEPS), found)
    assert cost == pytest.approx(best, abs=1e-9)
    assert bound == pytest.approx(best, abs=1e-9)
    if np.isfinite(best):
        assert cost_of(buy, sell, found) == pytest.approx(best, abs=1e-8)
        assert np.all((found <= 0.0) | (found >= least - 1e-9))
    short, low = branched(row, least, buy, sell, STEPS, 2, 0.0, *room, np.zeros(STEPS), found)
    assert low <= best + 1e-9
    assert short >= best - 1e-9


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("begun", [False, True])
def test_the_best_run_is_the_best_of_all_windows(seed, begun):
    row, least, buy, sell = vehicle(np.random.default_rng(2000 + seed), one_way=True)
    windows = [
        [ON if begin <= k < end else OFF for k in range(STEPS)]
        for begin in range(STEPS)
        for end in range(begin + 1, STEPS + 1)
        if begin == 0 or not begun
    ]
    best = min(by_linear_program(row, least, buy, sell, one) for one in [[OFF] * STEPS, *windows])
    change = np.zeros(STEPS)
    cost = cheapest_run(row, least, buy, STEPS, begun, scratch(STEPS), change)
    assert cost == pytest.approx(best, abs=1e-7)
    if np.isfinite(cost):
        assert cost_of(buy, sell, change) == pytest.approx(cost, abs=1e-9)
        on = np.flatnonzero(change > 0.0)
        assert on.size == 0 or on[-1] - on[0] + 1 == on.size
