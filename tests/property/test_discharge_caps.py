"""Caps on discharging: no executed step breaks them, on days of 23 and 25 hours neither; plans come near the optimum.

The optimum is found by an independent linear program, written here for scipy.
"""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.sparse import coo_matrix

from bothways.battery.warranty import WarrantyLimits, breaches
from bothways.dispatch.budgets import NONE, Caps, DischargeBudgets, solve_within, within_budget_kw
from bothways.dispatch.setpoints import setpoints
from bothways.domain.errors import DomainError
from bothways.domain.timegrid import TimeGrid
from bothways.mobility.sessions import DataQuality
from bothways.planning.limits import EnergyReserve, GroupLimit
from bothways.planning.problem import DemandCharge, Fleet, PlanOptions, PlanProblem
from bothways.planning.solve import solve
from bothways.simulation.stays import Stays
from bothways.studies.ageing import batteries_of
from bothways.studies.baseline import run_uncontrolled
from bothways.studies.beliefs import Forecast, PriceBelief
from bothways.studies.closed_loop import run_closed_loop
from bothways.studies.foresight import run_foresight
from bothways.studies.inputs import Case, Emissions, Limits, PolicySettings, StudyInputs
from bothways.tariffs.structure import EnergyTier, Tariff


def make_problem(seed, *, days=1, vehicles=6, demand=True, periods=36):
    """A site with a wave of prices, an afternoon load, and vehicles that stay for most of it."""
    rng = np.random.default_rng(seed)
    energy, n, t = rng.uniform(10, 40, vehicles), vehicles, np.arange(periods)
    fleet = Fleet(
        arrival=rng.integers(0, periods // 4, n),
        departure=rng.integers(3 * periods // 4, periods + 1, n),
        energy_at_arrival_kwh=energy,
        energy_required_kwh=np.minimum(55.0, energy + rng.uniform(-8, 15, n)),
        energy_min_kwh=np.full(n, 8.0),
        energy_max_kwh=np.full(n, 60.0),
        charge_kw=np.full(n, 7.0),
        discharge_kw=np.full(n, 7.0),
        charge_efficiency=np.full(n, 0.92),
        discharge_efficiency=np.full(n, 0.93),
        wear_per_kwh=rng.uniform(0.01, 0.05, n),
        min_charge_kw=np.zeros(n),
        no_pause=np.zeros(n, dtype=bool),
    )
    price = 0.2 + 0.12 * np.sin(t / periods * 8.2 + rng.uniform(0, 6)) + rng.uniform(-0.02, 0.02, periods)
    charge = DemandCharge(float(rng.uniform(0.2, 3)), np.ones(periods, dtype=bool), float(rng.uniform(0, 20)))
    problem = PlanProblem(
        step_h=0.5,
        periods=periods,
        import_price=price,
        export_price=np.maximum(0.0, price - 0.05),
        base_load_kw=15 + 25 * np.exp(-(((t - 0.6 * periods) / (0.12 * periods)) ** 2)),
        fleet=fleet,
        demand_charges=(charge,) if demand else (),
        export_limit_kw=50.0,
    )
    group = np.arange(n)[:, None] * days + ((t * days) // periods)[None, :]
    return problem, DischargeBudgets(group.astype(np.int32), rng.uniform(2, 10, n * days))


def optimum(problem, budget):
    """Least cost under the caps by scipy; ``None`` where needs cannot be met."""
    fleet, n, periods, h = problem.fleet, problem.fleet.size, problem.periods, problem.step_h
    cells = n * periods
    charge, discharge, energy = (np.arange(cells).reshape(n, periods) + k * cells for k in range(3))
    imported, exported = (3 * cells + k * periods + np.arange(periods) for k in range(2))
    peaks = 3 * cells + 2 * periods + np.arange(len(problem.demand_charges))
    count = 3 * cells + 2 * periods + len(problem.demand_charges)
    here = (np.arange(periods) >= fleet.arrival[:, None]) & (np.arange(periods) < fleet.departure[:, None])
    cost, low, high = np.zeros(count), np.zeros(count), np.full(count, np.inf)
    high[charge], high[discharge] = here * fleet.charge_kw[:, None], here * fleet.discharge_kw[:, None]
    low[energy], high[energy] = fleet.energy_min_kwh[:, None], fleet.energy_max_kwh[:, None]
    low[energy[:, -1]] = np.maximum(fleet.energy_min_kwh, fleet.energy_required_kwh)
    high[exported] = problem.export_limit_kw
    cost[discharge] = h * fleet.wear_per_kwh[:, None]
    cost[imported], cost[exported] = h * problem.import_price, -h * problem.export_price
    equal, under = [], []
    for i in range(n):
        for t in range(periods):
            row = {energy[i, t]: 1.0, charge[i, t]: -h * fleet.charge_efficiency[i],
                   discharge[i, t]: h / fleet.discharge_efficiency[i]}  # fmt: skip
            if t:
                row[energy[i, t - 1]] = -1.0
            equal.append((row, 0.0 if t else fleet.energy_at_arrival_kwh[i]))
    for t in range(periods):
        row = {imported[t]: 1.0, exported[t]: -1.0}
        row |= {charge[i, t]: -1.0 for i in range(n)} | {discharge[i, t]: 1.0 for i in range(n)}
        equal.append((row, problem.base_load_kw[t]))
    for k, term in enumerate(problem.demand_charges):
        cost[peaks[k]] = term.price_per_kw
        under += [({imported[t]: 1.0, peaks[k]: -1.0}, term.peak_so_far_kw) for t in np.flatnonzero(term.steps)]
    for g, left in enumerate(budget.left_kwh):
        members = np.argwhere(budget.group == g)
        under.append(({discharge[i, t]: h for i, t in members}, left))
    found = linprog(cost, *_matrix(under, count), *_matrix(equal, count), np.stack([low, high], axis=1), method="highs")
    return found.fun if found.status == 0 else None


def _matrix(rows, count):
    triplets = [(k, column, value) for k, (row, _) in enumerate(rows) for column, value in row.items()]
    r, c, v = zip(*triplets, strict=True)
    return coo_matrix((v, (r, c)), shape=(len(rows), count)).tocsr(), np.array([side for _, side in rows])


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), days=st.integers(1, 3), demand=st.booleans())
def test_a_plan_under_caps_keeps_them_and_comes_near_the_optimum(seed, days, demand):
    problem, budget = make_problem(seed, days=days, demand=demand)
    best = optimum(problem, budget)
    if best is None:
        return
    plan = solve_within(problem, (budget,), PlanOptions(), solve)
    assert budget.kept_by(plan.power_kw, problem.step_h)
    assert plan.lower_bound <= best + 1e-6 * abs(best)
    assert plan.objective >= best - 1e-6 * abs(best)
    assert plan.objective - best <= 0.03 * abs(best)
    rise = np.diff(plan.energy_kwh, axis=1)
    flow = np.where(plan.power_kw > 0, plan.power_kw * 0.92, plan.power_kw / 0.93) * problem.step_h
    assert rise == pytest.approx(flow, abs=1e-6)
    assert (plan.energy_kwh >= 8.0 - 1e-6).all()
    assert (plan.energy_kwh <= 60.0 + 1e-6).all()
    ends = plan.energy_kwh[:, -1]
    assert (ends >= np.maximum(8.0, problem.fleet.energy_required_kwh) - 1e-5).all()
    net = problem.base_load_kw + plan.power_kw.sum(axis=0)
    assert plan.import_kw - plan.export_kw == pytest.approx(net, abs=1e-6)


def test_how_far_from_the_optimum_plans_under_caps_are():
    """The figures of docs/explanation/battery-in-a-study.md."""
    for days, most in ((1, 0.004), (3, 0.012)):
        gaps, kept = [], []
        for seed in range(6):
            problem, budget = make_problem(seed, days=days)
            best = optimum(problem, budget)
            if best is None:
                continue
            plan = solve_within(problem, (budget,), PlanOptions(), solve)
            idle = replace(problem, fleet=replace(problem.fleet, discharge_kw=np.zeros(6)))
            without = solve(idle, PlanOptions()).objective
            gaps.append((plan.objective - best) / abs(best))
            kept.append((without - plan.objective) / (without - best))
        assert len(gaps) >= 4
        assert np.mean(gaps) <= most
        assert np.mean(kept) >= 0.95  # of what discharging within the caps is worth


def test_without_an_exceeded_cap_the_plan_is_the_planners_own():
    problem, budget = make_problem(3)
    wide = DischargeBudgets(budget.group, np.full(budget.left_kwh.shape, 1e3))
    free = solve(problem, PlanOptions())
    assert solve_within(problem, (wide,), PlanOptions(), solve).objective == free.objective
    nobody = DischargeBudgets(np.full_like(budget.group, NONE), np.zeros(1))
    assert solve_within(problem, (nobody,), PlanOptions(), solve).objective == free.objective


def test_what_couples_vehicles_is_kept_when_plans_are_mixed():
    problem, budget = make_problem(5)
    limit = GroupLimit.of("feeder", np.arange(6) < 3, problem.periods, upper_kw=9.0, lower_kw=-6.0)
    reserve = EnergyReserve.of(30.0, 6, problem.periods)
    coupled = replace(problem, group_limits=(limit,), energy_reserve=reserve)
    plan = solve_within(coupled, (budget,), PlanOptions(), solve)
    assert budget.kept_by(plan.power_kw, problem.step_h)
    assert plan.group_power_kw[0] == pytest.approx(plan.power_kw[:3].sum(axis=0))
    assert limit.beyond_kw(plan.group_power_kw[0]).max() <= 1e-6


def test_a_safety_limit_that_only_discharging_holds_goes_before_the_cap_in_the_plan_and_says_so():
    problem, budget = make_problem(2)
    tight = replace(problem, base_load_kw=problem.base_load_kw + 5.0, import_hard_limit_kw=42.0)
    none = DischargeBudgets(budget.group, np.zeros(budget.left_kwh.shape))
    plan = solve_within(tight, (none,), PlanOptions(), solve)
    assert plan.status != "infeasible"
    assert any("dispatch will keep" in note for note in plan.notes)


def test_malformed_budgets_are_refused():
    with pytest.raises(DomainError):
        DischargeBudgets(np.array([[0, 2]], dtype=np.int32), np.array([1.0, 1.0]))
    with pytest.raises(DomainError):
        DischargeBudgets(np.array([[0]], dtype=np.int32), np.array([-1.0]))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), step_h=st.sampled_from([1 / 12, 0.25, 1.0]))
