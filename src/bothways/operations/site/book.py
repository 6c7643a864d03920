"""The book of a site: events in, sessions and their metering out. The only place where the loop's memory changes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from bothways.operations.events import (
    ChargingNeedsReceived,
    EvseKey,
    MeterValuesReceived,
    Sample,
    StationEvent,
    StatusChanged,
    TransactionChanged,
)
from bothways.operations.orders import Composite
from bothways.operations.site.metering import Meter
from bothways.operations.stations import EvseRecord, StationRecord

_GONE = frozenset({"EVDisconnected", "EVDeparted", "EVCommunicationLost"})
_LATE_S = 60.0
_LONGEST_S = 300.0


@dataclass(frozen=True, slots=True)
class ReturnedBefore:
    """What a vehicle fed back before this visit, or before the loop began, in the day and year of the count.

    Attributes:
        id_token: whose count it is.
        day: local day (ordinal).
        year: local year.
        day_kwh: discharged in that day [kWh, AC].
        year_kwh: discharged in that year [kWh, AC].
    """

    id_token: str
    day: int
    year: int
    day_kwh: float
    year_kwh: float


@dataclass(slots=True)
class Visit:
    """One vehicle from plug-in to plug-out.

    Attributes:
        number: unique within the run.
        since: plug-in, or the first thing heard of it.
        transaction_id: the open transaction, ``""`` for none.
        id_token: who authorised it.
        asks: what the vehicle said it needs.
        start_in_kwh: import register at the start [kWh]; ``nan`` where unknown.
        start_out_kwh: export register at the start [kWh]; ``nan`` where unknown.
        delivered_kwh: charged so far [kWh, AC].
        returned_kwh: discharged so far [kWh, AC].
        returned_on: discharged by local day (ordinal) [kWh, AC].
        soc_ref: last reported state of charge with the energies at that instant: (soc, delivered, returned).
        soc_first: the first one likewise.
        until: cautious departure as fixed at plug-in or when the need changed.
        declared: departure as declared when ``until`` was fixed.
        declined_since: since when the vehicle takes nothing although it may.
        full: whether it is taken for full.
        full_at: energies charged and discharged when it declined.
        paused: whether it was paused by order after having charged.
        charged: whether it ever drew power.
        asleep: whether it did not resume after a pause in this visit.
        wish: the need and declaration that ``until`` was fixed for.
        looked_up: whether the store was asked for the driver's need; nothing is ordered before, so that a vehicle
            that can wait is not started only to be paused.
        reopened_kwh: what the store said was discharged when the loop began [kWh, AC].
        before: what was fed back before; ``None`` until it was counted.
    """

    number: int
    since: datetime
    transaction_id: str = ""
    id_token: str = ""
    asks: ChargingNeedsReceived | None = None
    start_in_kwh: float = math.nan
    start_out_kwh: float = math.nan
    delivered_kwh: float = 0.0
    returned_kwh: float = 0.0
    returned_on: dict[int, float] = field(default_factory=dict)
    soc_ref: tuple[float, float, float] | None = None
    soc_first: tuple[float, float, float] | None = None
    until: datetime | None = None
    declared: datetime | None = None
    declined_since: datetime | None = None
    full: bool = False
    full_at: tuple[float, float] | None = None
    paused: bool = False
    charged: bool = False
    asleep: bool = False
    wish: tuple[str, datetime | None] | None = None
    looked_up: bool = False
    reopened_kwh: float = 0.0
    before: ReturnedBefore | None = None

    def returned_in_day(self, day: int) -> float:
        """Discharged in a local day, earlier visits counted [kWh, AC]."""
        earlier = self.before.day_kwh if self.before is not None and self.before.day == day else 0.0
        return earlier + self.returned_on.get(day, 0.0)

    def returned_in_year(self, year: int) -> float:
        """Discharged in a local year, earlier visits counted [kWh, AC]."""
        earlier = self.before.year_kwh if self.before is not None and self.before.year == year else 0.0
        return earlier + sum(kwh for day, kwh in self.returned_on.items() if date.fromordinal(day).year == year)


@dataclass(slots=True)
class Outlet:
    """One EVSE with everything that changes about it; ``gone`` counts how often it was heard to be left."""

    key: EvseKey
    record: EvseRecord
    meter: Meter = field(default_factory=Meter)
    visit: Visit | None = None
    status: str = ""
    ordered_kw: float = 0.0
    ordered_at: datetime | None = None
    before_kw: float = 0.0
    uncertain: bool = True
    pending: bool = False
    composite: Composite | None = None
    advanced_at: datetime | None = None
    gone: int = 0


class SiteBook:
    """All EVSEs of one site."""

    def __init__(self, site_id: str) -> None:
        self.site_id = site_id
        self.stations: dict[str, StationRecord] = {}
        self.outlets: dict[EvseKey, Outlet] = {}
        self.finished: list[tuple[Outlet, Visit, datetime]] = []
        self._visits = 0

    def install(self, stations: Iterable[StationRecord]) -> set[EvseKey]:
        """Takes the site's stations over; what is known of those that stay is kept. Returns the EVSEs that are new."""
        wanted: dict[EvseKey, Outlet] = {}
        self.stations = {record.station_id: record for record in stations}
        for station in self.stations.values():
            for record in station.evses:
                key = EvseKey(station.station_id, record.evse_id)
                outlet = self.outlets.get(key) or Outlet(key, record)
                outlet.record = record
                wanted[key] = outlet
        new = wanted.keys() - self.outlets.keys()
        self.outlets = wanted
        return new

    def outlets_of(self, station_id: str) -> list[Outlet]:
        """The EVSEs of a station."""
        station = self.stations.get(station_id)
        keys = [EvseKey(station_id, record.evse_id) for record in station.evses] if station is not None else []
        return [self.outlets[key] for key in keys if key in self.outlets]

    def outlet_of(self, station_id: str, evse_id: int, transaction_id: str = "") -> Outlet | None:
        """The EVSE meant, also where the station named only the transaction, or has only one EVSE."""
        found = self.outlets.get(EvseKey(station_id, evse_id))
        if found is not None:
            return found
        own = self.outlets_of(station_id)
        if transaction_id:
            for item in own:
                if item.visit is not None and item.visit.transaction_id == transaction_id:
                    return item
        return own[0] if len(own) == 1 and evse_id == 0 else None

    def apply(self, event: StationEvent) -> bool:
        """Takes an event in; returns whether it is news for the plan (somebody came, left or changed a wish)."""
        if isinstance(event, TransactionChanged):
            return self._transaction(event)
        if isinstance(event, MeterValuesReceived):
            outlet = self.outlet_of(event.station_id, event.evse_id, event.transaction_id)
            if outlet is not None:
                self._samples(outlet, event.samples, event)
            return False
        if isinstance(event, StatusChanged):
            return self._status(event)
        if isinstance(event, ChargingNeedsReceived):
            outlet = self.outlet_of(event.station_id, event.evse_id)
            if outlet is None:
                return False
            self._present(outlet, event.received_at).asks = event
            return True
        return False

    def reopen(self, outlet: Outlet, since: datetime, transaction_id: str, id_token: str) -> Visit:
        """A visit that was under way before the loop began; it replaces what is noted, but for what was asked for."""
        before, outlet.visit = outlet.visit, None
        visit = self._present(outlet, since)
        visit.transaction_id, visit.id_token = transaction_id, id_token
        if before is not None and before.transaction_id in {"", transaction_id}:
            visit.asks = before.asks
        return visit

    def _present(self, outlet: Outlet, since: datetime) -> Visit:
        if outlet.visit is None:
            self._visits += 1
            outlet.visit = Visit(self._visits, since)
            outlet.meter.new_session()
            outlet.uncertain = True
            outlet.advanced_at = None
        return outlet.visit

    def _leave(self, outlet: Outlet, at: datetime) -> bool:
        if outlet.visit is None:
            return False
        self.finished.append((outlet, outlet.visit, at))
        outlet.visit = None
        outlet.meter.new_session()
        outlet.ordered_kw = outlet.before_kw = 0.0
        outlet.ordered_at = None
        outlet.uncertain = False
        return True

    def _status(self, event: StatusChanged) -> bool:
        outlet = self.outlets.get(EvseKey(event.station_id, event.evse_id))
        if outlet is None:
            return False
        outlet.status = event.status
        if event.status == "Available":
            outlet.gone += 1
            return self._leave(outlet, event.received_at)
        if event.status == "Occupied" and outlet.visit is None:
            self._present(outlet, event.received_at)
            return True
        return False

    def _transaction(self, event: TransactionChanged) -> bool:
        outlet = self.outlet_of(event.station_id, event.evse_id, event.transaction_id)
        if outlet is None:
            return False
        visit = outlet.visit
        outlet.gone += event.kind == "ended"
        other = visit is not None and visit.transaction_id not in {"", event.transaction_id}
        if other and event.kind != "started":
            return False  # a late word of a transaction that has been replaced
        if other:
            self._leave(outlet, event.received_at)
        if event.kind == "ended":
            return self._ended(outlet, event)
        news = outlet.visit is None or outlet.visit.transaction_id == ""
        visit = self._present(outlet, event.received_at)
        visit.transaction_id = event.transaction_id
        visit.looked_up = visit.looked_up and event.id_token in {"", visit.id_token}
        visit.id_token = event.id_token or visit.id_token
        if event.kind == "started" and event.meter_start_kwh is not None:
            visit.start_in_kwh = event.meter_start_kwh
        self._samples(outlet, event.samples, event, offline=event.offline)
        return news

    def _ended(self, outlet: Outlet, event: TransactionChanged) -> bool:
        visit = outlet.visit
        if visit is None or visit.transaction_id != event.transaction_id:
            return False
        self._samples(outlet, event.samples, event, offline=event.offline)
        if event.meter_stop_kwh is not None and math.isfinite(visit.start_in_kwh):
            visit.delivered_kwh = max(0.0, event.meter_stop_kwh - visit.start_in_kwh)
        self._leave(outlet, event.received_at)
        return True

    def _samples(
        self, outlet: Outlet, samples: tuple[Sample, ...], event: StationEvent, *, offline: bool = False
    ) -> None:
        if not samples:
            return
        meter, visit = outlet.meter, outlet.visit
        soc_before = meter.soc_at
        late = (event.received_at - meter.server_time(event.at, event.received_at)).total_seconds() > _LATE_S
        meter.take(samples, event.received_at, current=not (offline or late))
        if visit is None:
            return
        if math.isnan(visit.start_in_kwh) and math.isfinite(meter.register_in_kwh):
            visit.start_in_kwh = meter.register_in_kwh - visit.delivered_kwh
        if math.isnan(visit.start_out_kwh) and math.isfinite(meter.register_out_kwh):
            visit.start_out_kwh = meter.register_out_kwh - visit.returned_kwh
        if math.isfinite(visit.start_in_kwh) and math.isfinite(meter.register_in_kwh):
            visit.delivered_kwh = max(0.0, meter.register_in_kwh - visit.start_in_kwh)
        if math.isfinite(visit.start_out_kwh) and math.isfinite(meter.register_out_kwh):
            visit.returned_kwh = max(0.0, meter.register_out_kwh - visit.start_out_kwh)
        if meter.soc is not None and meter.soc_at != soc_before:
            visit.soc_ref = (meter.soc, visit.delivered_kwh, visit.returned_kwh)
            visit.soc_first = visit.soc_first or visit.soc_ref
        if meter.power_kw > 0.1:
            visit.charged = True

    def advance(self, now: datetime, day: int, longest_s: float) -> None:
        """Lets the energies grow between two samples by the latest power, never by more than ``longest_s`` of it."""
        for outlet in self.outlets.values():
            visit, meter = outlet.visit, outlet.meter
            last, outlet.advanced_at = outlet.advanced_at, now
            if visit is None or last is None or meter.power_at is None:
                continue
            seconds = min(longest_s, max(0.0, (now - last).total_seconds()))
            if now - meter.power_at > timedelta(seconds=_LONGEST_S):
                continue
            energy = meter.power_kw * seconds / 3600.0
            visit.delivered_kwh += max(0.0, energy)
            visit.returned_kwh += max(0.0, -energy)
            if energy < 0.0:
                visit.returned_on[day] = visit.returned_on.get(day, 0.0) - energy
