"""The credit for parking low, in the plan: it moves charging later and never costs more than it saves."""

from dataclasses import replace

import numpy as np
import pytest

from bothways.dispatch.policy import Connected, SiteView, decide
from bothways.planning.problem import PlanOptions

STEPS = 24


def vehicles(count=3, *, two_way=True, efficiency=1.0):
    rng = np.random.default_rng(4)
    energy = rng.uniform(25.0, 40.0, count)
    full = np.full(count, 1.0)
    return Connected(
        key=np.arange(count),
        energy_kwh=energy,
        floor_kwh=10.0 * full,
        ceiling_kwh=60.0 * full,
        need_kwh=energy + 12.0,
        steps_left=rng.integers(14, STEPS + 1, count),
        charge_kw=7.0 * full,
        discharge_kw=7.0 * full if two_way else 0.0 * full,
        eta_c=efficiency * full,
        eta_d=efficiency * full,
        wear_per_kwh=0.02 * full,
        minimum_kw=0.0 * full,
    )


def site(price, *, earliness=0.001, resting=0.0):
    return SiteView(
        step_h=0.5,
        base_kw=np.full(STEPS, 20.0),
        import_price=price,
        export_price=np.zeros(STEPS),
        demand=(),
        earliness_per_kwh_h=earliness,
        resting_per_kwh_h=resting,
    )


def rested(plan, connected):
    """Energy in store times its time in the stays, over all vehicles [kWh·h]."""
    moved = np.where(
        plan.power_kw > 0, plan.power_kw * connected.eta_c[:, None], plan.power_kw / connected.eta_d[:, None]
    )
    energy = connected.energy_kwh[:, None] + 0.5 * np.cumsum(moved, axis=1)
    here = np.arange(STEPS) < connected.steps_left[:, None]
    return 0.5 * float(energy[here].sum())


def true_cost(plan, connected, price, resting):
    """Energy, wear and rest [currency]."""
    net = 20.0 + plan.power_kw.sum(axis=0)
    bill = 0.5 * float((price * np.maximum(net, 0.0)).sum())
    wear = 0.5 * 0.02 * float(np.maximum(-plan.power_kw, 0.0).sum())
    return bill + wear + resting * rested(plan, connected)


def test_at_one_price_energy_is_stored_as_late_as_may_be():
    price, fleet = np.full(STEPS, 0.2), vehicles(two_way=False)
    early = decide(site(price), fleet, PlanOptions(gap=1e-9))
    late = decide(site(price, resting=0.003), fleet, PlanOptions(gap=1e-9))
    for i in range(3):
        end = int(fleet.steps_left[i])
        steps = int(np.ceil(12.0 / 3.5 - 1e-9))
        assert early.power_kw[i, :steps].sum() * 0.5 == pytest.approx(12.0)
        assert late.power_kw[i, end - steps : end].sum() * 0.5 == pytest.approx(12.0)
    assert rested(late, fleet) < rested(early, fleet)


@pytest.mark.parametrize("efficiency", [1.0, 0.9])
@pytest.mark.parametrize("seed", range(6))
def test_a_plan_with_the_credit_is_cheaper_once_rest_is_counted(seed, efficiency):
    rng = np.random.default_rng(seed)
    price, fleet = rng.uniform(0.1, 0.3, STEPS), vehicles(efficiency=efficiency)
    for resting in (0.001, 0.01):
        with_credit = decide(site(price, earliness=0.0, resting=resting), fleet, PlanOptions(gap=1e-9))
        without = decide(site(price, earliness=0.0), fleet, PlanOptions(gap=1e-9))
        gain = true_cost(without, fleet, price, resting) - true_cost(with_credit, fleet, price, resting)
        # one price for all vehicles and both directions: exact without losses, near with them
        assert gain >= (-1e-6 if efficiency == 1.0 else -0.002)
        assert rested(with_credit, fleet) <= rested(without, fleet) + 1e-6


def test_nothing_changes_where_the_credit_is_not_asked_for():
    price, fleet = np.linspace(0.1, 0.3, STEPS), vehicles()
    view = site(price)
    a, b = decide(view, fleet, PlanOptions()), decide(replace(view, resting_per_kwh_h=0.0), fleet, PlanOptions())
    np.testing.assert_array_equal(a.power_kw, b.power_kw)
