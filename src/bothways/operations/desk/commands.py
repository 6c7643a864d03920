"""What people ask of a station: reset, unlock, availability, a message, its log, the end of a transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from bothways.domain.errors import DomainError, GatewayError, Problems
from bothways.operations.access.roles import Action, Actor, site_scope
from bothways.operations.desk.desk import Desk, Unknown
from bothways.operations.desk.forms import check_reason
from bothways.operations.desk.views import StationView, finite, station_view
from bothways.operations.events import EvseKey
from bothways.operations.orders import TRIGGERS, CommandResult, StationCommand
from bothways.operations.stations import EvseRecord, StationRecord

_UPLOADS = frozenset({"https", "ftps", "sftp", "ftp"})
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class StationDetail:
    """A station with its EVSEs."""

    station: StationView
    serial: str
    evses: tuple[EvseRecord, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of a command.

    Attributes:
        accepted: whether the station said that it does it; whether it did so is seen from what it sends afterwards.
        status: the station's own word, or ``timeout``.
        at: when it answered.
    """

    accepted: bool
    status: str
    at: datetime
    detail: str


@dataclass(frozen=True, slots=True)
class Profile:
    """What an EVSE holds to now [kW], positive charges; ``None`` where it does not say.

    Attributes:
        told: whether the station could be asked; false while it is offline.
        limit_kw: most that it charges with, by its own word.
        discharge_limit_kw: most that it discharges with, at most 0, by its own word.
        setpoint_kw: the setpoint that it follows, by its own word.
        ordered_kw: what the platform ordered last.
        charge_kw: most that the hardware charges with.
        discharge_kw: most that the hardware discharges with.
    """

    station_id: str
    evse_id: int
    told: bool
    limit_kw: float | None
    discharge_limit_kw: float | None
    setpoint_kw: float | None
    ordered_kw: float | None
    charge_kw: float
    discharge_kw: float


class Commands:
    """The use cases; every method checks that the actor may do this at the station's site."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._parts = desk, desk.parts

    async def station(self, actor: Actor, station_id: str) -> StationDetail:
        """A station with its EVSEs.

        Raises:
            Unknown: no such station, or not for this actor.
        """
        record = await self._record(actor, station_id)
        view = station_view(record, self._parts.gateway.connected())
        return StationDetail(view, record.serial, record.evses)

    async def profile(self, actor: Actor, station_id: str, evse_id: int) -> Profile:
        """Asks an EVSE what it holds to now, beside what it was told.

        Raises:
            Unknown: no such EVSE, or not for this actor.
        """
        record = await self._record(actor, station_id)
        evse = _evse(record, evse_id)
        key = EvseKey(station_id, evse_id)
        found = await self._parts.gateway.composite(key)
        control = self._parts.sites.get(record.site_id)
        row = None if control is None else control.snapshot().rows.get(key)
        return Profile(
            station_id, evse_id, found is not None,
            None if found is None else found.limit_kw,
            None if found is None else found.discharge_limit_kw,
            None if found is None else found.setpoint_kw,
            None if row is None else finite(row.power_kw),
            evse.charge_kw, evse.discharge_kw,
        )  # fmt: skip

    async def command(self, actor: Actor, station_id: str, command: StationCommand, reason: str) -> Asked:
        """Sends a command to a station; noted in the audit log with the reason and the answer.

        Raises:
            Unknown: no such station or EVSE, or not for this actor.
            NotAllowed: the actor sees it, but may not command it.
            InputError: with every problem of the command.
            DomainError: the station is not connected, or cannot do this.
            GatewayError: it did not answer.
        """
        record = await self._record(actor, station_id, Action.STATION_COMMAND)
        if command.evse_id:
            _evse(record, command.evse_id)
        _check(command)
        check_reason(reason)
        done = await self._parts.gateway.command(station_id, command)
        return await self._noted(actor, station_id, command.kind, reason, done)

    async def end_transaction(self, actor: Actor, station_id: str, transaction_id: str, reason: str) -> Asked:
        """Ends a transaction; the plug can be taken out then.

        Raises:
            As :meth:`command`.
        """
        await self._record(actor, station_id, Action.STATION_COMMAND)
        check_reason(reason)
        done = await self._parts.gateway.stop(station_id, transaction_id)
        return await self._noted(actor, station_id, f"end transaction {transaction_id}", reason, done)

    async def _noted(self, actor: Actor, station_id: str, what: str, reason: str, done: CommandResult) -> Asked:
        detail = {"who": actor.name, "what": what, "reason": reason, "status": done.status}
        await self._desk.record("station commanded", station_id, detail)
        if done.status == "offline":
            msg = f"{station_id} is not connected"
            raise DomainError(msg)
        if done.status == "refused":  # not sent, or the station answered that it cannot
            msg = done.detail or f"{station_id} does not do this"
            raise DomainError(msg)
        if done.status == "timeout":
            msg = done.detail or f"{station_id} did not answer"
            raise GatewayError(msg)
        return Asked(done.accepted, done.status, done.at, done.detail)

    async def _record(self, actor: Actor, station_id: str, action: Action = Action.STATION_VIEW) -> StationRecord:
        record = await self._parts.registry.station(station_id)
        if record is None or not actor.may(Action.STATION_VIEW, site_scope(record.site_id)):
            msg = f"there is no station {station_id!r}"
            raise Unknown(msg)
        actor.require(action, site_scope(record.site_id))
        return record


def _evse(record: StationRecord, evse_id: int) -> EvseRecord:
    found = record.evse(evse_id)
    if found is None:
        msg = f"{record.station_id} has no EVSE {evse_id}"
        raise Unknown(msg)
    return found


def _check(command: StationCommand) -> None:
    problems = Problems(at="command")
    if command.kind == "trigger" and command.message not in TRIGGERS:
        problems.add("message", command.message, ", ".join(TRIGGERS), "Choose one of them.")
    if command.kind == "unlock" and not command.evse_id:
        problems.add("evse_id", command.evse_id, "an EVSE of the station", "Say which cable to release.")
    if command.kind == "diagnostics":
        parts = urlsplit(command.location)
        if parts.scheme not in _UPLOADS or not parts.hostname or len(command.location) > _LONGEST:
            allowed = f"an address beginning with {', '.join(sorted(_UPLOADS))}, at most {_LONGEST} characters"
            problems.add("location", command.location, allowed, "Name a server that the station can reach.")
    problems.raise_if_any()
