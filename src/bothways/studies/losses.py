"""Losses at part load and stand-by: counted where the scenario asks for them, else told beside every strategy.

Without ``[chargers.losses]`` plans and runs count one efficiency per direction, which is fast. A converter loses
more at a tenth of its power than at half of it, and a vehicle that is kept awake for feeding back draws power while it
waits. Both are worked out afterwards from what flowed, with the convex curve of
:func:`bothways.battery.losses.default_losses` and at the prices of each step, so that a reader
sees whether it could turn the answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bothways.battery.losses import ChargerLosses, default_losses
from bothways.dispatch.curves import curves_of, stored_kwh
from bothways.simulation.rule_based import Trace
from bothways.simulation.stays import Stays
from bothways.studies.inputs import Case, StudyInputs
from bothways.studies.runs import StrategyRun

Floats = NDArray[np.float64]

IDLE_KW = 0.01
"""Below this a converter is off: rounding of a plan is no power [kW]."""


@dataclass(frozen=True)
class PartLoad:
    """Losses of one strategy over the period.

    Attributes:
        moved_kwh: charged and discharged [kWh, AC side].
        constant_kwh: lost with the constant efficiencies of the run [kWh].
        curve_kwh: lost with the part-load curve for the same energy in the batteries [kWh].
        standby_kwh: drawn while plugged in, able to feed back and idle [kWh, AC side]; 0 for one-way strategies.
        cost: of what the run did not count, at the optimiser's prices [currency]; negative where the constant
            efficiencies were the more cautious ones.
    """

    moved_kwh: float
    constant_kwh: float
    curve_kwh: float
    standby_kwh: float
    cost: float

    @property
    def extra_kwh(self) -> float:
        """Energy that the run did not count [kWh, AC side]."""
        return self.curve_kwh - self.constant_kwh + self.standby_kwh


def part_load(inputs: StudyInputs, case: Case, run: StrategyRun) -> PartLoad:
    """Works out the losses of a run at part load.

    A charger's rating is the greatest power of its stays in either direction. What a battery gave beyond the constant
    efficiency is charged again, at the mean price.

    Args:
        inputs: the study.
        case: for prices.
        run: what flowed; stays that could feed back are idle at stand-by only in two-way strategies.
    """
    if inputs.stays.part_load is not None:
        return _counted(inputs, run)
    stays, trace, step_h = inputs.stays, run.trace, inputs.grid.step_h
    price, mean_price = case.import_price.values, float(case.import_price.values.mean())
    two_way = run.strategy == "bidirectional"
    constant = curve = standby = cost = 0.0
    for evse in range(stays.evse_count):
        own = stays.evse == evse
        if not own.any():
            continue
        losses = default_losses(float(np.maximum(stays.charge_kw, stays.discharge_kw)[own].max()))
        power, who = trace.evse_power_kw[evse], trace.evse_stay[evse]
        power = np.where(np.abs(power) < IDLE_KW, 0.0, power)
        eta_c, eta_d = stays.eta_c[who], stays.eta_d[who]  # where nobody is the power is 0
        charging, giving = np.maximum(power, 0.0), np.maximum(-power, 0.0)
        lost = charging * (1.0 - eta_c) + giving * (1.0 / eta_d - 1.0)
        in_more, out_more = _more(losses, charging * eta_c, charging, giving, eta_c, eta_d)
        waits = np.zeros(power.shape)
        if two_way:
            able = (who >= 0) & (stays.discharge_kw[who] > 0.0)
            waits = np.where(able & (power == 0.0), losses.standby_kw, 0.0)
        constant += float(lost.sum()) * step_h
        curve += float((lost + in_more + out_more).sum()) * step_h
        standby += float(waits.sum()) * step_h
        cost += float(((in_more + waits) * price).sum() + out_more.sum() * mean_price) * step_h
    moved = float(np.abs(trace.evse_power_kw).sum()) * step_h
    return PartLoad(moved, constant, curve, standby, cost)


def _more(
    losses: ChargerLosses, stored_kw: Floats, charging_kw: Floats, giving_kw: Floats, eta_c: Floats, eta_d: Floats
) -> tuple[Floats, Floats]:
    """AC power beyond that of the run that charging, and paying back what was given, needs by the curve [kW]."""
    in_more = losses.charge.input_for(stored_kw) - charging_kw
    out_more = np.where(giving_kw > 0.0, (losses.discharge.input_for(giving_kw) - giving_kw / eta_d) / eta_c, 0.0)
    return np.asarray(np.where(charging_kw > 0.0, in_more, 0.0)), np.asarray(out_more)


def standby_kw(stays: Stays) -> Floats | None:
    """Stand-by of every stay that can feed back, ``(S,)`` [kW]; ``None`` where the scenario counts none."""
    if stays.part_load is None:
        return None
    return np.asarray(np.where(stays.discharge_kw > 0.0, stays.part_load.standby_kw, 0.0))


def drawn_kw(stays: Stays, trace: Trace) -> Floats:
    """What vehicles draw or give together, stand-by included, ``(T,)`` [kW]."""
    standby = standby_kw(stays)
    if standby is None:
        return trace.vehicles_kw
    waits = (trace.evse_stay >= 0) & (trace.evse_power_kw == 0.0)
    return np.asarray(trace.vehicles_kw + np.where(waits, standby[np.maximum(trace.evse_stay, 0)], 0.0).sum(axis=0))


def _counted(inputs: StudyInputs, run: StrategyRun) -> PartLoad:
    """Losses of a run that has counted them by the curve."""
    stays, trace, step_h = inputs.stays, run.trace, inputs.grid.step_h
    curves = curves_of(stays.part_load, stays.eta_c, stays.eta_d)
    stored = 0.0 if curves is None else stored_kwh(curves, trace.evse_power_kw, trace.evse_stay, step_h)
    lost = float(trace.evse_power_kw.sum()) * step_h - stored
    two_way = run.strategy == "bidirectional"
    standby = float((drawn_kw(stays, trace) - trace.vehicles_kw).sum()) * step_h if two_way else 0.0
    return PartLoad(float(np.abs(trace.evse_power_kw).sum()) * step_h, lost, lost, standby, 0.0)
