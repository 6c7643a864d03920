"""Runs the comparison for all EVSEs, raises its alarms, and remembers which of them do not obey."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bothways.operations.events import EvseKey
from bothways.operations.orders import CommandResult
from bothways.operations.site.alarms import Alarms
from bothways.operations.site.book import Outlet
from bothways.operations.site.compare import Action, Watch, compare
from bothways.operations.site.state import Image

_KINDS = ("order-refused", "takes-more", "discharges-untold", "gives-less", "composite-differs")


@dataclass(frozen=True, slots=True)
class Todo:
    """Something to do about one EVSE."""

    key: EvseKey
    action: Action
    transaction_id: str


class Comparer:
    """One watch per EVSE."""

    def __init__(self, alarms: Alarms) -> None:
        self._alarms = alarms
        self._watches: dict[EvseKey, Watch] = {}
        self._shown: set[EvseKey] = set()

    @property
    def disobedient(self) -> frozenset[EvseKey]:
        """EVSEs that were left to their safe profile because they do not obey."""
        return frozenset(key for key, watch in self._watches.items() if watch.given_up)

    def answered(self, key: EvseKey, result: CommandResult) -> None:
        """Notes the answer to an order."""
        self._watches.setdefault(key, Watch()).answered(accepted=result.accepted, status=result.status)

    def forgive(self, key: EvseKey) -> None:
        """The EVSE gets a fresh start: a new connection, or somebody looked at it."""
        watch = self._watches.get(key)
        if watch is not None:
            watch.reset(watch.transaction_id)

    def compare(
        self, image: Image, outlets: dict[EvseKey, Outlet], now: datetime, settle_s: float, stale_s: float
    ) -> list[Todo]:
        """Compares every EVSE that is in use; returns what is to be done. Values older than ``stale_s`` say nothing."""
        todo, stale = [], timedelta(seconds=stale_s)
        for item in image.evses:
            outlet, watch = outlets[item.key], self._watches.setdefault(item.key, Watch())
            transaction = item.session.transaction_id if item.session is not None else ""
            if transaction != watch.transaction_id:
                watch.reset(transaction)
            if not transaction or outlet.ordered_at is None or not item.online:
                self._show(item.key, "", "", now)
                continue
            # the image is older than the order that this tick gave: what it shows says nothing about that one
            same = outlet.ordered_kw == item.ordered_kw and not outlet.pending
            metered = item.measured_kw if item.fresh and same else None
            at = outlet.meter.power_at
            seen = None if at is None or now - at > stale else (at, item.measured_kw)
            finding = compare(watch, now, outlet.ordered_kw, metered, outlet.composite, settle_s=settle_s, seen=seen)
            self._show(item.key, finding.kind, finding.text, now)
            if finding.action != "nothing":
                todo.append(Todo(item.key, finding.action, transaction))
        return todo

    def _show(self, key: EvseKey, kind: str, text: str, now: datetime) -> None:
        if not kind and key not in self._shown:
            return
        subject = f"{key.station_id}/{key.evse_id}"
        (self._shown.add if kind else self._shown.discard)(key)
        for name in _KINDS:
            self._alarms.set(name == kind, name, subject, now, text)
