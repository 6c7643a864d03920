"""Planning a live site: the image becomes the policy's problem, answered by the same function as in studies."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bothways.battery.losses import ChargerLosses
from bothways.dispatch.budgets import Caps, DischargeBudgets
from bothways.dispatch.policy import Connected, Plan, SiteView, decide, ready_kw, standing_need
from bothways.domain.errors import DomainError
from bothways.domain.timegrid import TimeGrid
from bothways.operations.ports import Prices
from bothways.operations.site.history import StepHistory
from bothways.operations.site.settings import LoopOptions, SiteSettings
from bothways.operations.site.state import EvseState, Image, SessionState
from bothways.operations.site.warm import converters_loaded
from bothways.planning.problem import DemandCharge, PlanOptions
from bothways.planning.solve import ON_OFF_FROM
from bothways.tariffs.prices import DemandTerm, planning_prices
from bothways.tariffs.structure import Tariff

Floats = NDArray[np.float64]

_COMMITMENT_TIMES = 10.0
_COMMITMENT_LEAST = 10.0

Forecaster = Callable[[TimeGrid], Sequence[float] | None]
"""Expected load minus production without vehicles per step [kW], or ``None`` where it cannot say."""


@dataclass(frozen=True)
class ActivePlan:
    """A plan with the instants it is for.

    Attributes:
        plan: what :func:`bothways.dispatch.policy.decide` answered.
        start: beginning of its first step.
        made_at: instant of the image it was made from.
        step_s: step [s].
        base_kw: the load it expected, shape ``(H,)`` [kW].
        import_price: prices it was made with, shape ``(H,)``.
        export_price: likewise.
        rows: row of ``power_kw`` by session.
    """

    plan: Plan
    start: datetime
    made_at: datetime
    step_s: int
    base_kw: Floats
    import_price: Floats
    export_price: Floats
    rows: dict[int, int]

    def offset(self, now: datetime) -> int | None:
        """Step of the plan that ``now`` lies in; ``None`` outside."""
        step = math.floor((now - self.start).total_seconds() / self.step_s)
        return step if 0 <= step < self.base_kw.shape[0] else None

    @property
    def usable(self) -> bool:
        """Whether a solver answered with a schedule."""
        solution = self.plan.solution
        return self.plan.key.shape[0] == 0 or (solution is not None and solution.status != "infeasible")


@dataclass(frozen=True)
class Costs:
    """Prices and demand charges over a horizon; ``demand`` with the peaks so far."""

    import_price: Floats
    export_price: Floats
    demand: tuple[DemandCharge, ...]
    import_limit_kw: float = math.inf
    import_limit_penalty_per_kwh: float = 0.0
    export_limit_kw: float = math.inf


class CostModel(Protocol):
    """What energy costs at the site."""

    def costs(self, grid: TimeGrid, history: StepHistory, prices: Prices | None) -> Costs:
        """Costs over the grid, given what the meter has shown in the billing month so far."""
        ...


@dataclass(frozen=True)
class TariffCosts:
    """Costs by a tariff; a price signal, where given, replaces the tariff's price per kWh.

    Attributes:
        tariff: the tariff; ``None`` for a site that has only a signal.
    """

    tariff: Tariff | None

    def costs(self, grid: TimeGrid, history: StepHistory, prices: Prices | None) -> Costs:
        """See :class:`CostModel`. Terms are made from the start of the billing month on, so that its peaks count."""
        signal = None
        if prices is not None:
            signal = np.array(prices.import_price), np.array(prices.export_price)
        if self.tariff is None:
            nothing = np.zeros(grid.periods)
            bought, sold = signal or (nothing, nothing)
            return Costs(bought, sold, ())
        before = history.steps_of_month(grid)
        whole = TimeGrid(grid.start - before * grid.step, grid.step, before + grid.periods, grid.tz)
        seen = history.net_kw(whole, before)
        series = np.concatenate([np.zeros(before), signal[0]]) if signal and self.tariff.price_series else None
        peak = float(np.nanmax(seen, initial=0.0)) if before else 0.0
        made = planning_prices(
            self.tariff, whole, price_series=series, month_peak_kw=max(0.0, peak),
            month_to_date_kwh=float(np.nansum(np.maximum(seen, 0.0))) * grid.step_h,
        )  # fmt: skip
        ahead = slice(before, None)
        bought, sold = made.import_per_kwh[ahead], made.export_per_kwh[ahead]
        if signal and series is None:
            bought, sold = signal
        return Costs(
            bought, sold, _charges(made.demand, seen, before),
            made.import_limit_kw, made.import_limit_penalty_per_kwh, made.export_limit_kw,
        )  # fmt: skip


def _charges(terms: tuple[DemandTerm, ...], seen: Floats, before: int) -> tuple[DemandCharge, ...]:
    """Demand charges that still count ahead, each with the peak that was metered in its own steps."""
    charges = []
    for term in terms:
        if term.steps[before:].any():
            past = seen[term.steps[:before]]
            reached = float(np.nanmax(past, initial=0.0)) if past.size else 0.0
            charges.append(DemandCharge(term.price_per_kw, term.steps[before:], max(term.above_kw, reached)))
    return tuple(charges)


def step_start(now: datetime, step_s: int) -> datetime:
    """Beginning of the step that ``now`` lies in; steps are counted in UTC from 1970."""
    return datetime.fromtimestamp(now.timestamp() // step_s * step_s, tz=UTC)


def connected_rows(
    image: Image, step_start_at: datetime, step_s: float, wear_per_kwh: float, losses: ChargerLosses | None = None
) -> tuple[Connected, list[EvseState]]:
    """The policy's picture of the vehicles that obey orders, and their EVSEs in the same order.

    The floor is raised by what is uncertain about the stored energy where a vehicle may discharge; a vehicle without
    declared departure is charged at once and never discharged. With ``losses`` at part load all vehicles have these.
    """
    rows = [item for item in image.evses if item.controllable]
    sessions = [item.session for item in rows if item.session is not None]
    energy = np.array([s.energy_kwh for s in sessions])
    ceiling = np.array([s.ceiling_kwh for s in sessions])
    known = np.array([s.target_known for s in sessions], dtype=np.bool_)
    owed = standing_need(energy, np.array([s.asked_kwh for s in sessions]), ceiling, known)
    at_once = np.array([s.until is None for s in sessions], dtype=np.bool_)
    owed = np.where(at_once, ceiling, owed)
    windows = zip(sessions, rows, ceiling, owed, strict=True)
    ceiling = np.array([_ceiling(s, item.may_discharge_kw, top, need) for s, item, top, need in windows])
    charge = np.array([s.charge_kw for s in sessions])
    eta_c = np.array([s.eta_c for s in sessions])
    step_h = step_s / 3600.0
    busy = np.ceil(np.maximum(0.0, ceiling - energy) / np.maximum(charge * eta_c * step_h, 1e-9) - 1e-9)
    left = np.array([
        0.0 if s.until is None else (s.until - step_start_at).total_seconds() // step_s for s in sessions
    ])  # fmt: skip
    out = np.array([item.may_discharge_kw for item in rows])
    connected = Connected(
        key=np.array([s.session_id for s in sessions], dtype=np.int64),
        energy_kwh=energy,
        floor_kwh=np.array([_floor(s, item.may_discharge_kw) for s, item in zip(sessions, rows, strict=True)]),
        ceiling_kwh=ceiling,
        need_kwh=owed,
        steps_left=np.maximum(1, np.where(at_once, np.minimum(busy, 1e6), left)).astype(np.int64),
        charge_kw=charge,
        discharge_kw=np.where(at_once, 0.0, out),
        eta_c=eta_c,
        eta_d=np.array([s.eta_d for s in sessions]),
        wear_per_kwh=np.array([wear_per_kwh if s.wear_per_kwh is None else s.wear_per_kwh for s in sessions]),
        minimum_kw=np.array([s.minimum_kw for s in sessions]),
        left_kwh=caps_of(rows).left_now_kwh(),
    )
    return connected if losses is None else connected.with_losses(losses), rows


def _floor(session: SessionState, may_discharge_kw: float) -> float:
    """The floor of feeding back [kWh]: the driver's or the warranty's, whichever is higher, and what is uncertain.

    The warranty's never makes a vehicle charge; it only keeps it from discharging further.
    """
    if may_discharge_kw <= 0.0:
        return session.floor_kwh
    uncertain = max(0.0, session.energy_kwh - session.energy_low_kwh)
    kept = max(session.floor_kwh, session.battery.limits.soc_min * session.capacity_kwh.value)
    return min(session.energy_kwh, kept + uncertain)


def _ceiling(session: SessionState, may_discharge_kw: float, ceiling_kwh: float, owed_kwh: float) -> float:
    """The ceiling of charging [kWh]: the warranty's where it may be fed back, but never below what is owed or held."""
    if may_discharge_kw <= 0.0:
        return ceiling_kwh
    window = session.battery.limits.soc_max * session.capacity_kwh.value
    return min(ceiling_kwh, max(window, owed_kwh, session.energy_kwh))