def test_no_command_takes_a_vehicle_over_what_is_left(seed, step_h):
    rng = np.random.default_rng(seed)
    n = 4
    left = np.where(rng.random(n) < 0.2, np.inf, rng.uniform(0.0, 2.0, n))
    power = within_budget_kw(rng.uniform(0, 20, n), left, step_h)
    points = setpoints(
        rng.uniform(-30, 20, n), rng.uniform(0, 60, n), rng.uniform(0, 30, n), np.full(n, 60.0), rng.uniform(0, 60, n),
        rng.integers(1, 50, n), np.full(n, 11.0), power, np.full(n, 0.9), np.full(n, 0.9), rng.uniform(0, 3, n),
        float(rng.uniform(-20, 60)), float(rng.uniform(-5, 40)), float(rng.uniform(5, 60)), float(rng.uniform(0, 20)),
        step_h,
    )  # fmt: skip
    assert (np.maximum(-points, 0.0) * step_h <= left + 1e-9).all()


def test_budgets_ahead_are_what_is_left_today_and_whole_caps_after_midnight():
    caps = Caps(np.array([6.0, np.inf]), np.array([100.0, 50.0]), np.array([4.0, 9.0]), np.array([99.0, 9.0]))
    assert caps.left_now_kwh().tolist() == [1.0, 41.0]
    day, year = caps.ahead(np.array([5, 5, 6]), np.array([2023, 2023, 2024]))
    assert day.left_kwh[day.group[0]].tolist() == [2.0, 2.0, 6.0]
    assert year.left_kwh[year.group].tolist() == [[1.0, 1.0, 100.0], [41.0, 41.0, 50.0]]
    none = Caps(*(np.full(2, value) for value in (np.inf, np.inf, 3.0, 3.0)))
    assert none.ahead(np.array([1, 1]), np.array([1, 1])) == ()


