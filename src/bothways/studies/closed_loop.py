"""The closed loop: the plant moves a step, the operator sees what can be seen, plans again, and dispatches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from bothways.dispatch.budgets import DischargeBudgets
from bothways.dispatch.curves import curves_of
from bothways.dispatch.policy import Connected, Plan, SiteView, decide, ready_kw, standing_need
from bothways.dispatch.setpoints import setpoints
from bothways.planning.part_load import NONE
from bothways.planning.problem import DemandCharge, PlanOptions
from bothways.planning.watch import Watch
from bothways.simulation.plant import respond_all
from bothways.simulation.rule_based import Trace
from bothways.simulation.stays import Stays
from bothways.studies.ageing import batteries_of
from bothways.studies.allowances import Allowances, ceiling_kwh, floor_kwh
from bothways.studies.drivers import CautiousDepartures
from bothways.studies.inputs import Case, StudyInputs
from bothways.studies.losses import drawn_kw, standby_kw
from bothways.studies.runs import Planning, StrategyRun, site_flows

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_BATTERY = -1
_SILENT_KW = 0.05
_TOLERANCE_KW = 1e-6
_LEAST_KWH = 1e-9  # per step, where a cold battery takes nothing
_SURPRISE_KW = 1.0
_SURPRISE_SHARE = 0.1


def run_closed_loop(
    inputs: StudyInputs,
    case: Case,
    strategy: str,
    on_step: Callable[[int], None] | None = None,
    watch: Watch | None = None,
) -> StrategyRun:
    """Plays ``smart`` or ``bidirectional`` over the whole period, knowing at each step only what is known then.

    Args:
        inputs: the study.
        case: how the site is connected and billed.
        strategy: ``smart`` (one-way) or ``bidirectional``.
        on_step: called with every step's index, for progress.
        watch: as :func:`bothways.planning.solve.solve` takes it.

    Returns:
        The run.
    """
    stays = inputs.stays if strategy == "bidirectional" else inputs.stays.one_way()
    loop = _Loop(inputs, case, stays, watch)
    for now in range(inputs.grid.periods):
        loop.step(now)
        if on_step is not None:
            on_step(now)
    return loop.finish(strategy)


@dataclass
class _Record:
    """Arrays that fill up while the loop runs."""

    evse_power: Floats
    evse_energy: Floats
    evse_stay: NDArray[np.int32]
    battery: Floats
    battery_energy: Floats
    plans: int = 0
    failed: int = 0
    not_optimal: int = 0
    worst_gap: float = 0.0
    messages: list[str] = field(default_factory=list)


class _Loop:
    """State of one run. ``energy`` is the truth; ``full`` and the departures are what the operator has found out."""

    def __init__(self, inputs: StudyInputs, case: Case, stays: Stays, watch: Watch | None) -> None:
        self.inputs, self.case, self.stays, self.watch = inputs, case, stays, watch
        grid, settings = inputs.grid, inputs.settings
        self.step_h = grid.step_h
        self.horizon = max(1, round(settings.horizon_h / grid.step_h))
        self.max_age = max(1, round(settings.replan_every_h / grid.step_h))
        self.options = PlanOptions(gap=settings.gap, time_limit_s=settings.time_limit_s)
        self.standby_kw = standby_kw(stays)
        self.departures = CautiousDepartures(inputs)
        self.energy = stays.energy_kwh.copy()
        self.start = stays.energy_kwh.copy()
        self.ceiling = np.where(stays.target_known, stays.target_kwh, stays.capacity_kwh)
        self.full = np.zeros(stays.size, dtype=np.bool_)
        self.energy_at_full = np.zeros(stays.size)
        self.charged = np.zeros(stays.size)
        self.discharged = np.zeros(stays.size)
        self.present = np.zeros(0, dtype=np.int64)
        self.upcoming = 0
        self.peaks = [term.above_kw for term in case.demand]
        self.battery_kwh = case.battery.hold * case.battery.capacity_kwh if case.battery else 0.0
        self.plan: Plan | None = None
        two_way = bool((stays.discharge_kw > 0.0).any())
        self.limits = inputs.warranty if two_way else None  # who does not feed back is under no cap on it
        self.allowances = Allowances(self.limits, batteries_of(inputs), grid) if self.limits else None
        self.planned_at = -1
        self.expected_base: Floats = np.zeros(0)
        e, t = stays.evse_count, grid.periods
        self.record = _Record(
            np.zeros((e, t)), np.zeros((e, t)), np.full((e, t), -1, dtype=np.int32), np.zeros(t), np.zeros(t)
        )

    def step(self, now: int) -> None:
        """Moves one step: who is there, plan if there is news, dispatch, plant, record."""
        if self.allowances is not None:
            self.allowances.advance(now)
        news = self._connections(now)
        connected = self._connected(now)
        if connected.size:
            if news or self._stale(now):
                self._replan(now, connected)
            self._act(now, connected)
        self._meter(now)

    def _connections(self, now: int) -> bool:
        stays = self.stays
        leaving = stays.departure[self.present] <= now
        for i in self.present[leaving]:
            self.departures.left(int(i))
        self.present = self.present[~leaving]
        first = self.upcoming
        while self.upcoming < stays.size and stays.arrival[self.upcoming] == now:
            i = self.upcoming
            if stays.previous[i] >= 0:
                self.energy[i] = max(0.0, self.energy[stays.previous[i]] - stays.away_kwh[i])
                self.start[i] = self.energy[i]
            self.departures.arrived(i)
            self.upcoming += 1
        arrived = np.arange(first, self.upcoming)
        self.present = np.concatenate([self.present, arrived])
        return bool(leaving.any()) or bool(arrived.size)

    def _connected(self, now: int) -> Connected:
        """The operator's picture of who is there; the stationary battery comes last."""
        stays, who = self.stays, self.present
        declared = stays.declared[who] >= 0
        ceiling = np.where(self.full[who], self.energy_at_full[who], self.ceiling[who])
        known = stays.target_known[who] | self.full[who]
        need = standing_need(self.energy[who], stays.asked_kwh[who], ceiling, known)
        need = np.where(self.full[who], ceiling, need)  # what a full vehicle took is owed, whatever was asked for
        ceiling = ceiling_kwh(self.limits, stays, who, ceiling, need)
        room = np.maximum(0.0, ceiling - self.energy[who])
        per_step = np.maximum(stays.charge_kw[who] * stays.eta_c[who] * self.step_h, _LEAST_KWH)
        busy = np.ceil(room / per_step - 1e-9).astype(np.int64)
        left = np.where(declared, self.departures.steps_left(who, now), np.maximum(1, busy))
        rows = Connected(
            key=who,
            energy_kwh=self.energy[who],
            floor_kwh=np.minimum(floor_kwh(self.limits, stays, who, self.energy[who]), ceiling),
            ceiling_kwh=ceiling,
            need_kwh=np.where(declared, need, ceiling),
            steps_left=left,
            charge_kw=stays.charge_kw[who],
            # a driver who declared nothing has agreed to nothing: charge, and leave the energy alone
            discharge_kw=np.where(declared, stays.discharge_kw[who], 0.0),
            eta_c=stays.eta_c[who],
            eta_d=stays.eta_d[who],
            wear_per_kwh=self.inputs.wear_per_kwh[who],
            minimum_kw=stays.minimum_kw[who],
            part_load=None if stays.part_load is None else stays.part_load.of(who),
        )
        rows = self._with_battery(rows, now)
        if self.allowances is None:
            return rows
        caps = self.allowances.caps(who, rows.size - who.size)
        return replace(rows, left_kwh=caps.left_now_kwh())

    def _with_battery(self, rows: Connected, now: int) -> Connected:
        battery = self.case.battery
        if battery is None:
            return rows
        own = {
            "key": _BATTERY,
            "energy_kwh": self.battery_kwh,
            "floor_kwh": 0.0,
            "ceiling_kwh": battery.capacity_kwh,
            "need_kwh": battery.hold * battery.capacity_kwh,
            "steps_left": min(self.horizon, self.inputs.grid.periods - now),  # the study ends with what it began with
            "charge_kw": battery.power_kw,
            "discharge_kw": battery.power_kw,
            "eta_c": battery.eta_c,
            "eta_d": battery.eta_d,
            "wear_per_kwh": battery.wear_per_kwh,
            "minimum_kw": 0.0,
        }
        known = rows.part_load  # that of the battery's converter is in its efficiencies
        part_load = None if known is None else replace(known, curve=np.append(known.curve, NONE))
        return Connected(
            **{name: np.append(getattr(rows, name), value) for name, value in own.items()}, part_load=part_load
        )

    def _stale(self, now: int) -> bool:
        if self.plan is None or now - self.planned_at >= min(self.max_age, self.expected_base.shape[0]):
            return True
        case = self.case
        if case.import_price.news_at(now) or case.export_price.news_at(now):
            return True
        surprise = abs(case.base_kw[now] - self.expected_base[now - self.planned_at])
        return bool(surprise > _SURPRISE_KW + _SURPRISE_SHARE * np.abs(self.expected_base).mean())

    def _replan(self, now: int, connected: Connected) -> None:
        case = self.case
        longest = int(connected.steps_left.max())
        reach = min(self.horizon, longest, self.inputs.grid.periods - now)
        base = case.load.view(now, reach) - case.pv.view(now, reach)
        base += self._ready_kw(connected, reach)
        demand = tuple(
            DemandCharge(term.price_per_kw, term.steps[now : now + reach], peak)
            for term, peak in zip(case.demand, self.peaks, strict=True)
            if term.steps[now : now + reach].any()
        )
        limits = case.limits
        site = SiteView(
            step_h=self.step_h,
            base_kw=base,
            import_price=case.import_price.view(now, reach),
            export_price=case.export_price.view(now, reach),
            demand=demand,
            import_limit_kw=limits.import_limit_kw,
            import_limit_penalty_per_kwh=limits.import_limit_penalty_per_kwh,
            import_hard_limit_kw=limits.import_hard_limit_kw,
            export_limit_kw=limits.export_limit_kw,
            earliness_per_kwh_h=self.inputs.settings.earliness_per_kwh_h,
            resting_per_kwh_h=self.inputs.settings.resting_per_kwh_h,
        )
        budgets: tuple[DischargeBudgets, ...] = ()
        if self.allowances is not None:
            caps = self.allowances.caps(self.present, connected.size - self.present.size)
            budgets = self.allowances.ahead(caps, reach)
        self.plan = decide(
            site, connected, self.options, budgets, before=self.plan, elapsed=now - self.planned_at, watch=self.watch
        )
        self.planned_at, self.expected_base = now, base
        self._note_plan(now)

    def _ready_kw(self, connected: Connected, reach: int) -> Floats:
        """Stand-by of those who are connected now, as a load, ``(reach,)`` [kW]."""
        if self.standby_kw is None:
            return np.zeros(reach)
        return ready_kw(self.standby_kw[self.present], connected.steps_left[: self.present.size], reach)

    def _note_plan(self, now: int) -> None:
        record, solution = self.record, self.plan.solution if self.plan else None
        record.plans += 1
        if solution is None or solution.status == "infeasible":
            record.failed += 1
            why = "; ".join(solution.infeasible_because) if solution else "no solver answered"
            if len(record.messages) < 20:
                record.messages.append(f"{self.inputs.grid.instant(now):%Y-%m-%d %H:%M}Z: no plan ({why})")
            return
        record.worst_gap = max(record.worst_gap, solution.gap)
        record.not_optimal += solution.status != "optimal"

    def _act(self, now: int, connected: Connected) -> None:
        plan, case = self.plan, self.case
        if plan is None:
            return
        points, power, after = self._flow(now, plan, connected)
        who = self.present
        if case.battery is not None:
            self.battery_kwh = float(after[-1])
            self.record.battery[now] = power[-1]
        self._settle(now, points[: who.size], power[: who.size], after[: who.size])

    def _flow(self, now: int, plan: Plan, connected: Connected) -> tuple[Floats, Floats, Floats]:
        """Setpoints, what flows, and the energies after the step.

        Where a vehicle that was to take what others give turns out to be full, the export limit would be broken for
        the whole step; a live site sees that within seconds and dispatches again, and so does this loop.
        """
        case, offset = self.case, now - self.planned_at
        target = connected.ceiling_kwh.copy()
        target[: self.present.size] = self.stays.target_kwh[self.present]
        curves = curves_of(connected.part_load, connected.eta_c, connected.eta_d)
        ready = 0.0 if self.standby_kw is None else float(self.standby_kw[self.present].sum())
        lowest = min(case.base_kw[now], -case.limits.export_limit_kw) - _TOLERANCE_KW
        ceiling, discharge_kw = connected.ceiling_kwh, connected.discharge_now_kw(self.step_h)
        while True:
            points = setpoints(
                np.ascontiguousarray(plan.power_kw[:, offset]), connected.energy_kwh, connected.floor_kwh, ceiling,
                connected.need_kwh, connected.steps_left, connected.charge_kw, discharge_kw,
                connected.eta_c, connected.eta_d, connected.minimum_kw, case.base_kw[now] + ready,
                plan.target_kw[offset], case.limits.import_hard_limit_kw, case.limits.export_limit_kw, self.step_h,
                curves,
            )  # fmt: skip
            power, after = respond_all(
                points, connected.energy_kwh, target, connected.charge_kw, discharge_kw, connected.eta_c,
                connected.eta_d, self.step_h, curves,
            )  # fmt: skip
            declined = (points > 0.0) & (power < points - _TOLERANCE_KW) & (after < ceiling)
            if case.base_kw[now] + power.sum() >= lowest or not declined.any():
                return points, power, after
            ceiling = np.where(declined, after, ceiling)

    def _settle(self, now: int, points: Floats, power: Floats, after: Floats) -> None:
        """Stores what flowed, and learns from a vehicle that took less than it was offered that it is full."""
        stays, who, record = self.stays, self.present, self.record
        self.energy[who] = after
        self.charged[who] += np.maximum(power, 0.0) * self.step_h
        given = np.maximum(-power, 0.0) * self.step_h
        self.discharged[who] += given
        if self.allowances is not None:
            self.allowances.use(who, given)
        declined = (points > 0.0) & (power < points - _SILENT_KW)
        newly = who[declined & ~self.full[who]]
        self.full[newly] = True
        self.energy_at_full[newly] = self.energy[newly]
        where = stays.evse[who]
        record.evse_power[where, now] = power
        record.evse_energy[where, now] = after
        record.evse_stay[where, now] = who

    def _meter(self, now: int) -> None:
        self.record.battery_energy[now] = self.battery_kwh
        drawn = self.case.base_kw[now] + self.record.evse_power[:, now].sum() + self.record.battery[now]
        if self.standby_kw is not None:
            idle = self.record.evse_power[self.stays.evse[self.present], now] == 0.0
            drawn += float(self.standby_kw[self.present][idle].sum())
        for k, term in enumerate(self.case.demand):
            if term.steps[now] and drawn > self.peaks[k]:
                self.peaks[k] = float(drawn)

    def finish(self, strategy: str) -> StrategyRun:
        """Makes the run's record."""
        record, case = self.record, self.case
        trace = Trace(
            record.evse_power, record.evse_energy, record.evse_stay, self.energy, self.start, self.discharged,
            self.charged,
        )  # fmt: skip
        flows = site_flows(
            case.load.values, case.pv.values, drawn_kw(self.stays, trace), record.battery, record.battery_energy,
            case.limits.export_limit_kw,
        )  # fmt: skip
        if self.allowances is not None and self.allowances.reached:
            record.messages.insert(
                0, f"battery-days on which the daily cap was reached: {len(self.allowances.reached)}"
            )
        planning = Planning(
            record.plans, record.worst_gap, record.not_optimal, record.failed, None, tuple(record.messages)
        )
        return StrategyRun(strategy, False, trace, flows, planning)  # noqa: FBT003
