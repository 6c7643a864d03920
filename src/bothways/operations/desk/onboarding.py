"""A new charging station from its credentials to the hand-over: guided, resumable, on record."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol, runtime_checkable
from weakref import WeakKeyDictionary

from bothways.domain.errors import DomainError, InputError, Problem
from bothways.operations.access.roles import EVERYTHING, Action, Actor, site_scope
from bothways.operations.desk.desk import Desk, Unknown
from bothways.operations.desk.forms import LONGEST_REASON, check_reason
from bothways.operations.desk.quality import StationQuality, quality
from bothways.operations.desk.station_form import StationForm, check_station
from bothways.operations.desk.trial import Trial, trial_charge, trial_discharge
from bothways.operations.documents import documents_in
from bothways.operations.stations import StationRecord

KIND = "onboarding"
State = Literal["waiting", "running", "done", "failed", "skipped"]
_LOST = timedelta(minutes=10)


@runtime_checkable
class Enrolments(Protocol):
    """A store that makes the secrets of stations."""

    async def enrol(self, record: StationRecord) -> str:
        """Adds a station and returns its secret."""
        ...

    async def renew_secret(self, station_id: str) -> str:
        """Gives a station a new secret and returns it."""
        ...


@runtime_checkable
class Listening(Protocol):
    """A gateway that knows where it listens."""

    @property
    def listens(self) -> tuple[int, bool]:
        """Port, and whether by TLS."""
        ...


@dataclass(frozen=True, slots=True)
class Credentials:
    """What is typed into the station; the password is shown this once.

    Attributes:
        path: of the address; the station may append its id itself.
        port: where stations connect; ``None`` where this process does not know.
        tls: whether the address begins with wss.
    """

    station_id: str
    password: str
    path: str
    port: int | None
    tls: bool


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of an installation, with what came of it in words."""

    name: str
    state: State
    at: datetime | None
    detail: str


@dataclass(frozen=True, slots=True)
class InstallationView:
    """An installation: where it stands. ``next_step`` is ``""`` when it is handed over."""

    station_id: str
    site_id: str
    begun_at: datetime
    begun_by: str
    evses: int
    can_discharge: bool
    steps: tuple[StepView, ...]
    next_step: str
    facts: StationQuality


