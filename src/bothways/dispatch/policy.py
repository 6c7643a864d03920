"""The policy: what is known at an instant in, a plan out. Studies and live sites call the same function."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bothways.battery.losses import ChargerLosses
from bothways.dispatch.budgets import DischargeBudgets, Solve, solve_within, within_budget_kw
from bothways.domain.errors import SolverError
from bothways.planning.part_load import PartLoad
from bothways.planning.problem import DemandCharge, Fleet, PlanOptions, PlanProblem, PlanSolution
from bothways.planning.solve import solve
from bothways.planning.watch import Watch

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_TINY_KWH = 1e-6

PART_LOAD_GAP = 2e-3
"""Gap asked of plans whose converters are on or off, at least: a smaller one would cost each plan many seconds."""


@dataclass(frozen=True)
class Connected:
    """Vehicles that are connected now, as believed; arrays have shape ``(N,)``.

    Attributes:
        key: number that identifies the session to the caller.
        energy_kwh: stored energy [kWh].
        floor_kwh: energy that discharging never crosses [kWh].
        ceiling_kwh: energy at which charging ends, as far as known [kWh].
        need_kwh: energy to be held at the end of the stay [kWh].
        steps_left: steps until the cautious end of the stay, this one included, at least 1.
        charge_kw: greatest charging power [kW].
        discharge_kw: greatest discharging power [kW]; 0 without consent or capability.
        eta_c: charging efficiency.
        eta_d: discharging efficiency.
        wear_per_kwh: cost of wear per kWh discharged [currency/kWh].
        minimum_kw: smallest charging power other than 0 [kW].
        left_kwh: what may still be discharged today [kWh, AC side], ``inf`` for no cap; ``None`` where nobody has one.
        part_load: losses at part load; ``None`` where ``eta_c`` and ``eta_d`` hold at every power.
    """

    key: Ints
    energy_kwh: Floats
    floor_kwh: Floats
    ceiling_kwh: Floats
    need_kwh: Floats
    steps_left: Ints
    charge_kw: Floats
    discharge_kw: Floats
    eta_c: Floats
    eta_d: Floats
    wear_per_kwh: Floats
    minimum_kw: Floats
    left_kwh: Floats | None = None
    part_load: PartLoad | None = None

    @property
    def size(self) -> int:
        """Number of vehicles."""
        return int(self.key.shape[0])

    def with_losses(self, losses: ChargerLosses) -> Connected:
        """The same vehicles, all with these losses at part load; their efficiencies become those at full power."""
        part_load = PartLoad((losses,), np.zeros(self.size, dtype=np.int64))
        charge, discharge, eta_c, eta_d = part_load.limits_at_full_power(
            self.charge_kw, self.discharge_kw, self.eta_c, self.eta_d
        )
        return replace(
            self, charge_kw=charge, discharge_kw=discharge, eta_c=eta_c, eta_d=eta_d, part_load=part_load,
            minimum_kw=np.minimum(self.minimum_kw, charge),
        )  # fmt: skip

    def discharge_now_kw(self, step_h: float) -> Floats:
        """Greatest discharging power of the step that begins now, caps of the day counted, ``(N,)`` [kW].

        Dispatch is given this one: with it no command, whatever it is, takes a vehicle over its cap.
        """
        return (
            self.discharge_kw if self.left_kwh is None else within_budget_kw(self.discharge_kw, self.left_kwh, step_h)
        )


@dataclass(frozen=True)
class SiteView:
    """The site's side of the decision over the horizon; arrays have shape ``(H,)``.

    Attributes:
        step_h: step [h].
        base_kw: forecast of load minus production [kW]; entry 0 is the measurement.
        import_price: forecast or published price of import [currency/kWh].
        export_price: forecast or published credit for export [currency/kWh].
        demand: prices on peaks within the horizon, with the peaks so far.
        import_limit_kw: contractual limit, soft [kW].
        import_limit_penalty_per_kwh: price above it [currency/kWh].
        import_hard_limit_kw: safety limit [kW].
        export_limit_kw: limit on export [kW].
        earliness_per_kwh_h: preference for energy that is stored an hour earlier [currency/kWh/h]; small, so that
            it decides only between plans of nearly the same cost. It leaves room for vehicles yet to come.
        resting_per_kwh_h: what a stored kWh costs per hour in calendar ageing [currency/kWh/h]; the credit for parking
            low. A vehicle that leaves with what it needs pays Σ_t resting·Δ·energy_t, and that is, up to a constant and
            the efficiencies, resting × the time at which its energy is stored, counted backwards: what is stored later
            rests shorter, and what is fed back earlier is missed by the calendar. So it enters as a price that falls
            with time, the reverse of ``earliness_per_kwh_h``, one for all vehicles.
    """

    step_h: float
    base_kw: Floats
    import_price: Floats
    export_price: Floats
    demand: tuple[DemandCharge, ...]
    import_limit_kw: float = math.inf
    import_limit_penalty_per_kwh: float = 0.0
    import_hard_limit_kw: float = math.inf
    export_limit_kw: float = math.inf
    earliness_per_kwh_h: float = 0.0
    resting_per_kwh_h: float = 0.0


@dataclass(frozen=True)
class Plan:
    """What is intended from now on.

    Attributes:
        key: sessions of the rows of ``power_kw``, as in :class:`Connected`.
        power_kw: shape ``(N, H)`` [kW], positive charges.
        target_kw: for every step the import that dispatch should not exceed, shape ``(H,)`` [kW].
        solution: the planner's answer with its certificate; ``None`` where no vehicle is connected or no solver
            answered.
    """

    key: Ints
    power_kw: Floats
    target_kw: Floats
    solution: PlanSolution | None


def decide(
    site: SiteView,
    connected: Connected,
    options: PlanOptions,
    budgets: Sequence[DischargeBudgets] = (),
    *,
    before: Plan | None = None,
    elapsed: int = 0,
    watch: Watch | None = None,
) -> Plan:
    """Plans the connected vehicles over the horizon of ``site``.

    Each vehicle is planned until the cautious end of its stay; its need is soft with the least possible
    shortfall. The target that dispatch guards in real time is, per step, the highest import that the plan pays
    for in any demand charge covering that step.

    Where the solver gives no usable plan, or the safety limit cannot be kept, the plan is empty: dispatch alone
    then still meets needs, as late as possible, within the limits.

    Args:
        site: the site's side.
        connected: the vehicles.
        options: of the planner.
        budgets: caps on what vehicles discharge within days or years, as :meth:`bothways.dispatch.budgets.Caps.ahead`
            makes them; whoever commands a step keeps them with :func:`bothways.dispatch.budgets.within_budget_kw`.
        before: an earlier plan of this site, for the planner to start from; what is proven does not depend on it.
        elapsed: steps since then.
        watch: as :func:`bothways.planning.solve.solve` takes it.
    """
    horizon = int(site.base_kw.shape[0])
    if connected.size == 0:
        return Plan(connected.key, np.zeros((0, horizon)), np.full(horizon, math.inf), None)
    problem = plan_problem(site, connected)
    if problem.part_load is not None:
        options = replace(options, gap=max(options.gap, PART_LOAD_GAP))
    warm = None if before is None or before.solution is None else before.solution.restart
    if warm is not None:
        warm = warm.shifted(elapsed, horizon)

    def plan(asked: PlanProblem, how: PlanOptions) -> PlanSolution:
        return solve(asked, how, watch, warm)

    try:
        solution = within_caps(problem, budgets, options, plan) if budgets else plan(problem, options)
    except SolverError:
        solution = None
    if solution is None or solution.status == "infeasible":
        # No plan: intend nothing. Dispatch then charges each vehicle as late as its need permits and holds the limits.
        nothing = np.zeros((connected.size, horizon))
        return Plan(connected.key, nothing, np.full(horizon, math.inf), solution)
    return Plan(connected.key, solution.power_kw, import_target(problem, solution), solution)


def within_caps(
    problem: PlanProblem, budgets: Sequence[DischargeBudgets], options: PlanOptions, plan: Solve
) -> PlanSolution:
    """A plan under caps on discharging; these are kept by mixing plans, which converters that are on or off forbid.

    So where a cap would be broken, losses are taken as they are at full power; dispatch knows better.
    """
    if problem.part_load is None:
        return solve_within(problem, budgets, options, plan)
    found = plan(problem, options)
    if found.status == "infeasible" or all(each.kept_by(found.power_kw, problem.step_h) for each in budgets):
        return found
    found = solve_within(replace(problem, part_load=None), budgets, options, plan)
    return replace(found, notes=(*found.notes, "under caps on discharging, losses are those at full power"))


def plan_problem(site: SiteView, connected: Connected) -> PlanProblem:
    """States the planner's problem for what is known now."""
    horizon = int(site.base_kw.shape[0])
    n = connected.size
    lateness = (site.earliness_per_kwh_h - site.resting_per_kwh_h) * site.step_h * np.arange(horizon)
    fleet = Fleet(
        arrival=np.zeros(n, dtype=np.int64),
        departure=np.clip(connected.steps_left, 1, horizon),
        energy_at_arrival_kwh=connected.energy_kwh,
        energy_required_kwh=_need_within(connected, horizon, site.step_h),
        energy_min_kwh=connected.floor_kwh,
        energy_max_kwh=np.maximum(connected.ceiling_kwh, connected.energy_kwh),
        charge_kw=connected.charge_kw,
        discharge_kw=connected.discharge_kw,
        charge_efficiency=connected.eta_c,
        discharge_efficiency=connected.eta_d,
        wear_per_kwh=connected.wear_per_kwh,
        min_charge_kw=np.zeros(n),
        no_pause=np.zeros(n, dtype=np.bool_),
    )
    return PlanProblem(
        step_h=site.step_h,
        periods=horizon,
        import_price=site.import_price + lateness,
        export_price=site.export_price + lateness,
        base_load_kw=site.base_kw,
        fleet=fleet,
        demand_charges=site.demand,
        import_limit_kw=site.import_limit_kw,
        import_limit_penalty_per_kwh=site.import_limit_penalty_per_kwh,
        import_hard_limit_kw=site.import_hard_limit_kw,
        export_limit_kw=site.export_limit_kw,
        part_load=connected.part_load,
    )


