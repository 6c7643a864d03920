"""From runs to money: bill, wear, energy not served, carbon, each strategy against the same reference."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bothways.economics.emissions import SiteFlows, average_ledger, marginal_ledger
from bothways.simulation.rule_based import Trace
from bothways.simulation.stays import Stays
from bothways.studies.inputs import Case, StudyInputs
from bothways.studies.result import CarbonLedger, Outcome, Unserved
from bothways.studies.runs import StrategyRun
from bothways.tariffs.billing import compute_bill

Floats = NDArray[np.float64]

_LABELS = {
    "uncontrolled": "Uncontrolled",
    "smart": "Smart (one-way)",
    "bidirectional": "Bidirectional",
    "smart_foresight": "Smart, future known",
    "bidirectional_foresight": "Bidirectional, future known",
}
_NEGLIGIBLE_KWH = 0.01


def outcome_of(inputs: StudyInputs, case: Case, run: StrategyRun, reference: StrategyRun) -> Outcome:
    """Prices a run.

    Args:
        inputs: the study.
        case: how the site is connected and billed.
        run: the strategy to price.
        reference: uncontrolled charging over the same stays: what every driver would have got.

    Returns:
        The outcome; its cost is bill + wear + energy not served.
    """
    flows, grid = run.flows, inputs.grid
    produced = flows.pv - flows.curtailed
    bill = compute_bill(
        case.tariff,
        grid,
        flows.net,
        price_series=case.tariff_prices,
        generation_kw=produced if produced.any() else None,
    )
    unserved = _unserved(inputs, run, reference)
    missing = float(sum(item.missing_kwh for item in unserved))
    discharged = float(run.trace.discharged_kwh.sum())
    battery_out = float(np.maximum(-flows.battery, 0.0).sum() * grid.step_h)
    battery_wear = case.battery.wear_per_kwh * battery_out if case.battery else 0.0
    return Outcome(
        run=run,
        label=_LABELS[run.key],
        bill=bill,
        wear_cost=float(inputs.wear_per_kwh @ run.trace.discharged_kwh) + battery_wear,
        unserved=unserved,
        unserved_kwh=missing,
        unserved_cost=missing * inputs.unserved_price_per_kwh,
        served_kwh=float(run.trace.charged_kwh.sum()) - discharged,
        discharged_kwh=discharged,
        peak_import_kw=float(np.maximum(flows.net, 0.0).max()),
        carbon=_carbon(inputs, case, run),
    )


def _unserved(inputs: StudyInputs, run: StrategyRun, reference: StrategyRun) -> tuple[Unserved, ...]:
    """Stays that left with less than under the reference, most missing first, with the reason."""
    stays = inputs.stays
    missing = missing_kwh(stays, run.trace, reference.trace)
    order = np.argsort(-missing, kind="stable")
    found = []
    for i in order:
        if missing[i] <= _NEGLIGIBLE_KWH:
            break
        found.append(Unserved(stays.session_id[i], float(missing[i]), _reason(inputs, run, int(i))))
    return tuple(found)


def missing_kwh(stays: Stays, trace: Trace, reference: Trace) -> Floats:
    """AC energy that each stay failed to deliver against the reference, shape ``(S,)`` [kWh]; negative is more.

    What a linked stay already lacked when it began was counted where it arose.
    """
    carried = np.where(stays.previous >= 0, np.maximum(0.0, reference.energy_start_kwh - trace.energy_start_kwh), 0.0)
    return np.asarray((reference.energy_end_kwh - trace.energy_end_kwh - carried) / stays.eta_c)


def _reason(inputs: StudyInputs, run: StrategyRun, i: int) -> str:
    stays, step_h = inputs.stays, inputs.grid.step_h
    if run.foresight:
        return "the schedule with the future known left it short"
    if stays.declared[i] < 0:
        return "nothing was declared; the site's limits held it back"
    early_h = (stays.declared[i] - stays.departure[i]) * step_h
    if early_h >= step_h:
        return f"left {early_h:.1f} h before the declared departure"
    if stays.asked_kwh[i] < stays.target_kwh[i] - _NEGLIGIBLE_KWH:
        more = (stays.target_kwh[i] - stays.asked_kwh[i]) / stays.eta_c[i]
        return f"the vehicle would have taken {more:.1f} kWh more than was asked for"
    if stays.previous[i] >= 0 and run.trace.energy_start_kwh[i] < stays.energy_kwh[i] - _NEGLIGIBLE_KWH:
        return "arrived with less because an earlier stay ended short"
    return "the stay was too short to catch up after planned waiting"


def _carbon(inputs: StudyInputs, case: Case, run: StrategyRun) -> CarbonLedger:
    grid, flows, carbon = inputs.grid, run.flows, inputs.emissions
    at_meter = SiteFlows(grid, np.maximum(flows.net, 0.0), np.maximum(-flows.net, 0.0), flows.vehicles)
    marginal = None
    if carbon.marginal_kg_per_kwh is not None:
        marginal = marginal_ledger(at_meter, carbon.marginal_kg_per_kwh)
    average = None
    if carbon.average_kg_per_kwh is not None:
        average = average_ledger(at_meter, np.full(grid.periods, carbon.average_kg_per_kwh))
    trace = run.trace
    stored = float((trace.energy_end_kwh - trace.energy_start_kwh).sum())
    kept = float(trace.charged_kwh.sum() - trace.discharged_kwh.sum())
    battery = 0.0
    if case.battery is not None:
        flow = flows.battery * grid.step_h
        moved = np.where(flow > 0.0, flow * case.battery.eta_c, flow / case.battery.eta_d)
        battery = float((flow - moved).sum())
    return CarbonLedger(marginal, average, kept - stored + battery)
