"""Random plan problems, among them every ugly kind: what solvers are held against each other on."""

from dataclasses import replace

import numpy as np

from bothways.planning.limits import EnergyReserve, GroupLimit
from bothways.planning.problem import DemandCharge, Fleet, PlanProblem

KINDS = (
    "plain", "tight import limit", "no load", "flat price", "negative price", "identical", "no demand charge",
    "huge demand charge", "needs out of reach", "one vehicle", "one step", "lossless", "no wear", "one way",
    "windows of one step", "export equals import", "several charges", "below the floor", "terminal value",
    "tight export limit", "negative export price", "large surplus", "hard import limit", "above the ceiling",
)  # fmt: skip


def _fleet(rng: np.random.Generator, kind: str, size: int, periods: int) -> Fleet:
    arrival = rng.integers(0, periods, size)
    stay = np.ones(size, dtype=np.int64) if kind == "windows of one step" else rng.integers(0, periods + 1, size)
    departure = np.minimum(arrival + stay, periods)
    capacity = rng.choice([15.0, 40.0, 77.0], size)
    start = capacity * rng.uniform(0.15, 0.95, size)
    floor = capacity * rng.uniform(0.0, 0.15, size)
    need = rng.uniform(0.0, 1.0, size) ** 2 * (capacity - start)
    charge = rng.choice([3.7, 7.4, 11.0, 22.0], size)
    efficiency = np.ones(size) if kind == "lossless" else rng.uniform(0.85, 1.0, size)
    if kind == "needs out of reach":
        need = capacity * 2.0
    if kind == "below the floor":
        floor = start + rng.uniform(-2.0, 10.0, size)
        floor = np.minimum(floor, capacity)
    if kind == "above the ceiling":
        capacity = start * rng.uniform(0.8, 1.2, size)
        floor = np.minimum(floor, capacity)
    discharge = np.where(rng.random(size) < (0.0 if kind == "one way" else 0.8), charge, 0.0)
    fleet = Fleet(
        arrival=arrival,
        departure=departure,
        energy_at_arrival_kwh=start,
        energy_required_kwh=start + need,
        energy_min_kwh=floor,
        energy_max_kwh=capacity,
        charge_kw=np.where(rng.random(size) < 0.05, 0.0, charge),
        discharge_kw=discharge,
        charge_efficiency=efficiency,
        discharge_efficiency=np.ones(size) if kind == "lossless" else rng.uniform(0.85, 1.0, size),
        wear_per_kwh=np.zeros(size) if kind == "no wear" else rng.uniform(0.01, 0.1, size),
        min_charge_kw=np.zeros(size),
        no_pause=np.zeros(size, dtype=np.bool_),
    )
    if kind == "identical":
        columns = {name: np.repeat(getattr(fleet, name)[:1], size) for name in fleet.__dataclass_fields__}
        return Fleet(**columns)
    return fleet


def _charges(rng: np.random.Generator, kind: str, periods: int) -> tuple[DemandCharge, ...]:
    everywhere = np.ones(periods, dtype=np.bool_)
    if kind == "no demand charge":
        return ()
    if kind == "several charges":
        return tuple(
            DemandCharge(float(rng.uniform(0.0, 3.0)), rng.random(periods) < 0.6, float(rng.uniform(0.0, 20.0)))
            for _ in range(3)
        )
    price = 50.0 if kind == "huge demand charge" else float(rng.choice([0.0, 0.3, 2.0]))
    return (DemandCharge(price, everywhere, float(rng.choice([0.0, 10.0]))),)


def random_problem(seed: int) -> PlanProblem:
    """A problem of the kind that the seed picks, with 1 … 12 vehicles and 1 … 30 steps."""
    rng = np.random.default_rng(seed)
    kind = KINDS[seed % len(KINDS)]
    periods = 1 if kind == "one step" else int(rng.integers(2, 30))
    size = 1 if kind == "one vehicle" else int(rng.integers(1, 13))
    fleet = _fleet(rng, kind, size, periods)
    buy = np.full(periods, 0.2) if kind == "flat price" else rng.uniform(0.05, 0.4, periods)
    sell = buy.copy() if kind == "export equals import" else buy * rng.uniform(0.0, 1.0)
    load = np.zeros(periods) if kind == "no load" else rng.uniform(-4.0, 8.0, periods) * size
    if kind == "negative price":
        some = rng.random(periods) < 0.4
        buy = np.where(some, rng.uniform(-0.05, 0.0, periods), buy)
        sell = np.minimum(sell, buy)
    if kind == "negative export price":
        sell = sell - 0.06
    problem = PlanProblem(
        step_h=float(rng.choice([0.25, 0.5, 1.0])),
        periods=periods,
        import_price=buy,
        export_price=sell,
        base_load_kw=load,
        fleet=fleet,
        demand_charges=_charges(rng, kind, periods),
        terminal_value_per_kwh=float(rng.uniform(0.05, 0.3)) if kind == "terminal value" else 0.0,
    )
    if kind == "tight import limit":
        limit = float(rng.uniform(1.0, 4.0)) * size
        return replace(problem, import_limit_kw=limit, import_limit_penalty_per_kwh=float(rng.uniform(0.1, 2.0)))
    if kind == "hard import limit":
        highest = float(problem.base_load_kw.max()) + 0.5 * float(fleet.charge_kw.sum())
        return replace(problem, import_hard_limit_kw=max(highest, 1.0))
    if kind == "tight export limit":
        return replace(problem, export_limit_kw=float(rng.uniform(0.0, 3.0)) * size)
    if kind == "large surplus":
        return replace(problem, base_load_kw=load - 5.0 * size, export_limit_kw=2.0 * size)
    return problem


def on_off_problem(seed: int) -> PlanProblem:
    """The same with minimum powers and vehicles that must not pause, deeply negative prices, and further couplings."""
    problem, rng = random_problem(seed), np.random.default_rng(seed + 10**6)
    fleet, size, periods = problem.fleet, problem.fleet.size, problem.periods
    mode = seed // len(KINDS) % 4
    least = np.where(rng.random(size) < 0.7, fleet.charge_kw * rng.uniform(0.1, 0.6, size), 0.0)
    whole = mode != 3
    runs = rng.random(size) < (0.3 if mode in {0, 2} else 0.0)
    problem = replace(problem, fleet=replace(fleet, min_charge_kw=whole * least, no_pause=runs))
    if mode in {2, 3}:
        low = np.where(rng.random(periods) < 0.4, rng.uniform(-0.8, -0.1, periods), problem.import_price)
        sell = np.minimum(problem.export_price, low - rng.uniform(0.0, 0.05))
        return replace(problem, import_price=low, export_price=sell)
    if mode == 1 and rng.random() < 0.5:
        base, hard = float(rng.uniform(0.0, 3.0)) * size, rng.random() < 0.5
        limit = GroupLimit.of(
            "feeder", rng.random(size) < 0.6, periods, base_kw=base, upper_kw=base + float(rng.uniform(2, 5)) * size,
            penalty_per_kwh=np.inf if hard else 0.5,
        )  # fmt: skip
        reserve = EnergyReserve.of(float(rng.uniform(0.0, 10.0)) * size, size, periods, penalty_per_kwh=0.3)
        return replace(problem, group_limits=(limit,), energy_reserve=reserve if rng.random() < 0.5 else None)
    return problem
