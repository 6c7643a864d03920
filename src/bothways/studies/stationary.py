"""The stationary battery of a case: what it was when it began to serve here, and what is left of it after years."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bothways.battery.health import END_OF_SECOND_LIFE
from bothways.battery.models import MODELS
from bothways.battery.repeated import age_repeated
from bothways.battery.second_life import worn_to, years_to
from bothways.studies.ageing import MIDDLE_YEARS, YEARS
from bothways.studies.inputs import Case, StudyInputs
from bothways.studies.runs import StrategyRun


@dataclass(frozen=True)
class StationaryCell:
    """One cell; capacities are fractions of the capacity when new.

    Attributes:
        key: name of the cell.
        title: the cell in words.
        at_start: what it begins with here.
        after_5: after five years.
        after_10: after ten years.
        years_to_end: until ``END_OF_SECOND_LIFE``; ``None`` where it lasts longer than ten years.
    """

    key: str
    title: str
    at_start: float
    after_5: float
    after_10: float
    years_to_end: float | None


@dataclass(frozen=True)
class StationaryAgeing:
    """The stationary battery under one strategy.

    Attributes:
        strategy: which.
        cells: the cell that was named, or all.
        cycles_per_year: full cycles of its present capacity per year.
        health: state of health that it was said to begin with.
        end: capacity at which its second life ends.
    """

    strategy: str
    cells: tuple[StationaryCell, ...]
    cycles_per_year: float
    health: float
    end: float = END_OF_SECOND_LIFE


def age_stationary(inputs: StudyInputs, case: Case, run: StrategyRun) -> StationaryAgeing | None:
    """Ages the stationary battery under a strategy; ``None`` where the strategy has none."""
    own = case.battery
    stored = run.flows.battery_energy
    if own is None or not stored.any():
        return None
    step_h, days = inputs.grid.step_h, inputs.grid.periods * inputs.grid.step_h / 24.0
    new_kwh = own.capacity_kwh / own.health
    soc = np.clip(stored / new_kwh, 0.0, 1.0)[None, :]
    celsius = inputs.ageing.temperature_c
    cells = []
    for key in [own.cell] if own.cell else list(inputs.ageing.cells or MODELS):
        model = MODELS[key]
        state, _ = worn_to(model, own.health, celsius)
        found = age_repeated(model, soc, step_h, celsius, capacity_kwh=new_kwh, years=YEARS, state=state)
        left = found.capacity_fraction[0]
        middle = int(np.argmin(np.abs(found.years - MIDDLE_YEARS)))
        cells.append(
            StationaryCell(
                key, model.title, float(left[0]), float(left[middle]), float(left[-1]), years_to(found.years, left)
            )
        )
    out = float(np.maximum(-run.flows.battery, 0.0).sum()) * step_h / own.eta_d
    return StationaryAgeing(run.strategy, tuple(cells), out / own.capacity_kwh / days * 365.0, own.health)