def night_study(first, days, limits, *, seed=1, vehicles=3):
    """Vehicles that feed a house over nights in Berlin, across changes of the clock."""
    grid = TimeGrid.for_days(first, first + timedelta(days=days - 1), timedelta(minutes=30), "Europe/Berlin")
    begin_s, step_s = grid.start_s, grid.step_s
    rng = np.random.default_rng(seed)
    midnights = np.flatnonzero((grid.local.hour == 0) & (grid.local.minute == 0))
    rows = []
    for evening in midnights[:-1]:
        for v in range(vehicles):
            begin, end = int(evening) + int(rng.integers(30, 40)), int(evening) + int(rng.integers(60, 64))
            rows.append((begin, min(end, grid.periods), v, float(rng.uniform(30, 45))))
    rows.sort()
    arrival, departure, evse, energy = (np.array(column) for column in zip(*rows, strict=True))
    n = len(rows)
    full = dict.fromkeys(("eta_c", "eta_d"), np.full(n, 0.93))
    stays = Stays(
        session_id=tuple(f"s{k}" for k in range(n)), evse=evse.astype(np.int64), evse_ids=("a", "b", "c")[:vehicles],
        arrival=arrival.astype(np.int64), departure=departure.astype(np.int64), declared=departure.astype(np.int64),
        energy_kwh=energy, floor_kwh=np.full(n, 10.0), asked_kwh=energy + 4.0, target_kwh=energy + 4.0,
        charge_kw=np.full(n, 7.0), discharge_kw=np.full(n, 7.0), minimum_kw=np.zeros(n),
        previous=np.full(n, -1, dtype=np.int64), away_kwh=np.zeros(n), target_known=np.ones(n, dtype=bool),
        capacity_kwh=np.full(n, 60.0), **full,
    )  # fmt: skip
    price = 0.2 + 0.15 * np.sin(np.arange(grid.periods) * 0.9 + seed)
    belief = PriceBelief(np.maximum(price, 0.01), None, grid.step_s)
    case = Case(
        name="house", description="", tariff=Tariff(name="flat", energy=((EnergyTier(rate=0.2),),)), tariff_prices=None,
        limits=Limits(export_limit_kw=30.0), load=Forecast(np.full(grid.periods, 6.0), "known", grid.step_s, price[:0]),
        pv=Forecast(np.zeros(grid.periods), "known", grid.step_s, price[:0]), battery=None, import_price=belief,
        export_price=belief, demand=(),
    )  # fmt: skip
    return StudyInputs(
        name="nights", summary="", grid=grid, stays=stays, arrival_s=begin_s + stays.arrival * step_s,
        departure_s=begin_s + stays.departure * step_s, declared_s=begin_s + stays.declared * step_s,
        vehicle_id=tuple(f"car {v}" for v in stays.evse), settings=PolicySettings(), cases=(case,),
        emissions=Emissions(None, "", None, ""), unserved_price_per_kwh=0.5, currency="EUR",
        quality=DataQuality("hand-made", n, n), assumptions=(), seed=1, scenario_path="", warranty=limits,
    )  # fmt: skip


