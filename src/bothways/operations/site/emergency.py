"""Emergency stop and fire input (R57): latched, and the record of the incident."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from bothways.domain.errors import BothwaysError, DomainError
from bothways.operations.orders import CommandResult, PowerOrder, SafeProfile
from bothways.operations.ports import ChargerGateway
from bothways.operations.site.book import Outlet

WITHIN_S = 2.0
"""All transfer ends within this time through the server; the station's own input is independent of it."""


@dataclass(frozen=True, slots=True)
class Incident:
    """An emergency stop, from its cause to its release.

    Attributes:
        site_id: where.
        at: when.
        reason: what happened, as stated by a person or a fire input.
        who: who or which device gave the command.
        responsible: who is responsible for the site.
        stopped: what each station answered, by ``station/evse``.
        released_at: when a person released it; ``None`` while it is latched.
        released_by: that person.
        release_reason: why it was safe.
    """

    site_id: str
    at: datetime
    reason: str
    who: str
    responsible: str = ""
    stopped: tuple[tuple[str, str], ...] = ()
    released_at: datetime | None = None
    released_by: str = ""
    release_reason: str = ""

    @property
    def latched(self) -> bool:
        """Whether it is in force."""
        return self.released_at is None

    def released(self, now: datetime, reason: str, who: str) -> Incident:
        """The incident after a person released it.

        Raises:
            DomainError: without a reason or a name.
        """
        if not reason.strip() or not who.strip():
            msg = "an emergency stop is released only by a person who states a reason"
            raise DomainError(msg)
        return replace(self, released_at=now, released_by=who.strip(), release_reason=reason.strip())

    def as_values(self) -> dict[str, object]:
        """For memory and audit log; read back by :func:`incident_from`."""
        return {
            "site_id": self.site_id, "at": self.at.isoformat(), "reason": self.reason, "who": self.who,
            "responsible": self.responsible, "stopped": dict(self.stopped),
            "released_at": self.released_at.isoformat() if self.released_at is not None else None,
            "released_by": self.released_by, "release_reason": self.release_reason,
        }  # fmt: skip


def incident_from(values: object) -> Incident | None:
    """Reads what :meth:`Incident.as_values` wrote; ``None`` where nothing was written."""
    if not isinstance(values, Mapping) or "at" not in values:
        return None
    released, stopped = values.get("released_at"), values.get("stopped")
    return Incident(
        site_id=str(values.get("site_id", "")), at=datetime.fromisoformat(str(values["at"])).astimezone(UTC),
        reason=str(values.get("reason", "")), who=str(values.get("who", "")),
        responsible=str(values.get("responsible", "")),
        stopped=tuple((str(k), str(v)) for k, v in stopped.items()) if isinstance(stopped, Mapping) else (),
        released_at=datetime.fromisoformat(str(released)).astimezone(UTC) if released else None,
        released_by=str(values.get("released_by", "")), release_reason=str(values.get("release_reason", "")),
    )  # fmt: skip


async def stop_all(gateway: ChargerGateway, outlets: Iterable[Outlet], valid_for_s: float) -> dict[str, str]:
    """Sends zero to every EVSE in use and ends its transaction, all at once; returns what was answered, by EVSE."""
    connected = gateway.connected()
    targets = [item for item in outlets if item.visit is not None and item.visit.transaction_id]

    async def end(outlet: Outlet) -> tuple[str, str]:
        name = f"{outlet.key.station_id}/{outlet.key.evse_id}"
        visit = outlet.visit
        if visit is None or outlet.key.station_id not in connected:
            return name, "out of reach: its own input and its safe profile must end it"
        zero = PowerOrder(outlet.key, 0.0, visit.transaction_id, valid_for_s)
        answers = await asyncio.gather(
            _within(lambda: gateway.set_power(zero, outlet.record)),
            _within(lambda: gateway.stop(outlet.key.station_id, visit.transaction_id)),
        )
        return name, f"zero: {answers[0]}, end: {answers[1]}"

    return dict(await asyncio.gather(*(end(outlet) for outlet in targets)))


async def _within(command: Callable[[], Awaitable[CommandResult]]) -> str:
    try:
        result = await asyncio.wait_for(command(), WITHIN_S)
    except TimeoutError:
        return "no answer"
    except BothwaysError as error:
        return str(error) or "refused"
    return result.status


async def leave_safe(gateway: ChargerGateway, stations: Iterable[str], charge_kw: float) -> None:
    """Leaves the same safe profile at all connected stations; failures show when stations connect again."""
    connected = gateway.connected()
    profiles = [SafeProfile(station, charge_kw) for station in stations if station in connected]
    await asyncio.gather(*(_within(partial(gateway.set_safe_profile, profile)) for profile in profiles))