def caps_of(evses: list[EvseState]) -> Caps:
    """What each vehicle may discharge per local day and year, and what it has, in the order of ``evses``.

    The tighter of the driver's cap and the maker's holds; yearly cycles are of the least capacity it may have.
    """
    sessions = [item.session for item in evses if item.session is not None]
    return Caps(
        per_day_kwh=np.array([session.day_cap_kwh for session in sessions]),
        per_year_kwh=np.array([session.year_cap_kwh for session in sessions]),
        today_kwh=np.array([session.returned_today_kwh for session in sessions]),
        year_kwh=np.array([session.returned_year_kwh for session in sessions]),
    )


def stands_before(image: Image) -> float:
    """Load of EVSEs that take no orders [kW]."""
    return sum(item.reserved_kw for item in image.evses)


def make_plan(
    image: Image, settings: SiteSettings, options: LoopOptions, costs: CostModel, history: StepHistory,
    prices: Callable[[TimeGrid], Prices | None], forecast: Forecaster | None, base_kw: float,
    before: ActivePlan | None = None,
) -> ActivePlan:  # fmt: skip
    """Plans the vehicles of the image by the policy that studies use.

    Args:
        image: what is known.
        settings: the site.
        options: horizon, step, solver time.
        costs: what energy costs.
        history: what the meter has shown.
        prices: published or forecast prices over a grid, ``None`` where there is no signal.
        forecast: load forecast; where it is ``None`` or cannot say, the history is repeated.
        base_kw: load minus production now, without vehicles [kW].
        before: the plan in force, for the planner to start from.

    Returns:
        The plan, empty where nobody is connected.
    """
    start = step_start(image.now, options.step_s)
    connected, rows = connected_rows(
        image, start, options.step_s, settings.wear_per_kwh, settings.vehicle.part_load
    )  # fmt: skip
    longest = int(connected.steps_left.max()) if connected.size else 1
    reach = max(1, min(round(options.horizon_h * 3600 / options.step_s), longest))
    grid = TimeGrid(start, timedelta(seconds=options.step_s), reach, settings.tz)
    base = expected_base(grid, history, forecast, base_kw + stands_before(image))
    known = costs.costs(grid, history, prices(grid))
    limits, penalty = image.limits, max(image.limits.import_penalty_per_kwh, known.import_limit_penalty_per_kwh)
    if math.isfinite(limits.committed_import_kw):  # a commitment goes before money: it is priced above any energy
        penalty = max(penalty, _COMMITMENT_TIMES * float(np.abs(known.import_price).max()), _COMMITMENT_LEAST)
    site = SiteView(
        step_h=grid.step_h,
        base_kw=base if connected.part_load is None else base + _standby_kw(connected, rows, reach),
        import_price=known.import_price,
        export_price=known.export_price,
        demand=known.demand,
        import_limit_kw=min(limits.import_kw, known.import_limit_kw, limits.committed_import_kw),
        import_limit_penalty_per_kwh=penalty,
        import_hard_limit_kw=limits.import_hard_kw,
        export_limit_kw=min(limits.export_kw, known.export_limit_kw),
        earliness_per_kwh_h=options.earliness_per_kwh_h,
        resting_per_kwh_h=settings.resting_per_kwh_h,
    )
    budgets: tuple[DischargeBudgets, ...] = ()
    if connected.size and (connected.discharge_kw > 0.0).any():  # who does not feed back is under no cap on it
        budgets = caps_of(rows).ahead(grid.local.date_ordinal, grid.local.year)
    plan = _decided(site, connected, options, budgets, before, start)
    return ActivePlan(
        plan, start, image.now, options.step_s, base, known.import_price, known.export_price,
        {int(key): row for row, key in enumerate(connected.key)},
    )  # fmt: skip


