"""Two bills of the same hours, and what their difference is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bothways.app.replay.window import Window
from bothways.app.replay.world import Played
from bothways.studies.closed_loop import run_closed_loop
from bothways.studies.runs import StrategyRun
from bothways.tariffs.bill import COMPONENTS, Bill
from bothways.tariffs.billing import compute_bill

Floats = NDArray[np.float64]

_ENERGY = "energy"


@dataclass(frozen=True)
class Side:
    """One of the two: the study, or the live system.

    Attributes:
        net_kw: mean import at the meter by step, shape ``(steps,)`` [kW].
        left_kwh: stored energy of each stay at its end, or at the end of the hours [kWh]; ``nan`` for none.
        discharged_kwh: what vehicles gave [kWh, AC].
        bill: of the hours.
    """

    net_kw: Floats
    left_kwh: Floats
    discharged_kwh: float
    bill: Bill

    def component(self, name: str) -> float:
        """A component's sum over the bill's months [currency]."""
        return float(sum(getattr(month, name) for month in self.bill.months))


@dataclass(frozen=True)
class Term:
    """One cause of the difference [currency]: live less study."""

    name: str
    amount: float
    why: str


@dataclass(frozen=True)
class Comparison:
    """Study and live system side by side.

    Attributes:
        window: the hours.
        study: by the knowledge that the live system has.
        published: the bill of the same hours with the knowledge that the study as published has [currency].
        live: what really flowed.
        played: how it went.
        terms: what the difference of the two bills is made of; they add up to it.
    """

    window: Window
    study: Side
    published: float
    live: Side
    played: Played
    terms: tuple[Term, ...]

    @property
    def difference(self) -> float:
        """Live less study as a share of the study's bill."""
        return float(self.live.bill.total) / float(self.study.bill.total) - 1.0


def studied(window: Window) -> tuple[Side, float]:
    """The study's side, and the total of the bill with the knowledge of the study as published [currency]."""
    run = run_closed_loop(window.inputs, window.case, window.strategy)
    side = _of_run(window, run)
    if window.published is window.inputs:
        return side, float(side.bill.total)
    other = run_closed_loop(window.published, window.case, window.strategy)
    return side, float(_of_run(window, other).bill.total)


def compared(window: Window, study: Side, published: float, played: Played) -> Comparison:
    """Prices what really flowed, and explains the difference.

    The difference of the energy charge is split at the study's mean price: what the additional energy costs, and what
    it costs that energy flowed at other times. Every other component of the bill is a term of its own.
    """
    net = window.case.base_kw[: window.steps] + played.vehicles_kw
    live = Side(net, played.left_kwh, played.discharged_kwh, _bill(window, net))
    return Comparison(window, study, published, live, played, _terms(window, study, live))


def _of_run(window: Window, run: StrategyRun) -> Side:
    inputs, steps = window.inputs, window.steps
    stays = inputs.stays
    net = run.flows.net[:steps]
    left = run.trace.energy_end_kwh.copy()
    for i in np.flatnonzero(stays.departure >= steps):
        left[i] = np.nan if stays.arrival[i] >= steps else run.trace.evse_energy_kwh[stays.evse[i], steps - 1]
    power = run.trace.evse_power_kw[:, :steps]
    out = float(np.maximum(-power, 0.0).sum() * inputs.grid.step_h)
    return Side(net, left, out, _bill(window, net))


def _bill(window: Window, net: Floats) -> Bill:
    return compute_bill(window.case.tariff, window.inputs.grid.slice(0, window.steps), net)


def _terms(window: Window, study: Side, live: Side) -> tuple[Term, ...]:
    step_h = window.inputs.grid.step_h
    bought = float(np.maximum(study.net_kw, 0.0).sum() * step_h)
    more = float(np.maximum(live.net_kw, 0.0).sum() * step_h) - bought
    charge = study.component(_ENERGY)
    mean = charge / bought if bought > 0.0 else 0.0
    change = live.component(_ENERGY) - charge
    stored = float(np.nansum(live.left_kwh - study.left_kwh))
    peaks = float(study.net_kw.max()), float(live.net_kw.max())
    when = window.inputs.grid.instant(int(live.net_kw.argmax()))
    terms = [
        Term(
            "energy, amount", more * mean,
            f"{more:+.1f} kWh bought at {mean:.4f} per kWh; {stored:+.1f} kWh more in batteries at the end, "
            f"{live.discharged_kwh - study.discharged_kwh:+.1f} kWh more went out of them and in again",
        ),
        Term("energy, time", change - more * mean, "energy flowed at other times, or at another tier"),
    ]  # fmt: skip
    for name in COMPONENTS:
        amount = live.component(name) - study.component(name)
        if name != _ENERGY and abs(amount) > 5e-3:
            why = (
                f"greatest mean import {peaks[1]:.2f} kW (at {when:%H:%M}Z) instead of {peaks[0]:.2f} kW"
                if name.startswith("demand")
                else "as the tariff says"
            )
            terms.append(Term(name.replace("_", " "), amount, why))
    return tuple(terms)
