"""Batteries that have had a first life: the state to continue from, and how long they still serve."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bothways.battery.ageing import AgeingState, age
from bothways.battery.health import END_OF_SECOND_LIFE
from bothways.battery.models import AgeingModel
from bothways.battery.wear import DRIVING_DAY
from bothways.domain.errors import DomainError

Floats = NDArray[np.float64]

LONGEST_FIRST_LIFE = 60.0
"""Years of driving after which a first life is taken as it is, whatever capacity the law leaves."""

_STEP_YEARS = 0.5


def worn_to(model: AgeingModel, health: float, temperature_c: float = 20.0) -> tuple[AgeingState, float]:
    """A battery that driving has worn to a state of health: 20 % of charge a day, charged to 80 %.

    The share of time and use in the loss is that of such a life; what a battery really went through is not known.

    Args:
        model: the cell.
        health: remaining of new capacity, in (0, 1].
        temperature_c: temperature of the cells [°C].

    Returns:
        The state, and the capacity that it really has (fraction of new): above ``health`` where the law does not come
        down to it within ``LONGEST_FIRST_LIFE`` years, below it by a few hundredths at most.

    Raises:
        DomainError: a state of health outside (0, 1].

    >>> from bothways.battery.models import MODELS
    >>> state, left = worn_to(MODELS["nca-panasonic"], 0.78)
    >>> 0.76 < left <= 0.78
    True
    """
    if not 0.0 < health <= 1.0:
        msg = f"a state of health must lie in (0, 1], not {health}"
        raise DomainError(msg)
    state, left = AgeingState.new(model), 1.0
    for _ in range(round(LONGEST_FIRST_LIFE / _STEP_YEARS)):
        if left <= health:
            break
        found = age(
            model, DRIVING_DAY, 1.0, temperature_c, capacity_kwh=1.0, years=_STEP_YEARS, state=state,
            every_years=_STEP_YEARS,
        )  # fmt: skip
        state, left = found.state, float(found.capacity_fraction[-1])
    return state, left


def years_to(years: Floats, left: Floats, end: float = END_OF_SECOND_LIFE) -> float | None:
    """When a falling curve of capacity reaches an end, between its points in a straight line; ``None`` if it does not.

    Args:
        years: ages, shape ``(K,)`` [years].
        left: remaining of new capacity at them, falling, ``(K,)``.
        end: the capacity asked for.

    >>> years_to(np.array([0.0, 5.0, 10.0]), np.array([0.8, 0.75, 0.65]))
    7.5
    """
    if left[0] <= end:
        return 0.0
    if left[-1] > end:
        return None
    after = int(np.argmax(left <= end))
    share = (left[after - 1] - end) / (left[after - 1] - left[after])
    return round(float(years[after - 1] + share * (years[after] - years[after - 1])), 9)
