"""What a report says about the sessions it rests on: plugged in by hour, lengths of stays, energy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from bothways.domain.errors import DomainError
from bothways.domain.timegrid import TimeGrid
from bothways.mobility.sessions import SessionTable

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_QUARTER = timedelta(minutes=15)


@dataclass(frozen=True)
class PlugInProfile:
    """How many vehicles are plugged in at each local hour of the day, on average; arrays have shape ``(24,)``.

    Attributes:
        weekday: Monday to Friday [vehicles].
        weekend: Saturday and Sunday [vehicles].
        evses: number of EVSEs that the sessions name.
    """

    weekday: Floats
    weekend: Floats
    evses: int

    @property
    def weekday_share(self) -> Floats:
        """Share of EVSEs with a vehicle on weekdays, shape ``(24,)``."""
        return self.weekday / self.evses

    @property
    def weekend_share(self) -> Floats:
        """Share of EVSEs with a vehicle at weekends, shape ``(24,)``."""
        return self.weekend / self.evses


@dataclass(frozen=True)
class Spread:
    """Mean and quantiles of a quantity."""

    mean: float
    p10: float
    median: float
    p90: float


@dataclass(frozen=True)
class SessionStatistics:
    """The sessions in figures.

    Attributes:
        sessions: number of sessions.
        evses: number of EVSEs with at least one.
        vehicles: number of known vehicles.
        days: length of the period in days, from the first local midnight to the last.
        stay_h: plugged in per session [h].
        delivered_kwh: per session [kWh, AC side].
        total_kwh: sum [kWh].
        plugged_h_per_evse_day: hours per EVSE and day with a vehicle; of the 23 hours that vehicles stand, those
            in which they are connected (R9, F9).
        plugged_h_per_vehicle_day: the same per known vehicle; ``None`` where no vehicle is known.
        slack_h: stay beyond the time that the delivered energy takes at ``rating_kw`` [h]; what can be shifted.
        profile: plugged-in vehicles by hour of day.
    """

    sessions: int
    evses: int
    vehicles: int
    days: float
    stay_h: Spread
    delivered_kwh: Spread
    total_kwh: float
    plugged_h_per_evse_day: float
    plugged_h_per_vehicle_day: float | None
    slack_h: Spread
    profile: PlugInProfile


def session_statistics(table: SessionTable, tz: str, rating_kw: float) -> SessionStatistics:
    """Describes sessions in figures.

    Args:
        table: at least one session.
        tz: IANA zone of "hour of day".
        rating_kw: charging power where a session names none [kW].

    Raises:
        DomainError: no sessions, an unknown zone, or a rating that is not above 0.
    """
    if table.size == 0 or rating_kw <= 0.0:
        msg = "statistics need at least one session and a rating above 0 kW"
        raise DomainError(msg)
    grid = _days(table, tz)
    days = grid.periods * grid.step_h / 24.0
    known = [name is not None for name in table.vehicle_id]
    vehicles = len({name for name in table.vehicle_id if name is not None})
    evses = len(set(table.evse_id))
    stay_h = table.stay_h
    power = np.where(table.has_charge_kw & (table.charge_kw > 0.0), table.charge_kw, rating_kw)
    return SessionStatistics(
        sessions=table.size,
        evses=evses,
        vehicles=vehicles,
        days=days,
        stay_h=_spread(stay_h),
        delivered_kwh=_spread(table.delivered_kwh),
        total_kwh=float(table.delivered_kwh.sum()),
        plugged_h_per_evse_day=float(stay_h.sum()) / evses / days,
        plugged_h_per_vehicle_day=float(stay_h[known].sum()) / vehicles / days if vehicles else None,
        slack_h=_spread(np.maximum(0.0, stay_h - table.delivered_kwh / power)),
        profile=plug_in_profile(table, grid),
    )


def _spread(values: Floats) -> Spread:
    low, middle, high = np.quantile(values, [0.1, 0.5, 0.9])
    return Spread(float(values.mean()), float(low), float(middle), float(high))


def _days(table: SessionTable, tz: str) -> TimeGrid:
    """Whole local days around all sessions, in quarter hours."""

    def local(epoch_s: int) -> datetime:
        grid = TimeGrid(datetime.fromtimestamp(epoch_s, tz=UTC), _QUARTER, 1, tz)
        return datetime.fromtimestamp(epoch_s + int(grid.utc_offset_s[0]), tz=UTC)

    first, last = int(table.arrival_s.min()), int(table.departure_s.max()) - 1
    return TimeGrid.for_days(local(first).date(), local(last).date(), _QUARTER, tz)


def plug_in_profile(table: SessionTable, grid: TimeGrid) -> PlugInProfile:
    """Mean number of plugged-in vehicles by local hour, over the days of ``grid``.

    Args:
        table: sessions; what lies outside the grid is not counted.
        grid: in the site's zone; use whole days and steps that divide an hour.

    Returns:
        The profile; hours of a kind of day that the grid does not contain are 0.
    """
    edges = np.append(grid.epoch_s, grid.epoch_s[-1] + grid.step_s)
    connected = np.diff(_connected_before(table.arrival_s, edges) - _connected_before(table.departure_s, edges))
    weekend = grid.local.weekday >= 5
    hours: list[Floats] = []
    for days in (~weekend, weekend):
        spent = np.bincount(grid.local.hour[days], weights=connected[days], minlength=24)
        available = np.bincount(grid.local.hour[days], minlength=24) * float(grid.step_s)
        hours.append(np.divide(spent, available, out=np.zeros(24), where=available > 0))
    return PlugInProfile(hours[0], hours[1], len(set(table.evse_id)))


def _connected_before(events_s: Ints, edges_s: Ints) -> Floats:
    """Σ over events before each edge of the time since [s]; differences of it are exact times of presence."""
    ordered = np.sort(events_s)
    before = np.searchsorted(ordered, edges_s, side="left")
    total = np.concatenate([[0], np.cumsum(ordered - edges_s[0])])[before]
    since: Floats = (before * (edges_s - edges_s[0]) - total).astype(np.float64)
    return since