def found_breaches(inputs, run, limits):
    """What the warranty's own check finds in a run, battery by battery."""
    local, found = inputs.grid.local, []
    owner = batteries_of(inputs).of_stay
    stay = run.trace.evse_stay
    for v in range(owner.max() + 1):
        mine = (stay >= 0) & (owner[np.maximum(stay, 0)] == v)
        power = np.where(mine, run.trace.evse_power_kw, 0.0).sum(axis=0)
        soc = np.where(mine, run.trace.evse_energy_kwh, 0.0).sum(axis=0) / 60.0
        found += breaches(
            limits, power_kw=power, soc=soc, step_h=inputs.grid.step_h, capacity_kwh=60.0,
            day=np.asarray(local.date_ordinal, dtype=np.int64), year=np.asarray(local.year, dtype=np.int64),
        )  # fmt: skip
    return found


@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 1000), cap=st.floats(0.0, 9.0), first=st.sampled_from([date(2024, 3, 30), date(2024, 10, 26)])
)
def test_no_executed_step_exceeds_the_cap_on_days_of_23_and_25_hours(seed, cap, first):
    limits = WarrantyLimits(kwh_per_day=cap, soc_min=0.4)
    inputs = night_study(first, 3, limits, seed=seed)
    day_lengths = np.bincount(inputs.grid.local.date_ordinal - inputs.grid.local.date_ordinal[0]) / 2.0
    assert day_lengths.max() - day_lengths.min() == 1.0
    run = run_closed_loop(inputs, inputs.cases[0], "bidirectional")
    assert found_breaches(inputs, run, limits) == []
    bound = run_foresight(inputs, inputs.cases[0], "bidirectional", run_uncontrolled(inputs, inputs.cases[0]).trace)
    assert found_breaches(inputs, bound, limits) == []


def test_without_a_cap_the_same_nights_would_break_it():
    limits = WarrantyLimits(kwh_per_day=3.0, soc_min=0.4)
    inputs = night_study(date(2024, 3, 30), 3, None)
    run = run_closed_loop(inputs, inputs.cases[0], "bidirectional")
    assert {breach.limit for breach in found_breaches(inputs, run, limits)} == {"kwh_per_day", "soc_min"}


def test_a_yearly_cap_counts_for_the_period_by_its_days():
    limits = WarrantyLimits(kwh_per_year=365.25)
    inputs = night_study(date(2024, 12, 30), 4, limits)
    run = run_closed_loop(inputs, inputs.cases[0], "bidirectional")
    year = inputs.grid.local.year
    out = np.maximum(-run.trace.evse_power_kw, 0.0) * inputs.grid.step_h
    for each in (2024, 2025):
        assert out[:, year == each].sum(axis=1).max() <= 2.0 + 1e-6
    assert out.sum() > 0.0