def _standby_kw(connected: Connected, rows: list[EvseState], reach: int) -> Floats:
    """What those who are ready to feed back draw while they wait, as a load that plans see, ``(reach,)`` [kW]."""
    if connected.part_load is None:
        return np.zeros(reach)
    able = np.array([item.may_discharge_kw > 0.0 for item in rows], dtype=np.bool_)
    return ready_kw(np.where(able, connected.part_load.standby_kw, 0.0), connected.steps_left, reach)


def _decided(
    site: SiteView,
    connected: Connected,
    options: LoopOptions,
    budgets: tuple[DischargeBudgets, ...],
    before: ActivePlan | None,
    start: datetime,
) -> Plan:
    """The policy's answer: of the fleet engine from some dozens of vehicles on, of HiGHS below or where it declines.

    A study waits for HiGHS up to 300 vehicles; a live site wants its plan within milliseconds also on a busy machine.
    While the engine's kernels for converters are still being loaded, a fleet that it would plan with them gets a plan
    with the efficiencies of full power, of HiGHS where that is quick, for the engine would have to be compiled as well;
    dispatch counts losses at part load in any case.
    """
    large = connected.size >= min(options.engine_from, ON_OFF_FROM)
    loading = connected.part_load is not None and large and options.plan_in_thread and not converters_loaded()
    if loading:
        connected = replace(connected, part_load=None)
    asked = PlanOptions(gap=options.plan_gap, time_limit_s=options.plan_time_limit_s)
    elapsed = before.offset(start) if before is not None and before.step_s == options.step_s else None
    if connected.size >= options.engine_from and not loading:
        try:
            plan = decide(
                site, connected, replace(asked, solver="engine"), budgets,
                before=before.plan if elapsed is not None and before is not None else None, elapsed=elapsed or 0,
            )  # fmt: skip
        except DomainError:  # a feature that the engine does not have
            plan = None
        if plan is not None and plan.solution is not None and plan.solution.status != "infeasible":
            return plan
    return decide(site, connected, asked, budgets)


def expected_base(grid: TimeGrid, history: StepHistory, forecast: Forecaster | None, now_kw: float) -> Floats:
    """Load minus production expected over the grid [kW]; entry 0 is the measurement."""
    guess = forecast(grid) if forecast is not None else None
    base = np.array(guess, dtype=np.float64) if guess is not None else history.expected_base(grid, now_kw)
    base[0] = now_kw
    return base
