"""The bound: the same strategy if every arrival, departure, load and price had been known beforehand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bothways.dispatch.budgets import DischargeBudgets
from bothways.dispatch.policy import PART_LOAD_GAP, within_caps
from bothways.domain.errors import SolverError
from bothways.domain.timegrid import TimeGrid
from bothways.planning.part_load import NONE, PartLoad
from bothways.planning.problem import DemandCharge, Fleet, PlanOptions, PlanProblem, PlanSolution
from bothways.planning.solve import solve
from bothways.simulation.rule_based import Trace
from bothways.simulation.stays import Stays
from bothways.studies.ageing import batteries_of
from bothways.studies.allowances import floor_kwh, whole_period
from bothways.studies.inputs import Case, StudyInputs
from bothways.studies.losses import drawn_kw
from bothways.studies.runs import Planning, StrategyRun, site_flows

Floats = NDArray[np.float64]

WHOLE_CELLS = 40_000_000
"""Stays times steps up to which a period is one problem; above it a schedule no longer fits into memory."""

BOUND_GAP = 5e-6
"""Gap of a bound, so that bounds of two strategies differ by what they may do and by next to nothing else."""


def run_foresight(inputs: StudyInputs, case: Case, strategy: str, uncontrolled: Trace) -> StrategyRun:
    """Plans the whole period at once, knowing everything.

    Every stay must end with at least the energy that uncontrolled charging gave it, so nobody is served less. The
    schedule and its bound are of the cost that the optimiser sees (energy, demand, wear); the bill of the schedule
    is computed like every other. Periods too large for memory are planned month by month, as demand charges are
    billed; stays that cross a month's end then keep their uncontrolled charging, and a message counts them.

    Args:
        inputs: the study.
        case: how the site is connected and billed.
        strategy: ``smart`` (one-way) or ``bidirectional``.
        uncontrolled: the trace of uncontrolled charging over the same stays.

    Returns:
        The run; ``planning.lower_bound`` is a certified bound, ``None`` where stays kept their uncontrolled charging.

    Raises:
        SolverError: the solver found no schedule within its time.
    """
    stays = inputs.stays if strategy == "bidirectional" else inputs.stays.one_way()
    if case.battery is not None or stays.size * inputs.grid.periods <= WHOLE_CELLS:
        windows = [(0, inputs.grid.periods)]
    else:
        windows = months(inputs.grid)
    return _Bound(inputs, case, stays, uncontrolled).run(strategy, windows)


def months(grid: TimeGrid) -> list[tuple[int, int]]:
    """First step and end of every billing month that the grid touches."""
    month = grid.local.month_index
    edges = [0, *(np.flatnonzero(np.diff(month)) + 1).tolist(), grid.periods]
    return list(pairwise(edges))


def foresight_problem(
    inputs: StudyInputs, case: Case, stays: Stays, uncontrolled: Trace, window: tuple[int, int] | None = None
) -> PlanProblem:
    """States a window of the period as one problem over the stays wholly inside it.

    Stays that reach over an edge of the window are part of the base load, as uncontrolled charging left them. A
    stationary battery is the last vehicle.
    """
    begin, end = window or (0, inputs.grid.periods)
    inside = _inside(stays, begin, end)
    base = case.base_kw[begin:end]
    if not inside.all():
        base = base + _fixed_kw(uncontrolled, inside, begin, end)
    limits, span = case.limits, slice(begin, end)
    return PlanProblem(
        step_h=inputs.grid.step_h,
        periods=end - begin,
        import_price=case.import_price.values[span],
        export_price=case.export_price.values[span],
        base_load_kw=base,
        fleet=_fleet(inputs, case, stays, uncontrolled, inside, begin, end),
        demand_charges=tuple(
            DemandCharge(term.price_per_kw, term.steps[span], term.above_kw)
            for term in case.demand
            if term.steps[span].any()
        ),
        import_limit_kw=limits.import_limit_kw,
        import_limit_penalty_per_kwh=limits.import_limit_penalty_per_kwh,
        import_hard_limit_kw=limits.import_hard_limit_kw,
        export_limit_kw=limits.export_limit_kw,
        part_load=_part_load(stays, inside, case),
    )


def _part_load(stays: Stays, inside: NDArray[np.bool_], case: Case) -> PartLoad | None:
    """Losses of the stays in a window; those of a stationary battery are in its efficiencies."""
    if stays.part_load is None:
        return None
    curve = stays.part_load.curve[inside]
    return replace(stays.part_load, curve=curve if case.battery is None else np.append(curve, NONE))


def _inside(stays: Stays, begin: int, end: int) -> NDArray[np.bool_]:
    return np.asarray((stays.arrival >= begin) & (stays.departure <= end))


def _fixed_kw(trace: Trace, inside: NDArray[np.bool_], begin: int, end: int) -> Floats:
    """Uncontrolled power of all stays that are not ``inside``, shape ``(end - begin,)`` [kW]."""
    stay = trace.evse_stay[:, begin:end]
    fixed = (stay >= 0) & ~inside[np.maximum(stay, 0)]
    return np.asarray(np.where(fixed, trace.evse_power_kw[:, begin:end], 0.0).sum(axis=0))


def _fleet(
    inputs: StudyInputs, case: Case, stays: Stays, uncontrolled: Trace, inside: NDArray[np.bool_], begin: int, end: int
) -> Fleet:
    declared = stays.declared >= 0
    limits = inputs.warranty if bool((stays.discharge_kw > 0.0).any()) else None
    held = np.minimum(uncontrolled.energy_start_kwh, uncontrolled.energy_end_kwh)
    floor = np.minimum(floor_kwh(limits, stays, np.arange(stays.size), held), uncontrolled.energy_end_kwh)
    columns: dict[str, Any] = {
        "arrival": stays.arrival - begin,
        "departure": stays.departure - begin,
        "energy_at_arrival_kwh": uncontrolled.energy_start_kwh,
        "energy_required_kwh": uncontrolled.energy_end_kwh,
        "energy_min_kwh": floor,
        "energy_max_kwh": np.maximum(stays.target_kwh, uncontrolled.energy_end_kwh),
        "charge_kw": stays.charge_kw,
        "discharge_kw": np.where(declared, stays.discharge_kw, 0.0),
        "charge_efficiency": stays.eta_c,
        "discharge_efficiency": stays.eta_d,
        "wear_per_kwh": inputs.wear_per_kwh,
    }
    columns = {name: column[inside] for name, column in columns.items()}
    if case.battery is not None:
        battery = case.battery
        hold = battery.hold * battery.capacity_kwh
        own = {
            "arrival": 0, "departure": end - begin, "energy_at_arrival_kwh": hold, "energy_required_kwh": hold,
            "energy_min_kwh": 0.0, "energy_max_kwh": battery.capacity_kwh, "charge_kw": battery.power_kw,
            "discharge_kw": battery.power_kw, "charge_efficiency": battery.eta_c,
            "discharge_efficiency": battery.eta_d, "wear_per_kwh": battery.wear_per_kwh,
        }  # fmt: skip
        columns = {name: np.append(column, own[name]) for name, column in columns.items()}
    count = columns["arrival"].shape[0]
    return Fleet(**columns, min_charge_kw=np.zeros(count), no_pause=np.zeros(count, dtype=np.bool_))


@dataclass
class _Bound:
    """Solves window by window and collects the schedules in one trace, which begins as the uncontrolled one."""

    inputs: StudyInputs
    case: Case
    stays: Stays
    uncontrolled: Trace

    def run(self, strategy: str, windows: list[tuple[int, int]]) -> StrategyRun:
        trace = replace(
            self.uncontrolled,
            evse_power_kw=self.uncontrolled.evse_power_kw.copy(),
            evse_energy_kwh=self.uncontrolled.evse_energy_kwh.copy(),
            energy_end_kwh=self.uncontrolled.energy_end_kwh.copy(),
            discharged_kwh=self.uncontrolled.discharged_kwh.copy(),
            charged_kwh=self.uncontrolled.charged_kwh.copy(),
        )
        periods = self.inputs.grid.periods
        battery, stored = np.zeros(periods), np.zeros(periods)
        answers: list[tuple[str, float, float, tuple[str, ...]]] = []
        planned = 0
        for begin, end in windows:
            solution = self._solve(begin, end)
            members = np.flatnonzero(_inside(self.stays, begin, end))
            planned += members.size
            self._fill(trace, solution, members, begin)
            if self.case.battery is not None:
                battery, stored = solution.power_kw[-1], solution.energy_kwh[-1, 1:]
            answers.append((solution.status, solution.gap, solution.lower_bound, solution.notes))
        case = self.case
        flows = site_flows(
            case.load.values, case.pv.values, drawn_kw(self.stays, trace), battery, stored, case.limits.export_limit_kw
        )
        return StrategyRun(strategy, True, trace, flows, self._planning(answers, planned))  # noqa: FBT003

    def _solve(self, begin: int, end: int) -> PlanSolution:
        settings = self.inputs.settings
        problem = foresight_problem(self.inputs, self.case, self.stays, self.uncontrolled, (begin, end))
        patience = max(120.0, settings.time_limit_s)
        gap = min(settings.gap, BOUND_GAP) if problem.part_load is None else max(settings.gap, PART_LOAD_GAP)
        options = PlanOptions(gap=gap, time_limit_s=patience)
        solution = within_caps(problem, self._budgets(begin, end), options, solve)
        if solution.status == "infeasible":
            msg = f"no schedule with the future known: {'; '.join(solution.infeasible_because)}"
            raise SolverError(msg)
        return solution

    def _budgets(self, begin: int, end: int) -> tuple[DischargeBudgets, ...]:
        limits, inputs = self.inputs.warranty, self.inputs
        if limits is None or not (self.stays.discharge_kw > 0.0).any():
            return ()
        extra = 0 if self.case.battery is None else 1
        inside = _inside(self.stays, begin, end)
        return whole_period(inputs, limits, batteries_of(inputs), inside, slice(begin, end), extra)

    def _fill(self, trace: Trace, solution: PlanSolution, members: NDArray[np.intp], begin: int) -> None:
        stays, step_h = self.stays, self.inputs.grid.step_h
        for row, i in enumerate(members):
            first, last = int(stays.arrival[i]), int(stays.departure[i])
            power = solution.power_kw[row, first - begin : last - begin]
            where = stays.evse[i]
            trace.evse_power_kw[where, first:last] = power
            trace.evse_energy_kwh[where, first:last] = solution.energy_kwh[row, first - begin + 1 : last - begin + 1]
            trace.energy_end_kwh[i] = solution.energy_kwh[row, last - begin]
            trace.charged_kwh[i] = np.maximum(power, 0.0).sum() * step_h
            trace.discharged_kwh[i] = np.maximum(-power, 0.0).sum() * step_h

    def _planning(self, answers: list[tuple[str, float, float, tuple[str, ...]]], planned: int) -> Planning:
        notes = [text for *_, texts in answers for text in texts]
        left = self.stays.size - planned
        if left:
            notes.insert(0, f"{left} stays that cross a month's end keep their uncontrolled charging in this bound")
        return Planning(
            plans=len(answers),
            worst_gap=max(gap for _, gap, *_ in answers),
            not_optimal=sum(status != "optimal" for status, *_ in answers),
            failed=0,
            # with stays that were left as they were, the sum bounds only the rest; with a yearly cap dealt out to
            # windows it bounds less than the year
            lower_bound=None
            if left or (len(answers) > 1 and self.inputs.warranty is not None)
            else sum(bound for _, _, bound, _ in answers),
            messages=tuple(dict.fromkeys(notes)),
        )
