"""Years of the same weeks: ages a fleet through a short profile that repeats, without walking through every repetition.

In the state-continuation form (:mod:`bothways.battery.laws`) the accumulated variables grow by nearly the same amount
with every repetition of a profile: they do not depend on the loss reached, except through the depth of cycles, which
grows by 1/capacity as the battery shrinks. So the profile is walked once, then once more for every ``stride`` of years,
and its growth is carried over the stride in a straight line. Against the full walk that is off by some hundredths of a
point for most cells, and was off by up to a third of a point for the fastest ageing ones under hard profiles.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bothways.battery import kernels
from bothways.battery.ageing import HOURS_PER_YEAR, AgeingResult, AgeingState, age_fleet
from bothways.battery.laws import DAYS, FEC, R_CALENDAR, R_CYCLE, Z_CALENDAR, Z_CYCLE, Z_SITES
from bothways.battery.models import AgeingModel

Floats = NDArray[np.float64]

_GROWING = [Z_CALENDAR, Z_CYCLE, R_CALENDAR, R_CYCLE, Z_SITES, DAYS, FEC]
_SHORTEST_WALK_H = 30.0 * 24.0
_STRIDES = (1.0, 2.5)
_FIRST_MARKS = (0.25, 0.5)  # a young battery ages fastest, so its first year is looked at more often [years]


def age_repeated(
    model: AgeingModel,
    soc: Floats,
    step_h: float,
    temperature_c: Floats | float,
    *,
    capacity_kwh: ArrayLike,
    years: float = 10.0,
    state: AgeingState | None = None,
) -> AgeingResult:
    """Ages batteries through a profile that repeats for years, walking through it only every so often.

    The profile is walked for at least 30 days at the begin of every year, or every two and a half years where it is
    itself longer than half a year; in between, every accumulated variable grows as it did in that walk. A profile too
    long for that is walked in full.

    Args:
        model: the cell.
        soc: state of charge, shape ``(N, T)``, fraction of the new battery's capacity.
        step_h: length of a step [h].
        temperature_c: temperature of the cells, one number for all the time or one per step, ``(T,)`` [°C].
        capacity_kwh: usable capacity of the new batteries, one number or ``(N,)`` [kWh].
        years: up to which age [years of 365 days].
        state: where an earlier call ended; ``None`` for new batteries.

    Returns:
        As :func:`bothways.battery.ageing.age_fleet`, told at every stride from 0 to ``years``.

    Raises:
        InputError: as :func:`bothways.battery.ageing.age_fleet`.
        DomainError: as there.

    >>> from bothways.battery.models import MODELS
    >>> daily = np.tile(np.repeat([0.8, 0.4], 12), 30)[None, :]
    >>> quick = age_repeated(MODELS["lfp-sony"], daily, 1.0, 25.0, capacity_kwh=60.0)
    >>> whole = age_fleet(MODELS["lfp-sony"], daily, 1.0, 25.0, capacity_kwh=60.0, years=10.0)
    >>> bool(abs(quick.capacity_fraction[0, -1] - whole.capacity_fraction[0, -1]) < 5e-4)
    True
    """
    periods = int(soc.shape[1]) if soc.ndim == 2 else 0
    walk = periods * math.ceil(_SHORTEST_WALK_H / max(1e-9, periods * step_h)) if periods else 0
    per_year = HOURS_PER_YEAR / step_h
    stride = next((each for each in _STRIDES if 2 * walk <= each * per_year), None)
    if stride is None or not walk or not years >= stride:
        every = stride or _STRIDES[-1]
        return age_fleet(
            model, soc, step_h, temperature_c, capacity_kwh=capacity_kwh, years=years, state=state,
            every_years=every if years >= every else years,
        )  # fmt: skip
    begun = age_fleet(
        model, soc, step_h, temperature_c, capacity_kwh=capacity_kwh, years=walk / per_year, state=state,
        every_years=2.0 * walk / per_year,
    )  # fmt: skip
    soc = np.ascontiguousarray(soc, dtype=np.float64)
    early = [mark for mark in _FIRST_MARKS if 2 * walk <= mark * per_year]
    marks = np.unique(np.concatenate([early, np.arange(0.0, years - walk / per_year, stride), [years]]))
    told = _Walk(model, soc, step_h, temperature_c, begun.state.values).through(marks * per_year, walk)
    told[:, 0] = _first(begun)
    loss = told[:, :, 0] + told[:, :, 1]
    values = begun.state.values
    return AgeingResult(
        model=model,
        state=AgeingState(model.key, values),
        years=marks,
        capacity_fraction=1.0 - loss,
        resistance_factor=1.0 + told[:, :, 2] + told[:, :, 3] if model.has_resistance else None,
        calendar_loss=told[:, :, 0],
        cycle_loss=told[:, :, 1],
        full_equivalent_cycles=told[:, :, 5],
        capacity_kwh=(1.0 - loss) * np.asarray(capacity_kwh, dtype=np.float64).reshape(-1, 1),
    )


def _first(begun: AgeingResult) -> Floats:
    """The report at the begin, shape ``(N, REPORT_SIZE)``."""
    out = np.zeros((begun.capacity_fraction.shape[0], kernels.REPORT_SIZE))
    out[:, 0], out[:, 1] = begun.calendar_loss[:, 0], begun.cycle_loss[:, 0]
    if begun.resistance_factor is not None:
        out[:, 2] = begun.resistance_factor[:, 0] - 1.0
    out[:, 5] = begun.full_equivalent_cycles[:, 0]
    return out


class _Walk:
    """The batteries on their way; ``values`` is changed in place."""

    def __init__(
        self, model: AgeingModel, soc: Floats, step_h: float, temperature_c: Floats | float, values: Floats
    ) -> None:
        self.soc, self.step_h, self.values = soc, step_h, values
        self.celsius = np.ascontiguousarray(
            np.broadcast_to(np.asarray(temperature_c, dtype=np.float64), (1, soc.shape[1]))
        )
        self.tables, self.coefficients = model.tables, model.coefficients(energy_conserved=True)

    def through(self, marks: Floats, walk: int) -> Floats:
        """Reports at ``marks`` [steps], shape ``(N, K, REPORT_SIZE)``; one walk has been made already."""
        out = np.zeros((self.soc.shape[0], marks.shape[0], kernels.REPORT_SIZE))
        done, at, growth = float(walk), 0.0, np.zeros(0)
        for k in range(1, marks.shape[0]):
            before, growth_before, at_before = self.values[:, _GROWING].copy(), growth, at
            self._run(walk)
            growth, at, done = (self.values[:, _GROWING] - before) / walk, done + 0.5 * walk, done + walk
            ahead = growth
            if k > 1:  # growth itself grows, in a straight line from the walk before
                slope = (growth - growth_before) / (at - at_before)
                ahead = np.maximum(0.0, growth + slope * (0.5 * (done + marks[k]) - at))
            self.values[:, _GROWING] += ahead * (marks[k] - done)
            done = float(marks[k])
            out[:, k] = self._run(0)
        return out

    def _run(self, steps: int) -> Floats:
        out = np.zeros((self.soc.shape[0], 1, kernels.REPORT_SIZE))
        ends = np.array([steps], dtype=np.int64)
        kernels.run_serial(
            self.coefficients, self.tables, self.soc, self.celsius, float(self.step_h), ends, self.values, out
        )
        return np.asarray(out[:, 0])
