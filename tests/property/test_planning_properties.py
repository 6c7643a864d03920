"""What holds of every plan, whatever the problem."""

import math
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bothways.planning.evaluation import evaluate
from bothways.planning.part_load import ac_power_kw, stored_change_kwh
from bothways.planning.problem import DemandCharge, Fleet, PlanOptions, PlanProblem
from bothways.planning.solve import solve

FEW = settings(max_examples=40)
OPTIONS = PlanOptions(gap=1e-6, solver="highs")
MONEY = 2e-5  # what two plans may differ by: the gap asked for, on objectives of some units of currency


def numbers(low, high):
    return st.floats(low, high, allow_nan=False, allow_subnormal=False).map(lambda value: round(value, 4))


@st.composite
def problems(draw, *, positive_prices=False, export_at_most_import=True):
    size, periods = draw(st.integers(1, 4)), draw(st.integers(1, 8))

    def column(low, high):
        return np.array(draw(st.lists(numbers(low, high), min_size=size, max_size=size)), dtype=float)

    arrival = np.array(draw(st.lists(st.integers(0, periods - 1), min_size=size, max_size=size)))
    stay = np.array(draw(st.lists(st.integers(1, periods), min_size=size, max_size=size)))
    ceiling = column(1.0, 80.0)
    fleet = Fleet(
        arrival=arrival,
        departure=np.minimum(arrival + stay, periods),
        energy_at_arrival_kwh=ceiling * column(0.0, 1.0),
        energy_required_kwh=ceiling * column(0.0, 1.2),
        energy_min_kwh=ceiling * column(0.0, 0.5),
        energy_max_kwh=ceiling,
        charge_kw=column(0.0, 22.0),
        discharge_kw=column(0.0, 22.0) * draw(st.sampled_from([0.0, 1.0])),
        charge_efficiency=column(0.7, 1.0),
        discharge_efficiency=column(0.7, 1.0),
        wear_per_kwh=column(0.0, 0.1),
        min_charge_kw=np.zeros(size),
        no_pause=np.zeros(size, dtype=bool),
    )
    price = np.array(draw(st.lists(numbers(0.0 if positive_prices else -0.2, 0.5), min_size=periods, max_size=periods)))
    spread = draw(numbers(0.0, 0.1)) if export_at_most_import else draw(numbers(-0.1, 0.1))
    return PlanProblem(
        step_h=draw(st.sampled_from([0.25, 0.5, 1.0])),
        periods=periods,
        import_price=price,
        export_price=price - spread,
        base_load_kw=np.array(draw(st.lists(numbers(-20, 30), min_size=periods, max_size=periods)), dtype=float),
        fleet=fleet,
        demand_charges=(DemandCharge(draw(numbers(0, 5)), np.ones(periods, dtype=bool), draw(numbers(0, 20))),),
        import_limit_kw=draw(st.sampled_from([5.0, 20.0, math.inf])),
        import_limit_penalty_per_kwh=draw(numbers(0, 2)),
        export_limit_kw=draw(st.sampled_from([0.0, 8.0, math.inf])),
        terminal_value_per_kwh=draw(st.sampled_from([0.0, 0.15])),
    )


@FEW
@given(problems(export_at_most_import=False), st.sampled_from([0.0, 0.3, 1.0]), st.booleans())
def test_a_plan_breaks_nothing_and_knows_its_gap(problem, least, no_pause):
    fleet = replace(problem.fleet, min_charge_kw=least * problem.fleet.charge_kw)
    fleet = replace(fleet, no_pause=np.full(fleet.size, no_pause) & (np.arange(fleet.size) % 2 == 0))
    problem = replace(problem, fleet=fleet)
    plan = solve(problem, OPTIONS)
    assert plan.status == "optimal"
    seen = evaluate(problem, plan.power_kw, plan.curtailed_kw)
    assert seen.violations.none, seen.violations.sentences()
    assert plan.objective == seen.objective
    assert plan.lower_bound <= plan.objective
    assert plan.gap <= OPTIONS.gap
    # Every kWh at the meter is accounted for, and import and export never happen together.
    balance = problem.base_load_kw + plan.power_kw.sum(axis=0) + plan.curtailed_kw - plan.import_kw + plan.export_kw
    np.testing.assert_allclose(balance, 0.0, atol=1e-9)
    assert not np.any((plan.import_kw > 0.0) & (plan.export_kw > 0.0))
    assert (plan.curtailed_kw <= problem.curtailable_kw + 1e-9).all()
    # Every kWh in a battery is accounted for: in through the charging efficiency, out through the other.
    into = np.maximum(plan.power_kw, 0.0).sum(axis=1) * fleet.charge_efficiency * problem.step_h
    out = np.maximum(-plan.power_kw, 0.0).sum(axis=1) / fleet.discharge_efficiency * problem.step_h
    np.testing.assert_allclose(plan.energy_kwh[:, -1], fleet.energy_at_arrival_kwh + into - out, atol=1e-9)
    # A shortfall has a reason, and nobody else has one.
    assert [bool(reason) for reason in plan.reasons] == (plan.shortfall_kwh > 0.0).tolist()
    missing = fleet.energy_required_kwh - plan.energy_kwh[:, -1]
    np.testing.assert_allclose(plan.shortfall_kwh, np.maximum(missing, 0.0), atol=1e-6)


