"""What the operator believes at an instant: forecasts of load and price made only from what is known by then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bothways.domain.errors import DomainError
from bothways.domain.timegrid import TimeGrid

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Method = Literal["known", "same-time-last-week", "same-time-yesterday"]

_DAY_S = 86_400
_LAGS_S: dict[str, int] = {"same-time-yesterday": _DAY_S, "same-time-last-week": 7 * _DAY_S}


@dataclass(frozen=True)
class Forecast:
    """A series with the rule by which its future is guessed.

    The guess for a step is the value ``lag`` earlier, going back as many lags as it takes to reach something that
    was already observed; where even that lies before the first observation, the latest observation is held.

    Attributes:
        values: the truth, shape ``(T,)``.
        method: ``known`` (a contract or standard profile), or persistence by a day or a week.
        history: values observed before the study began, most recent last; may be empty.
        step_s: step [s].
    """

    values: Floats
    method: Method
    step_s: int
    history: Floats

    def view(self, now: int, horizon: int) -> Floats:
        """Truth for step ``now`` (a measurement), the guess for those after it; shape ``(horizon,)``."""
        steps = np.arange(now, now + horizon)
        if self.method == "known":
            return self.values[steps]
        lag = _LAGS_S[self.method] // self.step_s
        back = np.maximum(0, (steps - now + lag - 1) // lag) * lag
        source = steps - back
        offset = self.history.shape[0]
        seen = np.concatenate([self.history, self.values[: now + 1]]) if offset else self.values[: now + 1]
        at = source + offset
        guess = np.where(at >= 0, seen[np.clip(at, 0, seen.shape[0] - 1)], self.values[now])
        return np.asarray(guess, dtype=np.float64)


def published_until(grid: TimeGrid, gate_hour: int) -> Ints:
    """For every step the first step whose day-ahead price is not published yet, shape ``(T,)``.

    The prices of a local day are published at ``gate_hour`` local time of the day before.
    """
    if not 0 <= gate_hour <= 24:
        msg = f"gate_hour must lie in 0…24, not {gate_hour}"
        raise DomainError(msg)
    local = grid.local
    horizon_day = local.date_ordinal + 1 + (local.hour >= gate_hour)
    return np.searchsorted(local.date_ordinal, horizon_day, side="left").astype(np.int64)


@dataclass(frozen=True)
class PriceBelief:
    """Prices as an operator sees them: published ones are exact, later ones repeat the day before.

    Attributes:
        values: the prices that came true, shape ``(T,)`` [currency/kWh].
        known_until: first unknown step for every step, shape ``(T,)``; ``None`` where all is known (a tariff).
        step_s: step [s].
    """

    values: Floats
    known_until: Ints | None
    step_s: int

    def view(self, now: int, horizon: int) -> Floats:
        """Published prices, then the same hour of the latest published day, shape ``(horizon,)``."""
        steps = np.arange(now, now + horizon)
        if self.known_until is None:
            return self.values[steps]
        limit = max(int(self.known_until[now]), now + 1)
        day = _DAY_S // self.step_s
        back = np.maximum(0, (steps - limit) // day + 1) * day
        source = steps - back
        return self.values[np.where(source >= 0, source, limit - 1)]

    def news_at(self, now: int) -> bool:
        """Whether prices were published at this step that were not known a step before."""
        if self.known_until is None or now == 0:
            return False
        return bool(self.known_until[now] > self.known_until[now - 1])
