"""Means of the site's load per step: for forecasts, and for the peaks that demand charges are billed on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from bothways.domain.timegrid import TimeGrid, zone

Floats = NDArray[np.float64]

_WEEK_S, _DAY_S = 7 * 86_400, 86_400
_KEPT_S = 40 * 86_400
_LEAST_SHARE = 0.5


@dataclass(slots=True)
class _Sum:
    net_kws: float = 0.0
    base_kws: float = 0.0
    seconds: float = 0.0


@dataclass(slots=True)
class StepHistory:
    """Mean import and mean load without vehicles, by step of ``step_s`` seconds since 1970."""

    step_s: int
    net: dict[int, float] = field(default_factory=dict)
    base: dict[int, float] = field(default_factory=dict)
    _open: dict[int, _Sum] = field(default_factory=dict)

    def add(self, now: datetime, seconds: float, net_kw: float, base_kw: float) -> int | None:
        """Adds ``seconds`` of a measurement that ends ``now``; returns the step that was closed by it, if any."""
        step = math.floor((now.timestamp() - 1e-6) / self.step_s)
        self._open.setdefault(step, _Sum())
        part = self._open[step]
        part.net_kws += net_kw * seconds
        part.base_kws += base_kw * seconds
        part.seconds += seconds
        closed = None
        for old in [key for key in self._open if key != step]:
            done = self._open.pop(old)
            if done.seconds >= _LEAST_SHARE * self.step_s:
                self.net[old], self.base[old] = done.net_kws / done.seconds, done.base_kws / done.seconds
                closed = old
        if closed is not None:
            self._forget(closed)
        return closed

    def running(self, now: datetime) -> tuple[float, float]:
        """Mean import of the step that ``now`` lies in [kW], and the seconds of it that were metered [s]."""
        part = self._open.get(math.floor(now.timestamp() / self.step_s))
        if part is None or part.seconds <= 0.0:
            return 0.0, 0.0
        return part.net_kws / part.seconds, part.seconds

    def _forget(self, latest: int) -> None:
        oldest = latest - _KEPT_S // self.step_s
        for series in (self.net, self.base):
            for key in [key for key in series if key < oldest]:
                del series[key]

    def copy(self) -> StepHistory:
        """A copy that a planner in another thread may read."""
        return StepHistory(self.step_s, dict(self.net), dict(self.base))

    def steps_of_month(self, grid: TimeGrid) -> int:
        """Steps between the beginning of the local month and the grid's start."""
        local = grid.start.astimezone(zone(grid.tz))
        first = datetime(local.year, local.month, 1, tzinfo=local.tzinfo).astimezone(UTC)
        return max(0, int((grid.start - first).total_seconds() // grid.step_s))

    def net_kw(self, grid: TimeGrid, count: int) -> Floats:
        """Metered import of the first ``count`` steps of the grid [kW]; 0 where nothing was metered."""
        first = grid.start_s // self.step_s
        return np.array([self.net.get(first + k, 0.0) for k in range(count)])

    def expected_base(self, grid: TimeGrid, now_kw: float) -> Floats:
        """The load a week ago, else a day ago, else as now, shape ``(periods,)`` [kW]."""
        guess = np.full(grid.periods, now_kw)
        for k, second in enumerate(grid.epoch_s):
            for lag in (_WEEK_S, _DAY_S):
                back = -(-((k + 1) * grid.step_s) // lag) * lag  # only what lies behind the grid's start was seen
                seen = self.base.get(int(second - back) // self.step_s)
                if seen is not None:
                    guess[k] = seen
                    break
        return guess

    def as_values(self) -> dict[str, object]:
        """For the memory; read back by :func:`history_from`."""
        steps = sorted(self.net)
        return {"step_s": self.step_s, "steps": steps, "net": [round(self.net[k], 3) for k in steps],
                "base": [round(self.base[k], 3) for k in steps]}  # fmt: skip


def history_from(values: Mapping[str, object], step_s: int) -> StepHistory:
    """Reads what :meth:`StepHistory.as_values` wrote; a history of another step is not used."""
    history = StepHistory(step_s)
    steps, net, base = values.get("steps"), values.get("net"), values.get("base")
    if values.get("step_s") != step_s or not (
        isinstance(steps, list) and isinstance(net, list) and isinstance(base, list)
    ):
        return history
    if len(steps) == len(net) == len(base):
        history.net = {int(k): float(v) for k, v in zip(steps, net, strict=True)}
        history.base = {int(k): float(v) for k, v in zip(steps, base, strict=True)}
    return history
