"""A step of the interior-point method against the same linear system solved whole, by dense algebra."""

import numpy as np
import pytest

from bothways.planning.engine.coupling import Coupling, coupling_of, kinds_of, pack_by_kind
from bothways.planning.engine.interior import passes
from bothways.planning.engine.interior.method import MOST_AT_ONCE, Interior, _predict
from bothways.planning.engine.model import BEGIN, E0, END, FIELDS, PER_IN, PER_OUT, VALUE, WEAR, stays_of
from bothways.planning.engine.prices import price_unit
from bothways.planning.engine.simd import LANES, REGISTER
from bothways.planning.engine.site import site_of
from bothways.planning.limits import GroupLimit
from bothways.planning.problem import DemandCharge, Fleet, PlanProblem

STEPS = 24


def some_problem(seed: int, vehicles: int, charges: int, groups: int = 0) -> PlanProblem:
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
    sides = [{"upper_kw": 30.0}, {"lower_kw": -9.0, "upper_kw": 25.0}, {"lower_kw": -7.0}, {}]
    limits = tuple(
        GroupLimit.of(
            f"group {g}", rng.choice([0.0, 1.0 / 3.0, 1.0], vehicles), STEPS, base_kw=rng.uniform(0.0, 3.0, STEPS),
            penalty_per_kwh=np.inf if g == 1 else 0.7, **sides[g % 4],
        )
        for g in range(groups)
    )  # fmt: skip
    return PlanProblem(
        1.0, STEPS, price, 0.5 * price, rng.uniform(5.0, 20.0, STEPS), fleet,
        tuple(DemandCharge(3.0 + k, masks[k % 2], 4.0 * k) for k in range(charges)), import_limit_kw=60.0,
        import_limit_penalty_per_kwh=0.2, terminal_value_per_kwh=0.1, group_limits=limits,
    )  # fmt: skip


def interior_of(problem: PlanProblem) -> tuple[Interior, Coupling]:
    stays = stays_of(problem)
    shares, kind = kinds_of(problem)
    blocks, kinds = pack_by_kind(stays.rows, STEPS, kind, shares.shape[0])
    site, coupling = site_of(problem, stays.forced), coupling_of(problem, stays, blocks, shares, kinds)
    price = np.vstack([np.asarray(problem.import_price) + 0.02, np.full((len(problem.group_limits), STEPS), 0.01)])
    peaks = np.full((len(problem.demand_charges), STEPS), 0.05)
    return Interior(site, coupling, blocks, price, peaks, price_unit(site)), coupling


def equations(interior: Interior, coupling: Coupling) -> tuple[np.ndarray, np.ndarray, list[tuple[int, int, int]]]:
    """The constraint matrix (rows: vehicle-steps, then the meter's), right-hand sides and costs, and the places."""
    state, meter = interior._state, interior.meter
    table = state.cars.columns.reshape(-1, FIELDS, LANES)
    places = []  # lane's number in tables, step, place of its row
    for base, first, last, place, _, _ in state.cars.groups.tolist():
        block, part = base // (FIELDS * LANES), base % (FIELDS * LANES)
        for lane in range(REGISTER):
            begin, end = table[block, BEGIN, part + lane], table[block, END, part + lane]
            places += [
                (block * LANES + part + lane, t, place + (t - first) * REGISTER + lane)
                for t in range(first, last)
                if begin <= t < end
            ]
    size, own, nodes = state.cars.size, meter.high.size, meter.nodes
    matrix = np.zeros((len(places) + meter.rows, 3 * size + own))
    for row, (lane, t, n) in enumerate(places):
        block, at = lane // LANES, lane % LANES
        matrix[row, [n, size + n, 2 * size + n]] = 1.0, -1.0, -1.0
        if t > table[block, BEGIN, at]:
            matrix[row, 2 * size + n - REGISTER] = 1.0
        for q, share in enumerate([1.0, *coupling.shares[coupling.kinds[block]]]):
            matrix[len(places) + t * nodes + q, n] = -share * table[block, PER_IN, at]
            matrix[len(places) + t * nodes + q, size + n] = share * table[block, PER_OUT, at]
    for k, column in enumerate(np.eye(own)):
        i, x, e, u, peaks, rests = meter.parts(column)
        bought = i + x
        rows = np.zeros((STEPS, nodes))
        rows[:, 0] = bought - e - u
        limits = column[own - meter.limit_row.size :] * meter.limit_sign
        np.add.at(rows.reshape(-1), meter.limit_row, limits)
        charges = peaks[meter.charge] - bought[meter.step] - rests
        matrix[len(places) :, 3 * size + k] = np.concatenate([rows.ravel(), charges])
    cost, right = np.zeros(3 * size + own), np.zeros(matrix.shape[0])
    cost[3 * size :], right[len(places) :] = meter.cost, meter.side
    for row, (lane, t, n) in enumerate(places):
        block, at = lane // LANES, lane % LANES
        if t == table[block, BEGIN, at]:
            right[row] = -table[block, E0, at]
        cost[n] = -table[block, VALUE, at]
        cost[size + n] = table[block, WEAR, at] * table[block, PER_OUT, at] + table[block, VALUE, at]
    return matrix, np.concatenate([right, cost]), places


@pytest.mark.parametrize(
    ("vehicles", "charges", "groups"), [(1, 0, 0), (3, 1, 0), (20, 2, 0), (45, 1, 0), (5, 0, 1), (30, 1, 2), (25, 2, 4)]
)
def test_the_predictor_solves_newtons_equations(vehicles: int, charges: int, groups: int) -> None:
    interior, coupling = interior_of(some_problem(vehicles, vehicles, charges, groups))
    assert interior.iterate(0.0, 0.0) == MOST_AT_ONCE
    state = interior._state
    own = interior.meter.high.size
    x, low, high, over, under = (
        np.concatenate([getattr(state.at, name), getattr(state.own, name)[:own]])
        for name in ("x", "low", "high", "over", "under")
    )
    _predict(state)
    found = np.concatenate([state.at.step, state.own.step[:own]])
    matrix, numbers, places = equations(interior, coupling)
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


@pytest.mark.parametrize("groups", [0, 3])
def test_the_start_is_inside_all_bounds_and_keeps_the_vehicles_rows(groups: int) -> None:
    interior, _ = interior_of(some_problem(7, 40, 1, groups))
    state = interior._state
    for point in (state.at, state.own):
        assert float(point.over.min()) > 0.0
        assert float(point.under.min()) > 0.0
        assert float(point.low.min()) >= 0.0
        assert float(point.high.min()) >= 0.0
    for group in range(state.cars.groups.shape[0]):
        assert passes._compare(state.cars, group, state.at, state.chains, state.kinds) < 1e-9
