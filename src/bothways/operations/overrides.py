"""What people decide for a while against the plan: a lower or higher limit, a pause, a fixed power. Pure.

An override names who decided it and why, begins at once and ends by itself at its instant. It never loosens a safety
limit: it is taken together with the limits in force, and the tightest one counts. Only the contractual limit, which
costs money and not safety, can be raised.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Literal, cast, get_args
from zoneinfo import ZoneInfo

from bothways.operations.events import EvseKey
from bothways.operations.site.state import EvseState, Image, SiteLimits

OverrideKind = Literal["import_limit", "export_limit", "charge_limit", "pause", "power"]
KINDS: tuple[str, ...] = get_args(OverrideKind)
SITE_KINDS = frozenset({"import_limit", "export_limit", "pause"})
EVSE_KINDS = frozenset({"charge_limit", "pause", "power"})


@dataclass(frozen=True, slots=True)
class Override:
    """One decision of a person.

    Attributes:
        override_id: unique.
        kind: ``import_limit`` and ``export_limit`` of the site, ``charge_limit`` of an EVSE, ``pause`` of the site
            or of an EVSE (no power in either direction), ``power`` of an EVSE (a fixed setpoint, for tests).
        subject: ``station/evse``; ``""`` for the whole site.
        kw: the limit or power [kW], negative discharges; ``None`` for a pause.
        begins: since when.
        until: when it ends by itself.
        who: the person.
        reason: why, in their words.
    """

    override_id: str
    kind: OverrideKind
    subject: str
    kw: float | None
    begins: datetime
    until: datetime
    who: str
    reason: str

    def concerns(self, key: EvseKey) -> bool:
        """Whether it changes what an EVSE does."""
        mine = f"{key.station_id}/{key.evse_id}"
        return self.subject == mine or (self.subject == "" and self.kind == "pause")

    def as_values(self) -> dict[str, object]:
        """Plain values, for memory and for the audit log."""
        return {**asdict(self), "begins": self.begins.isoformat(), "until": self.until.isoformat()}


def overrides_from(kept: object) -> tuple[Override, ...]:
    """Overrides as :meth:`Override.as_values` kept them; what cannot be read is left out, and nothing is overridden."""
    rows = kept.get("overrides") if isinstance(kept, Mapping) else None
    found = (_read(row) for row in (rows if isinstance(rows, list) else ()))
    return tuple(item for item in found if item is not None)


def _read(row: object) -> Override | None:
    if not isinstance(row, Mapping) or row.get("kind") not in KINDS:
        return None
    try:
        kw = None if row["kw"] is None else float(row["kw"])
        return Override(
            str(row["override_id"]), cast("OverrideKind", row["kind"]), str(row["subject"]), kw,
            datetime.fromisoformat(str(row["begins"])), datetime.fromisoformat(str(row["until"])),
            str(row["who"]), str(row["reason"]),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError):
        return None


def running(overrides: Iterable[Override], now: datetime) -> tuple[Override, ...]:
    """Those that have not ended."""
    return tuple(item for item in overrides if now < item.until)


def limited(limits: SiteLimits, overrides: Sequence[Override]) -> SiteLimits:
    """The site's limits with overrides: safety limits only become tighter, the contractual one follows up to them."""
    for item in overrides:
        if item.subject or item.kw is None:
            continue
        kw = max(0.0, item.kw)
        if item.kind == "import_limit":
            hard = min(limits.import_hard_kw, kw)
            soft = hard if math.isfinite(limits.import_kw) else limits.import_kw
            limits = replace(limits, import_hard_kw=hard, import_kw=soft)
        elif item.kind == "export_limit":
            limits = replace(limits, export_kw=min(limits.export_kw, kw))
    return limits


def overridden(image: Image, overrides: Sequence[Override]) -> Image:
    """The image with what overrides allow each EVSE, for dispatch."""
    if not overrides:
        return image
    return replace(image, evses=tuple(_evse(item, overrides) for item in image.evses))


def for_planning(image: Image, overrides: Sequence[Override]) -> Image:
    """The image with the overrides that outlast a vehicle's stay.

    A pause that ends before the vehicle leaves does not make its need impossible: the plan counts on the time after it.
    """

    def lasting(item: EvseState) -> EvseState:
        until = item.session.until if item.session is not None else None
        return _evse(item, [one for one in overrides if until is None or one.until >= until])

    if not overrides:
        return image
    return replace(image, evses=tuple(lasting(item) for item in image.evses))


def _evse(item: EvseState, overrides: Sequence[Override]) -> EvseState:
    session = item.session
    if session is None:
        return item
    charge, out, told = session.charge_kw, item.may_discharge_kw, item.told_kw
    for one in overrides:
        if not one.concerns(item.key):
            continue
        if one.kind == "pause":
            charge, out = 0.0, 0.0
        elif one.kind == "charge_limit" and one.kw is not None:
            charge = min(charge, max(0.0, one.kw))
        elif one.kind == "power" and one.kw is not None:
            told = one.kw
            if one.kw >= 0.0:  # who is to be charged at once is held, too
                charge = min(charge, one.kw)
    if charge < session.minimum_kw and charge < session.charge_kw:
        charge = 0.0  # less than the smallest current is no charging
    changed = replace(session, charge_kw=charge, minimum_kw=min(session.minimum_kw, charge))
    return replace(item, session=changed, may_discharge_kw=out, told_kw=told)


def told(image: Image, overrides: Sequence[Override], tz: ZoneInfo) -> dict[EvseKey, str]:
    """For each EVSE in use that an override concerns, the sentence that says so."""
    said: dict[EvseKey, str] = {}
    for item in image.evses:
        if item.session is None or image.latched or not item.controllable:
            continue
        for one in overrides:
            if one.concerns(item.key):
                said[item.key] = _sentence(one, tz)
    return said


def _sentence(one: Override, tz: ZoneInfo) -> str:
    until = f"{one.until.astimezone(tz):%H:%M}"
    if one.kind == "pause":
        return f"Paused until {until} by {one.who}: {one.reason}"
    doing = "Limited to" if one.kind == "charge_limit" else "Held at"
    return f"{doing} {one.kw or 0.0:.1f} kW until {until} by {one.who}: {one.reason}"