def _need_within(connected: Connected, horizon: int, step_h: float) -> Floats:
    """Energy to hold at the horizon's end so that the rest of a longer stay can still meet the need."""
    later = np.maximum(0, connected.steps_left - horizon) * connected.charge_kw * connected.eta_c * step_h
    return np.maximum(np.minimum(connected.need_kwh, connected.ceiling_kwh) - later, 0.0)


def ready_kw(standby_kw: Floats, steps_left: Ints, reach: int) -> Floats:
    """What vehicles and chargers draw while they are ready to feed back, as a load over the horizon, ``(reach,)`` [kW].

    Args:
        standby_kw: of each connected vehicle, 0 where it cannot feed back, ``(N,)`` [kW].
        steps_left: steps until the end of each stay, this one included, ``(N,)``.
        reach: steps of the horizon.

    >>> ready_kw(np.array([0.1, 0.0]), np.array([2, 3]), 3).tolist()
    [0.1, 0.1, 0.0]
    """
    there = np.arange(reach)[:, None] < steps_left[None, :]
    return np.asarray(there @ standby_kw)


def import_target(problem: PlanProblem, solution: PlanSolution) -> Floats:
    """The import that dispatch should not exceed, per step: the peak that the plan already pays for."""
    target = np.full(problem.periods, math.inf)
    for charge in problem.demand_charges:
        if charge.price_per_kw > 0.0 and charge.steps.any():
            paid = max(charge.peak_so_far_kw, float(solution.import_kw[charge.steps].max()))
            target[charge.steps] = np.minimum(target[charge.steps], paid)
    if problem.import_limit_penalty_per_kwh > 0.0:
        target = np.minimum(target, np.maximum(problem.import_limit_kw, solution.import_kw))
    return target


def standing_need(energy_kwh: Floats, asked_kwh: Floats, ceiling_kwh: Floats, target_known: Bools) -> Floats:
    """Energy that a driver is owed by the end of the stay, shape ``(N,)`` [kWh].

    A request is a promise, not a cap: a vehicle that already holds what was asked for and still takes more is owed
    more, until it declines, exactly as an unmanaged charger would have served it. Where the vehicle reports its
    state, the request is the target.

    Args:
        energy_kwh: stored energy [kWh].
        asked_kwh: stored energy that was asked for [kWh].
        ceiling_kwh: energy at which charging ends, as far as known [kWh].
        target_known: whether the vehicle reports its state.
    """
    asked = np.minimum(asked_kwh, ceiling_kwh)
    served = (energy_kwh >= asked - _TINY_KWH) & ~target_known
    return np.asarray(np.where(served, ceiling_kwh, asked))
