"""A site as its planner shows it to screens in other processes: once a second, while somebody looks."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict

from bothways.adapters.bus.wire import Unreadable, read, written
from bothways.dispatch.policy import Plan
from bothways.operations.events import EvseKey
from bothways.operations.overrides import Override
from bothways.operations.ports import SiteReading
from bothways.operations.site.alarms import Alarm
from bothways.operations.site.control import Row
from bothways.operations.site.emergency import Incident
from bothways.operations.site.planner import ActivePlan
from bothways.operations.site.state import EvseState, Image
from bothways.operations.site.summary import Snapshot, TickSummary, Totals

_FAST = 1


@dataclass(frozen=True, slots=True)
class Picture:
    """A snapshot without its plan, as it travels; see :class:`bothways.operations.site.summary.Snapshot`."""

    __pydantic_config__ = ConfigDict(arbitrary_types_allowed=True)  # tables of wear, which do not travel

    site_id: str
    image: Image | None
    rows: tuple[Row, ...]
    sentences: tuple[tuple[EvseKey, str], ...]
    alarms: tuple[Alarm, ...]
    summary: TickSummary | None
    totals: Totals
    incident: Incident | None
    carbon_kg_per_kwh: float | None = None
    price_source: str = ""
    overrides: tuple[Override, ...] = ()
    reading: SiteReading | None = None

    def snapshot(self, plan: ActivePlan | None, alarms: tuple[Alarm, ...] = ()) -> Snapshot:
        """The snapshot again, with further alarms."""
        return Snapshot(
            self.site_id, self.image, {row.key: row for row in self.rows}, dict(self.sentences),
            (*self.alarms, *alarms), plan, self.summary, self.totals, self.incident, self.carbon_kg_per_kwh,
            self.price_source,
        )  # fmt: skip


def picture_of(snapshot: Snapshot, overrides: tuple[Override, ...], reading: SiteReading | None) -> Picture:
    """A snapshot as it travels."""
    return Picture(
        snapshot.site_id, _light(snapshot.image), tuple(snapshot.rows.values()), tuple(snapshot.sentences.items()),
        snapshot.alarms, snapshot.summary, snapshot.totals, snapshot.incident, snapshot.carbon_kg_per_kwh,
        snapshot.price_source, overrides, reading,
    )  # fmt: skip


def _light(image: Image | None) -> Image | None:
    """The image without tables of wear: their price now is in the session."""
    if image is None or not any(_heavy(item) for item in image.evses):
        return image
    return replace(image, evses=tuple(_without_wear(item) for item in image.evses))


def _without_wear(item: EvseState) -> EvseState:
    if item.session is None or not _heavy(item):
        return item
    battery = replace(item.session.battery, wear=None, records={})
    return replace(item, session=replace(item.session, battery=battery))


def _heavy(item: EvseState) -> bool:
    return item.session is not None and bool(item.session.battery.wear or item.session.battery.records)


def packed(record: Any) -> bytes:
    """A record as few bytes."""
    return zlib.compress(written(record), _FAST)


def unpacked_picture(data: bytes) -> Picture:
    """A picture from bytes.

    Raises:
        Unreadable: they are none.
    """
    return read(Picture, _inflated(data))


@dataclass(frozen=True, slots=True)
class PlanPicture:
    """A plan as it travels: arrays as base64 of little-endian float64.

    Attributes:
        start: beginning of its first step.
        made_at: instant of the image it was made from.
        step_s: step [s].
        keys: sessions of the rows of ``power_kw``.
        power_kw: shape ``(len(keys), H)`` [kW]; one row, the sum, where the whole would be too long for the bus.
        target_kw: shape ``(H,)`` [kW].
        base_kw: likewise.
        import_price: likewise.
        export_price: likewise.
    """

    start: datetime
    made_at: datetime
    step_s: int
    keys: tuple[int, ...]
    power_kw: str
    target_kw: str
    base_kw: str
    import_price: str
    export_price: str

    def plan(self) -> ActivePlan:
        """The plan again, without the solver's certificate.

        Raises:
            Unreadable: its arrays do not fit each other.
        """
        target, base = _array(self.target_kw), _array(self.base_kw)
        try:
            power = _array(self.power_kw).reshape(-1, target.shape[0])
        except ValueError as error:
            msg = "not a plan"
            raise Unreadable(msg) from error
        rows = {key: number for number, key in enumerate(self.keys)}
        plan = Plan(np.array(self.keys, dtype=np.int64), power, target, None)
        prices = _array(self.import_price), _array(self.export_price)
        return ActivePlan(plan, self.start, self.made_at, self.step_s, base, *prices, rows)


def packed_plan(active: ActivePlan, most: int) -> bytes:
    """A plan as bytes; as the sum of all vehicles where it would be longer than ``most`` bytes."""
    keys = tuple(int(key) for key in active.plan.key)
    data = packed(_plan_picture(active, keys, active.plan.power_kw))
    return data if len(data) <= most else packed(_plan_picture(active, (), active.plan.power_kw.sum(axis=0)))


def unpacked_plan(data: bytes) -> ActivePlan:
    """A plan from bytes.

    Raises:
        Unreadable: they are none.
    """
    return read(PlanPicture, _inflated(data)).plan()


def _plan_picture(active: ActivePlan, keys: tuple[int, ...], power: NDArray[np.float64]) -> PlanPicture:
    return PlanPicture(
        active.start, active.made_at, active.step_s, keys, _text(power), _text(active.plan.target_kw),
        _text(active.base_kw), _text(active.import_price), _text(active.export_price),
    )  # fmt: skip


def _text(array: NDArray[np.float64]) -> str:
    return base64.b64encode(np.ascontiguousarray(array, dtype="<f8").tobytes()).decode()


def _array(text: str) -> NDArray[np.float64]:
    try:
        return np.frombuffer(base64.b64decode(text), dtype="<f8").astype(np.float64)
    except ValueError as error:
        msg = "not an array"
        raise Unreadable(msg) from error


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompress(data)
    except zlib.error as error:
        msg = "not compressed"
        raise Unreadable(msg) from error