class Onboarding:
    """The use cases. Who may add stations at a site may do all of them there, and sees nothing else by them."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._parts = desk, desk.parts
        self._running: dict[str, tuple[str, asyncio.Task[None]]] = {}

    async def installations(self, actor: Actor, *, handed_over: bool = False) -> list[InstallationView]:
        """Installations at the actor's sites that are under way, or all; the latest first.

        Raises:
            NotAllowed: the actor adds stations nowhere.
        """
        scopes = actor.scopes_for(Action.STATION_ADD)
        actor.require(Action.STATION_ADD, *scopes)
        found = await documents_in(self._parts.store).documents(KIND)
        mine = [
            body
            for body in found.values()
            if (EVERYTHING in scopes or site_scope(body["site_id"]) in scopes)
            and (handed_over or "handed_over" not in body["steps"])
        ]
        views = [await self._view(body) for body in mine]
        return sorted((view for view in views if view is not None), key=lambda view: view.begun_at, reverse=True)

    def sites(self, actor: Actor) -> list[str]:
        """Sites at which the actor may add a station."""
        return [name for name in self._desk.site_ids() if actor.may(Action.STATION_ADD, site_scope(name))]

    async def begin(self, actor: Actor, form: StationForm) -> Credentials:
        """Registers a station and returns what is typed into it; nobody is told the password again.

        Raises:
            NotAllowed: the actor may not add stations at this site.
            InputError: with every problem of the form, or an id that exists or existed.
        """
        actor.require(Action.STATION_ADD, site_scope(form.site_id))
        record = check_station(form, self._desk.site_ids())
        password = await self._enrolments().enrol(record)
        now = self._desk.now()
        body = {"station_id": record.station_id, "site_id": record.site_id, "begun_at": now.isoformat(),
                "begun_by": actor.name, "steps": {}}  # fmt: skip
        await self._keep(body, "registered", "done", "")
        detail = {"who": actor.name, **asdict(form)}
        await self._desk.record("installation begun", record.station_id, detail)
        return self._credentials(record.station_id, password)

    async def renew(self, actor: Actor, station_id: str) -> Credentials:
        """A new password, where the first one was lost; the earlier one holds until the new one is used.

        Raises:
            Unknown: no such installation, or not for this actor.
        """
        await self._body(actor, station_id)
        password = await self._enrolments().renew_secret(station_id)
        await self._desk.record("station password renewed", station_id, {"who": actor.name})
        return self._credentials(station_id, password)

    async def installation(self, actor: Actor, station_id: str) -> InstallationView:
        """Where an installation stands.

        Raises:
            Unknown: no such installation, or not for this actor.
        """
        view = await self._view(await self._body(actor, station_id))
        if view is None:
            raise _unknown(station_id)
        return view

    async def test_charge(self, actor: Actor, station_id: str, evse_id: int = 1) -> None:
        """Begins a test charge with whatever is plugged in; its result is seen in :meth:`installation`.

        Raises:
            Unknown: no such installation or EVSE, or not for this actor.
            DomainError: the station is not connected, or a test is running.
        """
        await self._test(actor, station_id, evse_id, "test_charge", trial_charge)

    async def test_discharge(
        self, actor: Actor, station_id: str, evse_id: int = 1, *, agreed: bool, said: str = ""
    ) -> None:
        """Begins a test discharge, where grid connection, charger and vehicle permit it.

        Args:
            actor: who tests.
            station_id: the station.
            evse_id: its EVSE.
            agreed: whether the vehicle's driver is present and agrees.
            said: who that is, in the installer's words, for the audit log.

        Raises:
            Unknown: no such installation or EVSE, or not for this actor.
            InputError: nobody agreed.
            DomainError: the station is not connected, or a test is running.
        """
        check_agreed(agreed=agreed)
        await self._body(actor, station_id)
        detail = {"who": actor.name, "said": said.strip()[:LONGEST_REASON]}
        await self._desk.record("driver agreed to a test discharge", f"{station_id}/{evse_id}", detail)
        await self._test(actor, station_id, evse_id, "test_discharge", trial_discharge)

    async def hand_over(self, actor: Actor, station_id: str, remark: str) -> InstallationView:
        """Ends the installation; what was found stays on record.

        Raises:
            Unknown: no such installation, or not for this actor.
            DomainError: it never connected, or did not charge.
        """
        check_reason(remark)
        body = await self._body(actor, station_id)
        view = await self._view(body)
        if view is None:
            raise _unknown(station_id)
        lacks = [step.name for step in view.steps if step.state != "done" and step.name in {"connected", "test_charge"}]
        if lacks:
            msg = f"{station_id} cannot be handed over yet: {' and '.join(lacks)} is missing"
            raise DomainError(msg)
        await self._keep(body, "handed_over", "done", f"{actor.name}: {remark.strip()}")
        record = {"who": actor.name, "remark": remark.strip(), "firmware": view.facts.firmware,
                  "model": view.facts.vendor_model, "steps": body["steps"]}  # fmt: skip
        await self._desk.record("station handed over", station_id, record)
        return await self.installation(actor, station_id)

    # ---- inside

    async def _test(self, actor: Actor, station_id: str, evse_id: int, name: str, trial: Trial) -> None:
        body = await self._body(actor, station_id)
        record = await self._parts.registry.station(station_id)
        if record is None or record.evse(evse_id) is None:
            raise _unknown(station_id)
        if station_id not in self._parts.gateway.connected():
            msg = f"{station_id} is not connected"
            raise DomainError(msg)
        if station_id in self._running:
            msg = f"a test is running at {station_id}"
            raise DomainError(msg)
        await self._desk.record(f"{name.replace('_', ' ')} begun", f"{station_id}/{evse_id}", {"who": actor.name})
        await self._keep(body, name, "running", "")
        task = asyncio.create_task(self._try(body, record, evse_id, name, trial, actor))
        self._running[station_id] = (name, task)
        task.add_done_callback(lambda _: self._running.pop(station_id, None))

    async def _try(
        self, body: dict[str, Any], record: StationRecord, evse_id: int, name: str, trial: Trial, actor: Actor
    ) -> None:
        try:
            passed, detail = await trial(self._desk, record, evse_id, actor)
        except Exception as error:  # noqa: BLE001 - whatever it is, the installer reads it
            passed, detail = False, str(error) or type(error).__name__
        await self._keep(body, name, "done" if passed else "failed", detail)
        said = {"who": actor.name, "passed": passed, "detail": detail}
        await self._desk.record(f"{name.replace('_', ' ')} ended", f"{record.station_id}/{evse_id}", said)

    async def _body(self, actor: Actor, station_id: str) -> dict[str, Any]:
        found = (await documents_in(self._parts.store).documents(KIND, [station_id])).get(station_id)
        if found is None or not actor.may(Action.STATION_ADD, site_scope(str(found["site_id"]))):
            raise _unknown(station_id)
        return {**found, "steps": dict(found["steps"])}

    async def _keep(self, body: dict[str, Any], name: str, state: State, detail: str) -> None:
        now = self._desk.now()
        body["steps"][name] = {"state": state, "at": now.isoformat(), "detail": detail}
        await documents_in(self._parts.store).keep_document(KIND, str(body["station_id"]), now, body)

    async def _view(self, body: Mapping[str, Any]) -> InstallationView | None:
        record = await self._parts.registry.station(str(body["station_id"]))
        if record is None:
            return None
        facts = await quality(self._desk, record)
        steps = tuple(self._steps(body, record, facts))
        left = next((step.name for step in steps if step.state in {"waiting", "running", "failed"}), "")
        handed = steps[-1].state == "done"
        return InstallationView(
            record.station_id, record.site_id, datetime.fromisoformat(body["begun_at"]), str(body["begun_by"]),
            len(record.evses), _can_discharge(record), steps, "" if handed else left, facts,
        )  # fmt: skip

    def _steps(self, body: Mapping[str, Any], record: StationRecord, facts: StationQuality) -> list[StepView]:
        said = " ".join(part for part in (facts.vendor_model, facts.firmware and f"firmware {facts.firmware}",
                                          facts.protocol) if part)  # fmt: skip
        seen: State = "done" if record.accepted_at is not None else "waiting"
        booted: State = "done" if facts.booted_at is not None else "waiting"
        steps = [
            self._kept(body, "registered"),
            StepView("connected", seen, record.accepted_at, ""),
            StepView("boot", booted, facts.booted_at, said if facts.booted_at is not None else ""),
            self._kept(body, "test_charge"),
            self._kept(body, "test_discharge"),
            self._kept(body, "handed_over"),
        ]
        if not _can_discharge(record) and steps[4].state == "waiting":
            steps[4] = StepView("test_discharge", "skipped", None, "this station charges only")
        return steps

    def _kept(self, body: Mapping[str, Any], name: str) -> StepView:
        step = body["steps"].get(name)
        if step is None:
            return StepView(name, "waiting", None, "")
        at, state, detail = datetime.fromisoformat(step["at"]), step["state"], step["detail"]
        mine = self._running.get(str(body["station_id"]), ("", None))[0] == name
        if state == "running" and not mine and self._desk.now() - at > _LOST:
            state, detail = "failed", "the test was broken off by a restart of the server"
        return StepView(name, state, at, detail)

    def _credentials(self, station_id: str, password: str) -> Credentials:
        gateway = self._parts.gateway
        port, tls = gateway.listens if isinstance(gateway, Listening) else (None, False)
        return Credentials(station_id, password, f"/ocpp/{station_id}", port, tls)

    def _enrolments(self) -> Enrolments:
        store = self._parts.store
        if not isinstance(store, Enrolments):
            msg = "this store takes no new stations"
            raise DomainError(msg)
        return store


def check_agreed(*, agreed: bool) -> None:
    """Nobody's vehicle is discharged without a word.

    Raises:
        InputError: nobody agreed.
    """
    if not agreed:
        raise InputError([Problem("test: agreed", "false", "true", "Ask the vehicle's driver first.")])


def _can_discharge(record: StationRecord) -> bool:
    return record.discharge != "none" and any(evse.discharge_kw > 0.0 for evse in record.evses)


def _unknown(station_id: str) -> Unknown:
    return Unknown(f"there is no installation of {station_id!r}")


_made: WeakKeyDictionary[Desk, Onboarding] = WeakKeyDictionary()


def onboarding_of(desk: Desk) -> Onboarding:
    """The desk's onboarding, made once, because tests run on while nobody looks."""
    if desk not in _made:
        _made[desk] = Onboarding(desk)
    return _made[desk]
