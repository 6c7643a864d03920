"""What a caller may hand to a running search: a clock, a way to stop it, and someone to tell how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Cancel = Callable[[], bool]
"""Asked between passes; True ends the search with the best plan so far."""


@dataclass(frozen=True)
class Watch:
    """Eyes on a search. The planner itself reads no clock, so a time limit on the engine needs one from outside.

    Attributes:
        clock: seconds from any fixed instant, never going back; ``None`` for none.
        cancel: asked now and then; True ends the search with the best plan so far.
        prepared: whether the engine's kernels are loaded in this process (see ``engine.solve.prepare``); then ``auto``
            takes the engine for smaller fleets, too.
        progress: told the number of passes, the lower and the upper bound [currency] after each certificate.
    """

    clock: Callable[[], float] | None = None
    cancel: Cancel | None = None
    progress: Callable[[int, float, float], None] | None = None
    prepared: bool = False

    def seconds(self) -> float:
        """What the clock shows; 0 without one [s]."""
        return 0.0 if self.clock is None else self.clock()

    def until(self, limit_s: float) -> Cancel | None:
        """A question that turns true when the caller cancels or ``limit_s`` seconds from now are over.

        >>> now = iter([10.0, 10.5, 12.1])
        >>> stop = Watch(clock=lambda: next(now)).until(2.0)
        >>> stop(), stop()
        (False, True)
        """
        if self.clock is None:
            return self.cancel
        end = self.seconds() + limit_s
        cancelled = self.cancel or _never
        return lambda: cancelled() or self.seconds() >= end


def _never() -> bool:
    return False
