"""A step of the interior-point method against the same linear system solved whole, by dense algebra."""

import numpy as np
import pytest

from bothways.planning.engine.interior import passes, start
from bothways.planning.engine.interior.method import MOST_AT_ONCE, Interior, _predict
from bothways.planning.engine.model import BEGIN, E0, END, FIELDS, PER_IN, PER_OUT, VALUE, WEAR, pack, stays_of
from bothways.planning.engine.prices import price_unit
from bothways.planning.engine.simd import LANES, REGISTER
from bothways.planning.engine.site import site_of
from bothways.planning.problem import DemandCharge, Fleet, PlanProblem

STEPS = 24


def some_problem(seed: int, vehicles: int, charges: int) -> PlanProblem:
    rng = np.random.default_rng(seed)
    arrival = rng.integers(0, STEPS - 6, vehicles)
    one = np.ones(vehicles)
    energy = rng.uniform(15.0, 25.0, vehicles)
    departure, wish = np.minimum(STEPS, arrival + rng.integers(1, 18, vehicles)), energy + rng.uniform(0, 3, vehicles)
    fleet = Fleet(
        arrival, departure, energy, wish, 5.0 * one, 40.0 * one,
        rng.choice([7.4, 11.0], vehicles), rng.choice([0.0, 7.4], vehicles), 0.93 * one,
        0.9 * one, 0.03 * one, 0.0 * one, np.zeros(vehicles, np.bool_),
    )  # fmt: skip
    price = rng.uniform(0.1, 0.4, STEPS)
    masks = [np.ones(STEPS, np.bool_), np.arange(STEPS) > 10]
    return PlanProblem(
        1.0, STEPS, price, 0.5 * price, rng.uniform(5.0, 20.0, STEPS), fleet,
        tuple(DemandCharge(3.0 + k, masks[k % 2], 4.0 * k) for k in range(charges)), import_limit_kw=60.0,
        import_limit_penalty_per_kwh=0.2, terminal_value_per_kwh=0.1,
    )  # fmt: skip


def equations(interior: Interior) -> tuple[np.ndarray, np.ndarray, list[tuple[int, int, int]]]:
    """The constraint matrix (rows: vehicle-steps, then the meter's), right-hand sides and costs, and the places."""
    state, meter = interior._state, interior.meter
    table = state.cars.columns.reshape(-1, FIELDS, LANES)
    places = []  # lane's number in tables, step, place of its row
    for base, first, last, place, _ in state.cars.groups.tolist():
        block, part = base // (FIELDS * LANES), base % (FIELDS * LANES)
        for lane in range(REGISTER):
            begin, end = table[block, BEGIN, part + lane], table[block, END, part + lane]
            places += [
                (block * LANES + part + lane, t, place + (t - first) * REGISTER + lane)
                for t in range(first, last)
                if begin <= t < end
            ]
    size, steps = state.cars.size, meter.periods
    own = meter.high.size
    matrix = np.zeros((len(places) + meter.rows, 3 * size + own))
    for row, (lane, t, n) in enumerate(places):
        block, at = lane // LANES, lane % LANES
        matrix[row, [n, size + n, 2 * size + n]] = 1.0, -1.0, -1.0
        if t > table[block, BEGIN, at]:
            matrix[row, 2 * size + n - REGISTER] = 1.0
        matrix[len(places) + t, n] = -table[block, PER_IN, at]
        matrix[len(places) + t, size + n] = table[block, PER_OUT, at]
    for k, column in enumerate(np.eye(own)):
        i, x, e, u, peaks, rests = meter.parts(column)
        bought = i + x
        matrix[len(places) :, 3 * size + k] = np.concatenate(
            [bought - e - u, peaks[meter.charge] - bought[meter.step] - rests]
        )
    cost = np.zeros(3 * size + own)
    cost[3 * size :] = meter.cost
    right = np.zeros(matrix.shape[0])
    right[len(places) :] = meter.side
    for row, (lane, t, n) in enumerate(places):
        block, at = lane // LANES, lane % LANES
        if t == table[block, BEGIN, at]:
            right[row] = -table[block, E0, at]
        cost[n] = -table[block, VALUE, at]
        cost[size + n] = table[block, WEAR, at] * table[block, PER_OUT, at] + table[block, VALUE, at]
    assert steps == STEPS
    return matrix, np.concatenate([right, cost]), places


@pytest.mark.parametrize(("vehicles", "charges"), [(1, 0), (3, 1), (20, 2), (45, 1)])
def test_the_predictor_solves_newtons_equations(vehicles: int, charges: int) -> None:
    problem = some_problem(vehicles, vehicles, charges)
    stays = stays_of(problem)
    site, blocks = site_of(problem, stays.forced), pack(stays.rows, STEPS)
    peaks = np.full((charges, STEPS), 0.05)
    interior = Interior(site, blocks, np.asarray(problem.import_price) + 0.02, peaks, price_unit(site))
    assert interior.iterate(0.0, 0.0) == MOST_AT_ONCE
    state = interior._state
    own = interior.meter.high.size
    x, low, high, over, under = (
        np.concatenate([getattr(state.at, name), getattr(state.own, name)[:own]])
        for name in ("x", "low", "high", "over", "under")
    )
    _predict(state)
    found = np.concatenate([state.at.step, state.own.step[:own]])
    matrix, numbers, places = equations(interior)
    right, cost = numbers[: matrix.shape[0]], numbers[matrix.shape[0] :]
    rows = [n for _, _, n in places]
    moves = low > 0.0
    stiff = low / over + np.where(high > 0.0, high / under, 0.0)
    y = np.concatenate([-state.chains.price[rows], state.y])
    # Newton: [−D Aᵀ; A 0]·[dx; dy] with D = stiffness; the multipliers' own equations are eliminated.
    a = matrix[:, moves]
    top = np.hstack([-np.diag(stiff[moves]), a.T])
    whole = np.vstack([top, np.hstack([a, np.zeros((a.shape[0], a.shape[0]))])])
    wanted = np.concatenate([cost[moves] - matrix[:, moves].T @ y, right - matrix @ x])
    solution = np.linalg.solve(whole, wanted)
    scale = float(np.abs(solution[: moves.sum()]).max())
    np.testing.assert_allclose(found[moves], solution[: moves.sum()], rtol=1e-5, atol=1e-6 * scale)
    assert not found[~moves].any()


def test_the_start_is_inside_all_bounds_and_keeps_the_vehicles_rows() -> None:
    problem = some_problem(7, 40, 1)
    stays = stays_of(problem)
    site, blocks = site_of(problem, stays.forced), pack(stays.rows, STEPS)
    interior = Interior(site, blocks, np.asarray(problem.import_price), np.zeros((1, STEPS)), price_unit(site))
    state = interior._state
    for point in (state.at, state.own):
        assert float(point.over.min()) > 0.0
        assert float(point.under.min()) > 0.0
        assert float(point.low.min()) >= 0.0
        assert float(point.high.min()) >= 0.0
    energy = np.zeros(site.width)
    assert passes._compare(state.cars, 0, state.at, state.chains, energy) < 1e-9
    assert start.level_of(0.2, 0.0, 0.0) > 0.0
