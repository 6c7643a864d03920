"""Large fleets: an interior-point method that takes the vehicles one by one, with a bound that does not trust it.

The method needs, per step, one band factorisation per vehicle and one dense system with a row per step and group, so
its time grows in proportion to the fleet. What comes out is treated as a guess: shares and schedule are repaired into
limits, prices and multipliers are made feasible, and both costs are recomputed in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from bothways.domain.errors import DomainError, SolverError
from bothways.planning.answer import relative_gap
from bothways.planning.evaluation import TOLERANCE
from bothways.planning.layout import Layout
from bothways.planning.problem import PlanOptions
from bothways.planning.reserve.answer import Candidate, ReserveSolution, conclude, settle
from bothways.planning.reserve.cars import CHARGE, ETA_IN, PER_OUT, START, Cars
from bothways.planning.reserve.certificate import vehicle_values
from bothways.planning.reserve.interior import Interior
from bothways.planning.reserve.market import Market
from bothways.planning.reserve.products import Rates, ReservePlanProblem
from bothways.planning.reserve.repair import Tables
from bothways.planning.schedule import net_power_kw
from bothways.planning.shortfall import Reach, reach

_NAME = "interior point, decomposed"
_MOST_STEPS = 80
_MOST_TRIES = 8  # certificates where the method believes that the gap is closed
_LOOK_FROM = 10.0  # certificates are made from this many times the gap on: the method may end before it is closed
_STANDSTILL = 1e-4  # steps shorter than this lead nowhere
_MARGINS = (0.0, 1e-6, 1e-5, 1e-4)  # shares by which hard limits are drawn in until a plan keeps them


def solve_reserve_decomposed(
    problem: ReservePlanProblem,
    options: PlanOptions | None = None,
    *,
    cancel: Callable[[], bool] | None = None,
    progress: Callable[[int, float, float], None] | None = None,
) -> ReserveSolution:
    """Plans schedule and bids of a fleet of any size and proves how good the plan is.

    Minimum bids and granularity are kept by the plan and left out of the bound.

    Args:
        problem: what is asked.
        options: only ``gap`` is used; no clock is read (see ``cancel``).
        cancel: asked between steps; True ends the search with the best plan so far.
        progress: told the number of steps, lower and upper bound after each certificate.

    Returns:
        The plan with its bids. The objective is that of exactly this plan; the bound is recomputed in float64.

    Raises:
        DomainError: the problem has a part that only the exact method plans (``ReservePlanProblem.exact_only``).
        SolverError: no plan within the site's hard limits was found.
    """
    options = options or PlanOptions()
    if problem.exact_only is not None:
        msg = f"the decomposed method cannot plan bids together with {problem.exact_only}: HiGHS can"
        raise DomainError(msg)
    lower = -math.inf
    for margin in _MARGINS:
        search = Search(problem, margin)
        run_search(search, options.gap, cancel, progress)
        lower = max(lower, search.lower)
        if search.best is not None:
            search.lower = lower
            return search.answer(options.gap)
    msg = "no plan within the hard limits of the site was found"
    raise SolverError(msg)


def run_search(
    search: Search,
    gap: float,
    cancel: Callable[[], bool] | None,
    progress: Callable[[int, float, float], None] | None,
) -> None:
    """Steps until the gap is proven, the method is at its end, or nobody wants to wait."""
    tries = 0
    for step in range(_MOST_STEPS):
        alive = search.advance()
        ended = not alive or step == _MOST_STEPS - 1 or (cancel is not None and cancel())
        size = max(1.0, abs(search.upper if math.isfinite(search.upper) else search.cost()))
        near = search.guess() / size if alive else math.inf
        if near <= _LOOK_FROM * gap or (ended and search.best is None):
            search.certify()
            tries += near <= gap
            if progress is not None:
                progress(step + 1, search.lower, search.upper)
        if ended or search.gap() <= gap or tries >= _MOST_TRIES:
            break


class Search:
    """One search: the method, and the best plan and bound so far."""

    def __init__(self, problem: ReservePlanProblem, margin: float = 0.0) -> None:
        plan = problem.plan
        self.problem = problem
        self.layout = Layout.of(plan)
        self.bounds: Reach = reach(plan, self.layout)
        self.tables = Tables.of(problem, self.layout, self.bounds)
        self.cars = Cars.of(problem, self.layout, self.bounds, self.tables)
        self.market = Market.of(problem, self.layout.per_step(self.cars.forced_kw, plan.periods), margin=margin)
        prices = np.abs(np.concatenate([plan.import_price, plan.export_price]))
        self.interior = Interior(self.cars, self.market, max(float(prices.mean()), 1e-3) * plan.step_h)
        self.rates = Rates.of(plan)
        self.best: Candidate | None = None
        self.lower, self.upper = -math.inf, math.inf
        groups, kinds = len(problem.groups), int(self.cars.row_at.size)
        steps = self.cars.table[:, 1].astype(np.int64)
        owner = np.repeat(np.arange(steps.size), steps)
        self._k = np.arange(owner.size) - (np.cumsum(steps) - steps)[owner]
        self._pairs = self.cars.table[owner, 0].astype(np.int64) + self._k
        self._owner, self._groups, self._kinds = owner, groups, kinds

    def advance(self) -> bool:
        """One step of the method; False where it has come to its numerical end and stays where it was."""
        with np.errstate(all="ignore"):
            try:
                moved = self.interior.iterate()
            except np.linalg.LinAlgError:
                return False
        return moved > _STANDSTILL

    def guess(self) -> float:
        """What the method itself believes the gap to be [currency]."""
        unfinished = self.interior.primal > 1e-3 or self.interior.dual > 1e-3
        return math.inf if unfinished else self.interior.complementarity

    def cost(self) -> float:
        """What the method believes the site's cost to be [currency]."""
        return float(self.market.cost @ self.interior.point.s[: self.market.free.size])

    def gap(self) -> float:
        """Relative gap of the best plan and bound."""
        return relative_gap(self.upper, self.lower) if math.isfinite(self.upper) else math.inf

    def certify(self) -> None:
        """Recomputes bound and plan from where the method stands."""
        self.lower = max(self.lower, self.bound())
        found = self.plan()
        if found.broken_kw > TOLERANCE:
            return
        if self.best is None or found.money.total < self.upper:
            self.best, self.upper = found, found.money.total

    def plan(self) -> Candidate:
        """The method's variables as a plan that can be kept."""
        width, problem = self._groups + 2, self.problem
        z = self.interior.point.z.reshape(-1, width)
        energy, discharge, shares = z[:, -1], np.maximum(z[:, 0], 0.0), z[:, 1:-1]
        table, owner = self.cars.table, self._owner
        before = np.where(self._k == 0, table[owner, START], np.roll(energy, 1))
        drift = (self.cars.moved[owner] * shares).sum(axis=1)
        stored = (energy - before) / problem.plan.step_h + discharge * table[owner, PER_OUT] - drift
        charge = np.clip(stored / table[owner, ETA_IN], 0.0, table[owner, CHARGE])
        charging, discharging = self.cars.forced_kw.copy(), np.zeros(self.layout.size)
        charging[self._pairs], discharging[self._pairs] = charge, discharge
        power = net_power_kw(problem.plan, self.layout, charging, discharging)
        wished = np.zeros((self._groups, self.layout.size))
        wished[:, self._pairs] = shares.T
        x = self.market.columns(self.interior.point.s)
        curtailed = np.minimum(self.market.site.curtailed_kw(x, problem.plan.periods), problem.plan.curtailable_kw)
        return settle(
            problem, self.layout, self.tables, power, wished, curtailed, tuple(x[bid] for bid in self.market.site.bids)
        )

    def bound(self) -> float:
        """The lower bound at the method's prices and multipliers."""
        plan, cars, point, groups = self.problem.plan, self.cars, self.interior.point, self._groups
        y = point.y.copy().reshape(plan.periods, 1 + groups)
        for g, group in enumerate(self.problem.groups):
            if group.activation == 0.0:
                y[:, 1 + g] = np.minimum(y[:, 1 + g], 0.0)
        site = self.market.row_prices(y.ravel(), point.sq)
        inner = np.delete(point.q, cars.rows[1:] - 1).reshape(-1, cars.kinds)
        power, theta = np.zeros((2, self.layout.size)), np.zeros((self._kinds, self.layout.size))
        power[:, self._pairs] = inner[:, 6 + groups : 8 + groups].T
        theta[:, self._pairs] = inner[:, 8 + groups :].T
        at_end = np.zeros(plan.fleet.size)
        if cars.drifts:
            at_end[cars.vehicle] = point.q[cars.rows[1:] - 1]
        values = np.empty(plan.fleet.size)
        wear_share = np.zeros((plan.fleet.size, groups))
        wear_share[cars.vehicle] = cars.wear_share
        tables = self.tables
        vehicle_values(
            tables.vehicles, plan.fleet.arrival, plan.step_h, plan.fleet.wear_per_kwh, plan.terminal_value_per_kwh,
            self.bounds.required_kwh, tables.lower, tables.before, tables.moved, wear_share, cars.most_kw, tables.is_up,
            tables.row_at, tables.row_up, tables.terms, tables.hours, np.ascontiguousarray(-y.T),
            np.maximum(power, 0.0), np.maximum(theta, 0.0), np.maximum(at_end, 0.0), values,
        )  # fmt: skip
        return self.market.program.bound(site) + math.fsum(values.tolist())

    def answer(self, gap: float) -> ReserveSolution:
        """The best plan with its bound."""
        if self.best is None:
            msg = "there is no plan yet"
            raise SolverError(msg)
        return conclude(
            self.problem, self.layout, self.bounds, self.best, self.lower, gap, solver=_NAME
        )  # fmt: skip
