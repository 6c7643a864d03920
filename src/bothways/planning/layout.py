"""Vehicle-steps: the flat numbering of (vehicle, step of its stay) that every array of the optimiser uses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bothways.planning.problem import Floats, Ints, PlanProblem


@dataclass(frozen=True)
class Layout:
    """All (vehicle, step of presence) pairs, vehicle by vehicle and in time order; S of them.

    Attributes:
        duration: steps of presence of each vehicle, shape ``(N,)``.
        first: position of each vehicle's first pair, shape ``(N,)``.
        owner: vehicle of each pair, shape ``(S,)``.
        step: step of each pair, shape ``(S,)``.
        k: steps since arrival of each pair (0 is the first), shape ``(S,)``.
    """

    duration: Ints
    first: Ints
    owner: Ints
    step: Ints
    k: Ints

    @classmethod
    def of(cls, problem: PlanProblem) -> Layout:
        """Numbers the vehicle-steps of ``problem``."""
        fleet = problem.fleet
        duration = (fleet.departure - fleet.arrival).astype(np.int64)
        end = np.cumsum(duration)
        first = end - duration
        owner = np.repeat(np.arange(fleet.size, dtype=np.int64), duration)
        k = np.arange(owner.size, dtype=np.int64) - first[owner]
        return cls(duration, first, owner, fleet.arrival[owner] + k, k)

    @property
    def size(self) -> int:
        """Number S of vehicle-steps."""
        return int(self.owner.size)

    @cached_property
    def staying(self) -> Ints:
        """Vehicles that are present in at least one step."""
        return np.flatnonzero(self.duration > 0)

    @cached_property
    def last(self) -> Ints:
        """Position of the last pair of each vehicle of ``staying``."""
        return self.first[self.staying] + self.duration[self.staying] - 1

    @cached_property
    def is_last(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Whether a pair is the last of its stay, shape ``(S,)``."""
        mask = np.zeros(self.size, dtype=np.bool_)
        mask[self.last] = True
        return mask

    def spread(self, values: Floats, periods: int) -> Floats:
        """Writes one value per pair into a table of shape ``(N, periods)``, 0 outside the stays."""
        table = np.zeros((self.duration.size, periods))
        table[self.owner, self.step] = values
        return table

    def per_step(self, values: Floats, periods: int) -> Floats:
        """Sums one value per pair over the vehicles, shape ``(periods,)``."""
        return np.asarray(np.bincount(self.step, weights=values, minlength=periods), dtype=np.float64)
