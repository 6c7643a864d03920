"""What drivers said about outages: kilometres they keep, and opting out; kept over a restart."""

from __future__ import annotations

import math
from collections.abc import Mapping

from bothways.domain.errors import Problems
from bothways.operations.island.gather import Statement

LONGEST_KM = 2000.0


class Drivers:
    """Statements by holder: a card, or ``station/evse`` for whoever is plugged in there."""

    def __init__(self) -> None:
        self._stated: dict[str, Statement] = {}

    @property
    def stated(self) -> Mapping[str, Statement]:
        """All statements."""
        return self._stated

    def say(self, holder: str, reserve_km: float | None, *, opted_out: bool) -> None:
        """A driver states how far they must still get, and whether they give at all.

        Raises:
            InputError: a distance that cannot be meant.
        """
        problems = Problems(at="driver")
        if reserve_km is not None and not (math.isfinite(reserve_km) and 0.0 <= reserve_km <= LONGEST_KM):
            allowed = f"0 to {LONGEST_KM:g} km, or nothing for the site's own"
            problems.add("reserve_km", reserve_km, allowed, "State the way to drive away, detours included.")
        problems.raise_if_any()
        self._stated[holder] = Statement(reserve_km, opted_out)

    def as_values(self) -> dict[str, object]:
        """For the memory; read back by :meth:`read`."""
        return {name: [item.reserve_km, item.opted_out] for name, item in self._stated.items()}

    def read(self, kept: object) -> None:
        """Reads what :meth:`as_values` wrote; what is not understood counts as opted out."""
        for name, row in kept.items() if isinstance(kept, Mapping) else ():
            sound = isinstance(row, list) and len(row) == 2 and isinstance(row[1], bool)
            km = row[0] if sound else None
            good = km is None or (type(km) in {int, float} and math.isfinite(km) and 0.0 <= km <= LONGEST_KM)
            self._stated[str(name)] = Statement(km, row[1]) if sound and good else Statement(None, opted_out=True)
