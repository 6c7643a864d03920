"""One tick: the frozen image and the plan in, a setpoint for every EVSE out. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from bothways.dispatch.curves import curves_of
from bothways.dispatch.phases import cap_rise, hold, import_load, settle_minimum
from bothways.dispatch.policy import Connected
from bothways.dispatch.setpoints import setpoints
from bothways.operations.events import EvseKey
from bothways.operations.site import charge_now
from bothways.operations.site.base import Base, estimate_base
from bothways.operations.site.planner import ActivePlan, connected_rows
from bothways.operations.site.settings import LoopOptions, SiteSettings
from bothways.operations.site.state import EvseState, Image

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_TINY_KWH = 1e-6
_BURST_S = 10.0
_LEAST_LEFT = 0.2


@dataclass(frozen=True)
class TickState:
    """What one tick hands to the next.

    Attributes:
        at: instant of the tick; ``None`` before the first.
        building: the building's load as estimated, see :class:`~bothways.operations.site.base.Base`.
        charge_budget_kw: rise of total charging that is still allowed [kW].
        discharge_budget_kw: the same for discharging [kW].
        commanded: what was commanded, by EVSE [kW].
    """

    at: datetime | None = None
    building: Floats | None = None
    charge_budget_kw: float = 0.0
    discharge_budget_kw: float = 0.0
    commanded: dict[EvseKey, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """What one controllable EVSE is told, and from what it follows; all [kW].

    Attributes:
        key: which.
        power_kw: the setpoint.
        planned_kw: what the plan intends.
        must_kw: least power with which the need stays in reach.
        floor_kw: least power that the driver's floor asks for.
        high_kw: greatest power that vehicle and charger allow.
        wished_kw: after the plan and needs, before limits of site and rate.
    """

    key: EvseKey
    power_kw: float
    planned_kw: float
    must_kw: float
    floor_kw: float
    high_kw: float
    wished_kw: float


@dataclass(frozen=True)
class Tick:
    """Result of a tick.

    Attributes:
        rows: by EVSE.
        state: for the next tick.
        base: the building's load and the limits.
        target_kw: import that the plan wants not to be exceeded [kW].
        import_kw: import that results at most on L1, L2, L3 and in total [kW].
        following: whether a plan is followed; False while dispatch alone meets needs.
    """

    rows: dict[EvseKey, Row]
    state: TickState
    base: Base
    target_kw: float
    import_kw: tuple[float, ...]
    following: bool


def tick(
    image: Image, plan: ActivePlan | None, before: TickState, settings: SiteSettings, options: LoopOptions
) -> Tick:
    """Dispatches one instant.

    The order of what gives way: safety limits, driver's floor, required energy, service commitments, money. The same
    kernel as in studies turns plan and needs into powers inside the site's total; then follow minimum powers, the
    cap on how fast the total may rise, and the limits of phases and total, which only take away.

    Args:
        image: the frozen image.
        plan: the plan in force; ``None`` where there is none.
        before: what the last tick handed on.
        settings: the site.
        options: the loop's options.

    Returns:
        The setpoints, and the state for the next tick.
    """
    base = estimate_base(image, before.building, settings)
    step_h = options.dispatch_step_s / 3600.0
    losses = settings.vehicle.part_load
    connected, evses = connected_rows(image, image.now, options.dispatch_step_s, settings.wear_per_kwh, losses)
    budgets = _budgets(image, before, options)
    if image.latched or connected.size == 0:
        rows = {item.key: Row(item.key, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0) for item in evses}
        state = TickState(image.now, base.building, *budgets, dict.fromkeys(rows, 0.0))
        return Tick(rows, state, base, math.inf, tuple(base.high), following=False)
    planned, target, following = _intended(image, plan, connected, evses, options)
    discharge_kw = connected.discharge_now_kw(step_h)
    now = charge_now.wanted_now(evses)
    column = _Columns(connected, evses, before, step_h, now)
    room = float(base.import_limit[3] - base.high[3])
    curves = curves_of(connected.part_load, connected.eta_c, connected.eta_d)
    connected, column.must = charge_now.before_those_who_can_wait(connected, now, column.must, column.high, room)
    wished = setpoints(
        planned, connected.energy_kwh, connected.floor_kwh, connected.ceiling_kwh, connected.need_kwh,
        connected.steps_left, connected.charge_kw, discharge_kw, connected.eta_c, connected.eta_d,
        np.zeros(connected.size), float(base.high[3]), target, float(base.import_limit[3]),
        max(0.0, float(base.export_limit[3])), step_h, *(() if curves is None else (curves,)),
    )  # fmt: skip
    power = _shaped(wished, column, (connected.charge_kw, discharge_kw), base, budgets, options)
    shares = (base.high, column.worst, column.most, column.sure, column.shown)
    loads = tuple(import_load(power, c, *shares) for c in range(4))
    state = _next_state(image, base, budgets, power, evses, before)
    rows = {
        item.key: Row(
            item.key, float(power[i]), float(planned[i]), float(column.must[i]), float(column.floor[i]),
            float(column.high[i]), float(wished[i]),
        )
        for i, item in enumerate(evses)
    }  # fmt: skip
    return Tick(rows, state, base, target, loads, following)


class _Columns:
    """Arrays of one tick beyond those of :class:`Connected`; shapes ``(N,)`` and ``(N, 4)``."""

    def __init__(
        self, connected: Connected, evses: list[EvseState], before: TickState, step_h: float, now: Bools
    ) -> None:
        n = connected.size
        self.now = now
        self.worst = np.array([(*item.phases.worst, 1.0) for item in evses]).reshape(n, 4)
        self.most = np.array([(*item.phases.most_kw, math.inf) for item in evses]).reshape(n, 4)
        self.sure = np.array([(*item.phases.sure, 1.0) for item in evses]).reshape(n, 4)
        self.shown = np.array([_shown(item) for item in evses])
        self.before = np.array([before.commanded.get(item.key, item.ordered_kw) for item in evses])
        self.minimum = np.minimum(connected.minimum_kw, connected.charge_kw)
        self.minimum_out = np.array([item.session.minimum_out_kw if item.session else 0.0 for item in evses])
        self.home = np.array([not item.to_grid for item in evses], dtype=np.bool_)
        self.keep = np.array([item.session is not None and item.session.keep for item in evses], dtype=np.bool_)
        gap = connected.ceiling_kwh - connected.energy_kwh
        self.high = np.minimum(connected.charge_kw, _ac_kw(connected, gap, step_h))
        later = np.maximum(0, connected.steps_left - 1) * connected.charge_kw * connected.eta_c * step_h
        need = np.minimum(connected.need_kwh, connected.ceiling_kwh)
        missing = need - later - connected.energy_kwh
        below = connected.floor_kwh - connected.energy_kwh
        # those that must not pause go on at the minimum while they are not full, as if they needed it
        awake = self.keep & (gap > _TINY_KWH)
        self.awake = np.where(awake, self.minimum, 0.0)
        urgent = _ac_kw(connected, np.maximum(missing, below), step_h)
        self.must = np.maximum(np.minimum(urgent, self.high), self.awake)
        self.floor = np.minimum(_ac_kw(connected, below, step_h), self.high)
        slack = later + connected.charge_kw * connected.eta_c * step_h - (need - connected.energy_kwh)
        slack_h = slack / np.maximum(connected.charge_kw * connected.eta_c, 1e-9)
        self.running = self.before >= np.maximum(self.minimum, 0.05)
        self.order = np.lexsort(
            (connected.key, slack_h.round(2), ~self.running, ~now, ~now & (self.must <= 0.0), self.floor <= 0.0)
        ).astype(np.int64)


def _ac_kw(connected: Connected, stored_kwh: Floats, step_h: float) -> Floats:
    """Charging power that stores so much in a step [kW]; 0 where nothing is missing."""
    missing = np.maximum(0.0, stored_kwh)
    if connected.part_load is None:
        return np.asarray(missing / (connected.eta_c * step_h))
    charge, _ = connected.part_load.segments(connected.eta_c, connected.eta_d)
    return charge.in_kw(missing / step_h, np.arange(connected.size))


def _shown(item: EvseState) -> float:
    """Power that the meter shows and that the orders in force and before do not take away [kW]."""
    if item.measured_kw > 0.0:
        kept = item.measured_kw if item.fresh else min(item.measured_kw, item.high_kw)
        return max(0.0, min(kept, max(0.0, item.ordered_kw)))
    kept = item.measured_kw if item.fresh else max(item.measured_kw, item.low_kw)
    return min(0.0, max(kept, min(0.0, item.ordered_kw)))


def _intended(
    image: Image, plan: ActivePlan | None, connected: Connected, evses: list[EvseState], options: LoopOptions
) -> tuple[Floats, float, bool]:
    """What the plan intends for each row now, its import target, and whether a plan is followed at all."""
    planned = np.zeros(connected.size)
    target, following = image.limits.committed_import_kw, False
    if plan is not None and (image.now - plan.made_at).total_seconds() <= options.plan_lifetime_s:
        offset = plan.offset(image.now)
        if offset is not None:
            following = plan.usable
            target = min(target, _rest_of_step(float(plan.plan.target_kw[offset]), image, plan))
            for i, key in enumerate(connected.key):
                row = plan.rows.get(int(key))
                if row is not None:
                    planned[i] = plan.plan.power_kw[row, offset]
    for i, item in enumerate(evses):
        session = item.session
        if session is not None and session.need is not None and session.need.charge_now:
            planned[i] = math.inf
        if item.told_kw is not None:
            planned[i] = item.told_kw
    return planned, target, following


def _rest_of_step(target_kw: float, image: Image, plan: ActivePlan) -> float:
    """The target for what is left of the step, so that its mean, which is billed, keeps the target.

    Import above the target before a change was seen is made up for; import below it gives nothing to be spent.
    """
    elapsed = (image.now - plan.start).total_seconds() % plan.step_s
    left = max(plan.step_s - elapsed, _LEAST_LEFT * plan.step_s)
    over = max(0.0, image.step_mean_kw - target_kw) if math.isfinite(target_kw) else 0.0
    return target_kw - over * min(image.step_seen_s, elapsed) / left


def _shaped(
    wished: Floats, column: _Columns, greatest: tuple[Floats, Floats], base: Base, budgets: tuple[float, float],
    options: LoopOptions,
) -> Floats:  # fmt: skip
    """Minimum powers, whole quanta, the cap on rises, then the limits."""
    power = np.where(np.isfinite(wished), wished, 0.0)
    power = np.where(column.awake > 0.0, np.maximum(power, column.awake), power)
    power = np.where((power < 0.0) & (-power < column.minimum_out), 0.0, power)
    # a vehicle that needs less than the minimum is told the minimum, and stops by itself when it is full
    shares = (column.worst, column.most, column.sure, column.shown)
    settle_minimum(
        power,
        column.must,
        column.high,
        column.minimum,
        column.running,
        column.order,
        base.high,
        base.import_limit,
        *shares,
    )
    power = _whole(_kept_home(power, column, base), column.minimum, *greatest, options.quantum_kw)
    charge_now.step_aside(power, column.before, column.now, column.must, column.minimum, column.order, budgets[0])
    cap_rise(power, column.before, column.minimum, column.order, 1.0, budgets[0])
    cap_rise(power, column.before, column.minimum_out, column.order, -1.0, budgets[1])
    hold(
        power, column.must, column.floor, column.minimum, column.minimum_out, column.order, base.high, base.low,
        base.import_limit, base.export_limit, *shares,
    )  # fmt: skip
    return np.clip(power, -greatest[1], np.maximum(greatest[0], 0.0)) + 0.0


def _kept_home(power: Floats, column: _Columns, base: Base) -> Floats:
    """Vehicles known only to feed a building give no more than is surely taken behind the meter now."""
    out = np.where(column.home, np.maximum(0.0, -power), 0.0)
    given = float(out.sum())
    if given <= 0.0:
        return power
    others = np.minimum(np.maximum(power, 0.0), np.maximum(column.shown, 0.0))
    out *= min(1.0, (max(0.0, float(base.low[3])) + float(others.sum())) / given)
    out[out < column.minimum_out] = 0.0
    return np.where(column.home & (power < 0.0), -out, power)


def _whole(power: Floats, minimum: Floats, greatest: Floats, least: Floats, quantum: float) -> Floats:
    """Whole quanta, so that orders do not change with every breath of the load; what one row loses the next one gains.

    Zero stays zero, nobody changes direction, falls below a minimum or leaves the range; the sum of charging and that
    of discharging each stay within a quantum.
    """
    whole = power.copy()
    carry = {1.0: 0.0, -1.0: 0.0}
    for i in range(power.shape[0]):
        if power[i] == 0.0 or power[i] >= greatest[i] or power[i] <= -least[i]:
            continue
        sign = 1.0 if power[i] > 0.0 else -1.0
        wanted = abs(power[i]) + carry[sign]
        rounded = math.floor(wanted / quantum + 1e-6) * quantum
        low = minimum[i] if sign > 0.0 else 0.0
        rounded = min(max(rounded, min(low, abs(power[i]))), greatest[i] if sign > 0.0 else least[i])
        carry[sign] = min(max(wanted - rounded, 0.0), quantum)
        whole[i] = sign * rounded
    return whole


def _budgets(image: Image, before: TickState, options: LoopOptions) -> tuple[float, float]:
    """Rises still allowed [kW]: they fill at the permitted rate, up to ten seconds of it or one minimum power."""
    installed = sum(item.record.charge_kw for item in image.evses)
    rate = options.ramp_kw_per_s(installed)
    seconds = options.tick_s if before.at is None else (image.now - before.at).total_seconds()
    seconds = min(max(seconds, 0.0), _BURST_S)
    largest = max((item.record.min_charge_kw for item in image.evses), default=0.0)
    fullest = max(_BURST_S * rate, largest)
    return (
        min(fullest, before.charge_budget_kw + rate * seconds),
        min(fullest, before.discharge_budget_kw + rate * seconds),
    )


def _next_state(
    image: Image, base: Base, budgets: tuple[float, float], power: Floats, evses: list[EvseState], before: TickState
) -> TickState:
    old = np.array([before.commanded.get(item.key, item.ordered_kw) for item in evses])
    up = float(np.maximum(power, 0.0).sum() - np.maximum(old, 0.0).sum())
    down = float(np.maximum(-power, 0.0).sum() - np.maximum(-old, 0.0).sum())
    return TickState(
        image.now, base.building,
        max(0.0, budgets[0] - max(0.0, up)), max(0.0, budgets[1] - max(0.0, down)),
        {item.key: float(power[i]) for i, item in enumerate(evses)},
    )  # fmt: skip
