"""The bound: the same strategy if every arrival, departure, load and price had been known beforehand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bothways.domain.errors import SolverError
from bothways.planning.problem import DemandCharge, Fleet, PlanOptions, PlanProblem, PlanSolution
from bothways.planning.solve import solve
from bothways.simulation.rule_based import Trace
from bothways.simulation.stays import Stays
from bothways.studies.inputs import Case, StudyInputs
from bothways.studies.runs import Planning, StrategyRun, site_flows

Floats = NDArray[np.float64]


def run_foresight(inputs: StudyInputs, case: Case, strategy: str, uncontrolled: Trace) -> StrategyRun:
    """Plans the whole period at once, knowing everything.

    Every stay must end with at least the energy that uncontrolled charging gave it, so nobody is served less. The
    schedule and its bound are of the cost that the optimiser sees (energy, demand, wear); the bill of the schedule
    is computed like every other.

    Args:
        inputs: the study.
        case: how the site is connected and billed.
        strategy: ``smart`` (one-way) or ``bidirectional``.
        uncontrolled: the trace of uncontrolled charging over the same stays.

    Returns:
        The run; ``planning.lower_bound`` is a certified bound.

    Raises:
        SolverError: the solver found no schedule within its time.
    """
    stays = inputs.stays if strategy == "bidirectional" else inputs.stays.one_way()
    problem = foresight_problem(inputs, case, stays, uncontrolled)
    patience = max(120.0, inputs.settings.time_limit_s)
    solution = solve(problem, PlanOptions(gap=inputs.settings.gap, time_limit_s=patience))
    if solution.status == "infeasible":
        msg = f"no schedule with the future known: {'; '.join(solution.infeasible_because)}"
        raise SolverError(msg)
    return _as_run(inputs, case, strategy, stays, solution)


def foresight_problem(inputs: StudyInputs, case: Case, stays: Stays, uncontrolled: Trace) -> PlanProblem:
    """States the whole period as one problem; a stationary battery is the last vehicle."""
    limits, periods = case.limits, inputs.grid.periods
    declared = stays.declared >= 0
    columns = {
        "arrival": stays.arrival,
        "departure": stays.departure,
        "energy_at_arrival_kwh": uncontrolled.energy_start_kwh,
        "energy_required_kwh": uncontrolled.energy_end_kwh,
        "energy_min_kwh": np.minimum(stays.floor_kwh, uncontrolled.energy_end_kwh),
        "energy_max_kwh": np.maximum(stays.target_kwh, uncontrolled.energy_end_kwh),
        "charge_kw": stays.charge_kw,
        "discharge_kw": np.where(declared, stays.discharge_kw, 0.0),
        "charge_efficiency": stays.eta_c,
        "discharge_efficiency": stays.eta_d,
        "wear_per_kwh": np.full(stays.size, inputs.settings.wear_per_kwh),
    }
    if case.battery is not None:
        battery = case.battery
        hold = battery.hold * battery.capacity_kwh
        own = {
            "arrival": 0, "departure": periods, "energy_at_arrival_kwh": hold, "energy_required_kwh": hold,
            "energy_min_kwh": 0.0, "energy_max_kwh": battery.capacity_kwh, "charge_kw": battery.power_kw,
            "discharge_kw": battery.power_kw, "charge_efficiency": battery.eta_c,
            "discharge_efficiency": battery.eta_d, "wear_per_kwh": battery.wear_per_kwh,
        }  # fmt: skip
        columns = {name: np.append(column, own[name]) for name, column in columns.items()}
    count = columns["arrival"].shape[0]
    return PlanProblem(
        step_h=inputs.grid.step_h,
        periods=periods,
        import_price=case.import_price.values,
        export_price=case.export_price.values,
        base_load_kw=case.base_kw,
        fleet=Fleet(**columns, min_charge_kw=np.zeros(count), no_pause=np.zeros(count, dtype=np.bool_)),
        demand_charges=tuple(DemandCharge(term.price_per_kw, term.steps, 0.0) for term in case.demand),
        import_limit_kw=limits.import_limit_kw,
        import_limit_penalty_per_kwh=limits.import_limit_penalty_per_kwh,
        import_hard_limit_kw=limits.import_hard_limit_kw,
        export_limit_kw=limits.export_limit_kw,
    )


def _as_run(inputs: StudyInputs, case: Case, strategy: str, stays: Stays, solution: PlanSolution) -> StrategyRun:
    periods, count = inputs.grid.periods, stays.size
    power, energy = solution.power_kw[:count], solution.energy_kwh[:count]
    evse_power = np.zeros((stays.evse_count, periods))
    evse_energy = np.zeros((stays.evse_count, periods))
    evse_stay = np.full((stays.evse_count, periods), -1, dtype=np.int32)
    end = np.empty(count)
    for i in range(count):
        span = slice(int(stays.arrival[i]), int(stays.departure[i]))
        evse_power[stays.evse[i], span] = power[i, span]
        evse_energy[stays.evse[i], span] = energy[i, span.start + 1 : span.stop + 1]
        evse_stay[stays.evse[i], span] = i
        end[i] = energy[i, span.stop]
    step_h = inputs.grid.step_h
    trace = Trace(
        evse_power_kw=evse_power,
        evse_energy_kwh=evse_energy,
        evse_stay=evse_stay,
        energy_end_kwh=end,
        energy_start_kwh=np.array([energy[i, stays.arrival[i]] for i in range(count)]),
        discharged_kwh=np.maximum(-power, 0.0).sum(axis=1) * step_h,
        charged_kwh=np.maximum(power, 0.0).sum(axis=1) * step_h,
    )
    with_battery = case.battery is not None
    battery = solution.power_kw[count] if with_battery else np.zeros(periods)
    stored = solution.energy_kwh[count, 1:] if with_battery else np.zeros(periods)
    flows = site_flows(
        case.load.values, case.pv.values, trace.vehicles_kw, battery, stored, case.limits.export_limit_kw
    )
    optimal = solution.status == "optimal"
    planning = Planning(1, solution.gap, 0 if optimal else 1, 0, solution.lower_bound, solution.notes)
    return StrategyRun(strategy, True, trace, flows, planning)  # noqa: FBT003
