"""The meter: price, cost and conjugate must fit together, or no bound is worth anything."""

import math

import numpy as np
import pytest

from bothways.planning.engine.meter_price import KNOWN, coupling_price
from bothways.planning.engine.site import Site, conjugate, site_cost, site_of
from bothways.planning.problem import DemandCharge, Fleet, PlanProblem

PERIODS = 24


def _problem(rng: np.random.Generator, charges: int) -> PlanProblem:
    buy = rng.uniform(0.05, 0.4, PERIODS)
    columns = {name: np.zeros(0) for name in Fleet.__dataclass_fields__}
    return PlanProblem(
        step_h=0.5,
        periods=PERIODS,
        import_price=buy,
        export_price=buy * rng.uniform(0.0, 1.0) - rng.choice([0.0, 0.1]),
        base_load_kw=rng.uniform(-20.0, 20.0, PERIODS),
        fleet=Fleet(**columns),
        demand_charges=tuple(
            DemandCharge(float(rng.uniform(0.0, 2.0)), rng.random(PERIODS) < 0.6, float(rng.choice([0.0, 8.0])))
            for _ in range(charges)
        ),
        import_limit_kw=float(rng.choice([math.inf, 10.0])),
        import_limit_penalty_per_kwh=float(rng.choice([0.0, 0.5])),
        import_hard_limit_kw=float(rng.choice([math.inf, 30.0])),
        export_limit_kw=float(rng.choice([math.inf, 12.0])),
    )


def _tables(site: Site) -> tuple[np.ndarray, int, np.ndarray, np.ndarray, np.ndarray]:
    return site.table, site.width, site.limits, site.charges, site.masks


@pytest.mark.parametrize("seed", range(40))
def test_no_total_costs_less_than_price_times_total_minus_conjugate(seed: int) -> None:
    rng = np.random.default_rng(seed)
    site = site_of(_problem(rng, seed % 4), np.zeros(PERIODS))
    price = np.zeros(site.width)
    price[:PERIODS] = rng.uniform(-0.2, 1.0, PERIODS)
    mu = rng.uniform(-0.1, 0.3, site.charge_numbers)
    value = conjugate(price, PERIODS, *_tables(site), mu)
    for _ in range(50):
        total = np.zeros(site.width)
        total[:PERIODS] = rng.uniform(-12.0, 18.0, PERIODS) * rng.uniform(0.0, 1.0)
        cost, broken = site_cost(total, PERIODS, *_tables(site))
        if broken <= 0.0:
            assert cost >= price @ total - value - 1e-9


@pytest.mark.parametrize("seed", range(40))
def test_price_and_total_close_the_gap_where_the_meter_agrees(seed: int) -> None:
    """With z = λ + G/ρ the total G is what the meter wants at λ: Fenchel's inequality is an equality there."""
    rng = np.random.default_rng(100 + seed)
    site = site_of(_problem(rng, seed % 2), np.zeros(PERIODS))
    rho = float(rng.uniform(1.0, 100.0))
    centre, total = np.zeros(site.width), np.zeros(site.width)
    centre[:PERIODS] = rng.uniform(0.0, 0.5, PERIODS)
    total[:PERIODS] = rng.uniform(-10.0, 15.0, PERIODS)
    mu = np.zeros(site.charge_numbers)
    z, wanted, price = np.empty(site.width), np.empty(site.width + KNOWN), np.empty(site.width)
    coupling_price(total, centre, rho, *_tables(site), mu, z, wanted, 0, site.width, 0, site.width, price)
    agreed = (centre + total / rho - price) * rho
    agreed[PERIODS:] = 0.0
    cost, broken = site_cost(agreed, PERIODS, *_tables(site))
    assert broken <= 1e-9
    before = price.copy()
    value = conjugate(price, PERIODS, *_tables(site), mu)
    np.testing.assert_allclose(price[:PERIODS], before[:PERIODS], atol=1e-12)
    assert cost + value == pytest.approx(float(price[:PERIODS] @ agreed[:PERIODS]), abs=1e-7)


@pytest.mark.parametrize("seed", range(20))
def test_a_price_that_follows_changes_is_that_of_the_whole_total(seed: int) -> None:
    """What is kept between calls changes nothing: after changes here and there the price is that of a first call."""
    rng = np.random.default_rng(200 + seed)
    site = site_of(_problem(rng, seed % 2), np.zeros(PERIODS))
    rho, centre, total = float(rng.uniform(1.0, 100.0)), np.zeros(site.width), np.zeros(site.width)
    centre[:PERIODS] = rng.uniform(0.0, 0.5, PERIODS)
    total[:PERIODS] = rng.uniform(-10.0, 15.0, PERIODS)
    mu, z, wanted = np.zeros(site.charge_numbers), np.empty(site.width), np.empty(site.width + KNOWN)
    price, whole = np.empty(site.width), np.empty(site.width)
    coupling_price(total, centre, rho, *_tables(site), mu, z, wanted, 0, site.width, 0, site.width, price)
    for _ in range(30):
        first = int(rng.integers(0, PERIODS - 1))
        last = int(rng.integers(first + 1, PERIODS + 1))
        total[first:last] += rng.uniform(-5.0, 5.0, last - first)
        coupling_price(total, centre, rho, *_tables(site), mu, z, wanted, first, last, first, last, price)
        fresh, z_own, own = np.zeros(site.charge_numbers), np.empty(site.width), np.empty(site.width + KNOWN)
        coupling_price(total, centre, rho, *_tables(site), fresh, z_own, own, 0, site.width, 0, site.width, whole)
        np.testing.assert_allclose(price[first:last], whole[first:last], rtol=1e-9, atol=1e-9)
