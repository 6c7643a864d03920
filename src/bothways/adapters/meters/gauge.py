"""From a device's number to kW with the architecture's sign, and whether that can be."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

Unit = Literal["W", "kW"]
Sign = Literal["import", "export"]
"""Which direction the device counts as positive."""

IMPLAUSIBLE = 3.0
"""A power beyond so many times the connection is a wrong unit or a broken value, not power."""
TINY = 1.0 / 500.0
"""Powers that never exceed this share of the connection look like kW taken for W."""
_TINY_AFTER = 500


@dataclass(slots=True)
class Gauge:
    """Converts and judges powers at one grid connection.

    Attributes:
        unit: the device's unit. There is no default: a wrong guess is a thousandfold.
        sign: the direction that the device counts as positive.
        connection_kw: rated power of the grid connection, what values are judged by [kW].
        refused: how many values were refused since the start.
        concern: what a person should look at, ``""`` where nothing is.
    """

    unit: Unit
    sign: Sign
    connection_kw: float
    refused: int = 0
    concern: str = ""
    _largest: float = field(default=0.0, repr=False)
    _count: int = field(default=0, repr=False)

    def kw(self, value: float) -> float | None:
        """The power, positive for import [kW], or ``None`` where it cannot be."""
        power = value / 1000.0 if self.unit == "W" else value
        if self.sign == "export":
            power = -power
        if not math.isfinite(power) or abs(power) > IMPLAUSIBLE * self.connection_kw:
            self.refused += 1
            hint = "the unit may be W where kW is configured" if self.unit == "kW" else "the value may be damaged"
            self.concern = f"a reading of {power:g} kW at a connection of {self.connection_kw:g} kW was refused: {hint}"
            return None
        self._watch(abs(power))
        return power

    def production(self, value: float) -> float | None:
        """Production, which counts up whatever the sign of the meter [kW, at least 0], or ``None``."""
        power = value / 1000.0 if self.unit == "W" else value
        if not math.isfinite(power) or abs(power) > IMPLAUSIBLE * self.connection_kw:
            self.refused += 1
            return None
        return max(0.0, power)

    def _watch(self, size: float) -> None:
        """Notices a meter that never shows more than almost nothing."""
        self._count += 1
        self._largest = max(self._largest, size)
        if self.unit == "W" and self._count >= _TINY_AFTER:
            tiny = self._largest < TINY * self.connection_kw
            self.concern = (
                f"no reading exceeded {self._largest:g} kW at a connection of {self.connection_kw:g} kW: "
                "the unit may be kW where W is configured"
                if tiny and self._largest > 0.0
                else ""
            )


def heed_cancellation() -> None:
    """Ends a task whose cancellation was lost on the way.

    ``asyncio.wait_for`` before Python 3.12 swallows a cancellation that arrives together with its result, and client
    libraries are built on it: a loop that reads for ever would then never end.

    Raises:
        CancelledError: somebody has asked the current task to end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def pauses(first_s: float = 1.0, most_s: float = 60.0) -> Iterator[float]:
    """Seconds to wait before the next attempt: doubling up to a bound, jittered by ±20 %."""
    wait = first_s
    while True:
        yield wait * random.uniform(0.8, 1.2)
        wait = min(most_s, wait * 2.0)
