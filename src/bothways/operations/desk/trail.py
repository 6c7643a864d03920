"""What happened at a site today, in short steps: for the chart of plan against actual."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta

from bothways.operations.desk.views import finite
from bothways.operations.site.summary import Snapshot

STEP = timedelta(minutes=2)
_KEPT = 24 * 30


@dataclass(frozen=True, slots=True)
class TrailPoint:
    """One instant. Powers in kW, import and charging positive; ``None`` where the meter was silent."""

    at: datetime
    vehicles_kw: float
    import_kw: float | None


class Trail:
    """The last day of a site, one point every two minutes."""

    def __init__(self) -> None:
        self._points: deque[TrailPoint] = deque(maxlen=_KEPT)

    @property
    def points(self) -> tuple[TrailPoint, ...]:
        """All points, the oldest first."""
        return tuple(self._points)

    def note(self, snapshot: Snapshot) -> None:
        """Keeps the snapshot's figures where the last point is old enough; a clock set back begins anew."""
        image, summary = snapshot.image, snapshot.summary
        if image is None or summary is None:
            return
        if self._points and image.now < self._points[-1].at:
            self._points.clear()
        if self._points and image.now - self._points[-1].at < STEP:
            return
        net = finite(image.site_kw) if image.meter_fresh else None
        self._points.append(TrailPoint(image.now, round(summary.vehicles_kw, 3), net))