@FEW
@given(problems(), st.data())
def test_more_flexibility_never_costs_more(problem, data):
    fleet = problem.fleet
    served = np.minimum(fleet.energy_required_kwh, solve(problem, OPTIONS).energy_kwh[:, -1])
    problem = replace(problem, fleet=replace(fleet, energy_required_kwh=served))
    # From below the floor, more power also means that the floor must be reached sooner; that is not flexibility.
    fleet = replace(problem.fleet, energy_min_kwh=np.minimum(problem.fleet.energy_min_kwh, fleet.energy_at_arrival_kwh))
    problem = replace(problem, fleet=fleet)
    before = solve(problem, OPTIONS)
    more = data.draw(
        st.sampled_from(["charge_kw", "discharge_kw", "energy_max_kwh", "longer", "export", "lower floor"])
    )
    match more:
        case "longer":
            end = np.minimum(fleet.departure + 1, problem.periods)
            wider = replace(problem, fleet=replace(fleet, departure=end))
        case "export":
            wider = replace(problem, export_limit_kw=problem.export_limit_kw + 5.0)
            surplus = float(np.maximum(-problem.base_load_kw - problem.export_limit_kw, 0.0).max())
            if surplus > 0.0 and problem.export_price.min() < 0.0:
                return  # what may be curtailed shrinks as the limit grows, so a negative price can cost more
        case "lower floor":
            wider = replace(problem, fleet=replace(fleet, energy_min_kwh=0.5 * fleet.energy_min_kwh))
        case name:
            wider = replace(problem, fleet=replace(fleet, **{name: getattr(fleet, name) * 1.3 + 1.0}))
    after = solve(wider, OPTIONS)
    assert after.objective <= before.objective + MONEY * max(1.0, abs(before.objective))


@FEW
@given(problems(positive_prices=True))
def test_nothing_to_do_costs_the_idle_bill_at_most(problem):
    fleet = replace(problem.fleet, energy_required_kwh=np.zeros(problem.fleet.size))
    fleet = replace(fleet, energy_min_kwh=np.minimum(fleet.energy_min_kwh, fleet.energy_at_arrival_kwh))
    problem = replace(problem, fleet=fleet)
    idle = evaluate(problem, np.zeros((fleet.size, problem.periods)))
    plan = solve(problem, OPTIONS)
    assert plan.objective <= idle.objective + MONEY * max(1.0, abs(idle.objective))


@FEW
@given(problems())
def test_a_tighter_hard_limit_never_serves_more(problem):
    problem = replace(problem, base_load_kw=np.abs(problem.base_load_kw))
    missing = []
    for limit in (45.0, 34.0):
        plan = solve(replace(problem, import_hard_limit_kw=limit), OPTIONS)
        assert plan.status != "infeasible"
        assert plan.import_kw.max() <= limit + 1e-6
        missing.append(plan.shortfall_kwh.sum())
    assert missing[1] >= missing[0] - 1e-3


@given(
    st.lists(numbers(-50, 50), min_size=1, max_size=10), numbers(0.5, 1.0), numbers(0.5, 1.0),
    st.sampled_from([0.25, 1.0]),
)  # fmt: skip
def test_signs_and_zero_survive_the_way_into_the_battery_and_back(power, into, out, step_h):
    power = np.array(power)
    change = stored_change_kwh(power, into, out, step_h)
    np.testing.assert_array_equal(np.sign(change), np.sign(power))
    np.testing.assert_allclose(ac_power_kw(change, into, out, step_h), power, atol=1e-12, rtol=1e-12)
    # Losses only ever take: less is stored than drawn, more is taken out than delivered.
    assert (change <= power * step_h + 1e-12).all()
    assert stored_change_kwh(np.zeros(1), into, out, step_h)[0] == 0.0
