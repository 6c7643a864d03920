"""Instances of the planner's benchmark: a workplace fleet over 96 steps, its hard cases, and a week of daily stays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bothways.planning.problem import DemandCharge, Fleet, PlanProblem

PERIODS = 96
HARD = (
    "no demand charge", "5 per kW", "identical", "flat price", "negative price", "no load", "export = import",
    "limit 3.0", "limit 2.5", "limit 2.0", "limit 1.6", "limit 1.3",
)  # fmt: skip
"""Hard cases; the limits are soft import limits [kW per vehicle]."""

MORE = ("three charges", "week")
"""Cases beyond these: demand charges that overlap, and one week (672 steps) of daily stays with wear and peak."""


def fleet_of(size: int, rng: np.random.Generator) -> Fleet:
    """Workplace stays around midday: four batteries, three chargers, four in five vehicles two-way."""
    arrival = np.clip(np.round(rng.normal(34, 6, size)), 0, 60).astype(np.int64)
    stay = np.clip(np.round(rng.normal(36, 10, size)), 4, PERIODS).astype(np.int64)
    capacity, start = rng.choice([40.0, 60.0, 75.0, 100.0], size), rng.uniform(0.2, 0.7, size)
    power = rng.choice([7.4, 11.0, 22.0], size)
    wish = np.minimum(0.9, start + rng.uniform(0.0, 0.5, size))
    return Fleet(
        arrival=arrival,
        departure=np.minimum(PERIODS, arrival + stay),
        energy_at_arrival_kwh=capacity * start,
        energy_required_kwh=capacity * wish,
        energy_min_kwh=capacity * 0.15,
        energy_max_kwh=capacity,
        charge_kw=power,
        discharge_kw=np.where(rng.random(size) < 0.8, power, 0.0),
        charge_efficiency=np.full(size, 0.95),
        discharge_efficiency=np.full(size, 0.95),
        wear_per_kwh=np.full(size, 0.03),
        min_charge_kw=np.zeros(size),
        no_pause=np.zeros(size, dtype=np.bool_),
    )


def case(kind: str, size: int, seed: int) -> PlanProblem:
    """One instance: time-of-use tariff, building and PV in proportion to the fleet."""
    if kind == "week":
        return week(size, seed)
    rng = np.random.default_rng(seed)
    hour = np.arange(PERIODS) * 0.25
    buy = np.where((hour >= 16) & (hour < 21), 0.38, np.where((hour >= 7) & (hour < 16), 0.22, 0.14))
    buy = buy + 0.02 * np.sin(hour)
    sun = np.maximum(0.0, np.sin((hour - 6) / 12 * np.pi)) * (hour < 18)
    everywhere = np.ones(PERIODS, dtype=np.bool_)
    problem = PlanProblem(
        step_h=0.25,
        periods=PERIODS,
        import_price=buy,
        export_price=0.8 * buy - 0.02,
        base_load_kw=size * (1.0 + 0.8 * np.exp(-(((hour - 15) / 4) ** 2)) - 0.9 * sun),
        fleet=fleet_of(size, rng),
        demand_charges=(DemandCharge(0.5, everywhere),),
        import_limit_kw=4.0 * size,
        import_limit_penalty_per_kwh=1.0,
        export_limit_kw=3.0 * size,
    )
    return changed(problem, kind, hour)


def changed(problem: PlanProblem, kind: str, hour: np.ndarray) -> PlanProblem:
    """The base case turned into a hard one."""
    size, buy, everywhere = problem.fleet.size, problem.import_price, np.ones(PERIODS, dtype=np.bool_)
    fleet = problem.fleet
    one = {name: np.full_like(getattr(fleet, name), getattr(fleet, name)[0]) for name in fleet.__dataclass_fields__}
    low = np.where((hour >= 10) & (hour < 14), -0.05, buy)
    evening, day = (hour >= 16) & (hour < 21), (hour >= 8) & (hour < 23)
    changes: dict[str, dict[str, object]] = {
        "base": {},
        "no demand charge": {"demand_charges": ()},
        "5 per kW": {"demand_charges": (DemandCharge(5.0, everywhere),)},
        "identical": {"fleet": Fleet(**one)},
        "flat price": {"import_price": np.full(PERIODS, 0.2), "export_price": np.full(PERIODS, 0.1)},
        "negative price": {"import_price": low, "export_price": np.minimum(problem.export_price, low - 0.01)},
        "no load": {"base_load_kw": np.zeros(PERIODS)},
        "export = import": {"export_price": buy.copy()},
        "three charges": {
            "demand_charges": (
                DemandCharge(0.4, everywhere, 0.5 * size),
                DemandCharge(0.6, evening),
                DemandCharge(0.2, day, 0.2 * size),
            )
        },
    }
    if kind.startswith("limit"):
        return replace(problem, import_limit_kw=float(kind.split()[1]) * size)
    return replace(problem, **changes[kind])


def news(problem: PlanProblem, seed: int) -> PlanProblem:
    """The same problem after small news: load off by 3 %, one vehicle in twenty with other energy than thought."""
    rng = np.random.default_rng(seed)
    fleet = problem.fleet
    off = np.where(rng.random(fleet.size) < 0.05, rng.uniform(0.9, 1.1, fleet.size), 1.0)
    start = np.minimum(fleet.energy_at_arrival_kwh * off, fleet.energy_max_kwh)
    load = problem.base_load_kw * rng.uniform(0.97, 1.03, problem.periods)
    return replace(problem, base_load_kw=load, fleet=replace(fleet, energy_at_arrival_kwh=start))


def week(vehicles: int, seed: int, steps: int = 672) -> PlanProblem:
    """A site of 15-minute steps with a demand charge, a soft limit, and vehicles that come every day: a stay each."""
    rng = np.random.default_rng(seed)
    days = max(1, steps // 96)
    count = vehicles * days
    day = np.repeat(np.arange(days), vehicles) * 96
    arrival = day + rng.integers(20, 50, count)
    departure = np.minimum(steps, arrival + rng.integers(12, 44, count))
    energy = rng.uniform(8.0, 25.0, count)
    hour = (np.arange(steps) % 96) / 4.0
    fleet = Fleet(
        arrival=arrival,
        departure=departure,
        energy_at_arrival_kwh=energy,
        energy_required_kwh=energy + rng.uniform(2.0, 15.0, count),
        energy_min_kwh=np.full(count, 5.0),
        energy_max_kwh=np.full(count, 60.0),
        charge_kw=np.full(count, 7.0),
        discharge_kw=np.where(rng.random(count) < 0.7, 7.0, 0.0),
        charge_efficiency=np.full(count, 0.95),
        discharge_efficiency=np.full(count, 0.95),
        wear_per_kwh=np.full(count, 0.03),
        min_charge_kw=np.zeros(count),
        no_pause=np.zeros(count, dtype=np.bool_),
    )
    return PlanProblem(
        step_h=0.25,
        periods=steps,
        import_price=0.15 + 0.08 * np.sin((hour - 10.0) / 24.0 * 2.0 * np.pi),
        export_price=np.full(steps, 0.05),
        base_load_kw=vehicles * (0.5 + 0.2 * np.sin((hour - 8.0) / 24.0 * 2.0 * np.pi)),
        fleet=fleet,
        demand_charges=(DemandCharge(5.0, np.ones(steps, dtype=np.bool_)),),
        import_limit_kw=3.0 * vehicles,
        import_limit_penalty_per_kwh=1.0,
    )
