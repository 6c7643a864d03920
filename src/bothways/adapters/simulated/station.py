"""The virtual station: outlets that live in time, a wire to the server, and commands that are obeyed."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import ssl
import uuid
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bothways.adapters.simulated.commands import answer
from bothways.adapters.simulated.dialects import Dialect2, Dialect16, Message, Payload, dialect_for, stamp
from bothways.adapters.simulated.outlet import Outlet, Transaction
from bothways.adapters.simulated.profiles import ProfileStore
from bothways.adapters.simulated.vehicle import VirtualVehicle
from bothways.adapters.simulated.wire import Away, Queued, Refused, Wire
from bothways.operations.ports import Clock


@dataclass(frozen=True, slots=True)
class StationOptions:
    """How a virtual station behaves.

    Attributes:
        protocol: ``ocpp1.6``, ``ocpp2.0.1`` or ``ocpp2.1``.
        secret: password of Basic authentication.
        tick_s: length of a step of the physics, in seconds of the station's clock.
        meter_s: interval of meter values, likewise.
        heartbeat_s: interval of heartbeats, likewise; the server's answer to the boot replaces it.
        negative_limit: what a 1.6 or 2.0.1 station does with a negative limit: ``reject``, ``ignore`` or ``obey``.
        vendor: in the boot notification.
        model: in the boot notification.
        authorize_offline: whether a vehicle may start without a connection.
    """

    protocol: str = "ocpp2.1"
    secret: str = ""
    tick_s: float = 1.0
    meter_s: float = 60.0
    heartbeat_s: float = 300.0
    negative_limit: str = "reject"
    vendor: str = "bothways"
    model: str = "virtual"
    authorize_offline: bool = True


@dataclass(slots=True)
class VirtualStation:
    """A charging station in software. ``run`` keeps it alive until it is cancelled.

    Attributes:
        station_id: its identity.
        url: the server's address up to the station's id.
        outlets: its EVSEs.
        clock: its time; an accelerated one makes it live faster.
    """

    station_id: str
    url: str
    outlets: Sequence[Outlet]
    clock: Clock
    options: StationOptions = field(default_factory=StationOptions)
    tls: ssl.SSLContext | None = None
    rng: random.Random = field(default_factory=random.Random)
    profiles: ProfileStore = field(default_factory=ProfileStore)
    variables: dict[str, str] = field(default_factory=dict)
    registered: bool = False
    faults: set[str] = field(default_factory=set)
    wire: Wire = field(init=False)
    dialect: Dialect16 | Dialect2 = field(init=False)
    _offline_since: datetime | None = None
    _booted: bool = False
    _boot_reason: str = "PowerUp"
    _background: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.dialect = dialect_for(self.options.protocol)
        self._offline_since = self.clock.now()
        self.wire = Wire(
            self.url,
            self.station_id,
            self.options.protocol,
            self._answer,
            self._on_connect,
            self._on_change,
            secret=self.options.secret,
            tls=self.tls,
            rng=self.rng,
        )

    # ---- life

    async def run(self) -> None:
        """Lives: keeps the connection, lets power flow, sends meter values and heartbeats."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.wire.run())
            group.create_task(self._live())
            group.create_task(self._report())
            group.create_task(self._heartbeat())

    async def _live(self) -> None:
        last = self.clock.now()
        while True:
            await self.clock.sleep(self.options.tick_s)
            now = self.clock.now()
            hours = max(0.0, (now - last).total_seconds()) / 3600.0
            last = now
            for outlet in self.outlets:
                before = outlet.charging_state()
                outlet.live(hours, self.target_kw(outlet))
                if outlet.transaction is not None and outlet.charging_state() != before:
                    self._state_changed(outlet)

    def target_kw(self, outlet: Outlet) -> float:
        """Power that the profiles in force ask of an outlet [kW]."""
        transaction = outlet.transaction
        identity = "" if transaction is None else self._wire_id(transaction)
        vehicle_kw = math.inf if outlet.vehicle is None else outlet.vehicle.charge_kw
        outlet.in_force = self.profiles.in_force(
            outlet.evse_id,
            identity,
            self.clock.now(),
            self.offline_s,
            min(outlet.charge_kw, vehicle_kw),
            outlet.can_discharge_kw,
            sum(item.transaction is not None for item in self.outlets),
        )
        if outlet.fault == "deaf":
            return min(outlet.charge_kw, vehicle_kw)
        return outlet.in_force.target_kw()

    @property
    def offline_s(self) -> float:
        """Seconds without a connection, 0 while connected."""
        if self._offline_since is None:
            return 0.0
        return max(0.0, (self.clock.now() - self._offline_since).total_seconds())

    async def _report(self) -> None:
        while True:
            await self.clock.sleep(self.options.meter_s)
            for outlet in self.outlets:
                if outlet.transaction is not None:
                    self.report(outlet)

    async def _heartbeat(self) -> None:
        while True:
            await self.clock.sleep(float(self.variables.get("HeartbeatInterval", self.options.heartbeat_s)))
            with contextlib.suppress(Away, Refused, TimeoutError):
                await self.wire.call("Heartbeat", {})

    # ---- people

    async def plug_in(self, evse_id: int, vehicle: VirtualVehicle, departure: datetime | None = None) -> bool:
        """A driver plugs in and shows the vehicle's token; returns whether charging was authorised."""
        outlet = self.outlet(evse_id)
        outlet.vehicle = vehicle
        outlet.authorized, outlet.finished = False, False
        await self.say(self.dialect.status(outlet, self.clock.now()))
        if not await self._authorize(vehicle.token, outlet):
            return False
        self.begin(outlet, vehicle.token)
        needs = self.dialect.needs(outlet, departure) if isinstance(self.dialect, Dialect2) else None
        if needs is not None:
            self._spawn(self._tell_needs(needs))
        return True

    async def _authorize(self, token: str, outlet: Outlet) -> bool:
        try:
            granted = await self.wire.call(*self.dialect.authorize(token))
        except (Away, TimeoutError):
            return self.options.authorize_offline
        except Refused:
            return False
        outlet.transfer_allowed = tuple(granted.get("allowedEnergyTransfer", ()))
        return self.dialect.accepted(granted)

    async def _tell_needs(self, message: Message) -> None:
        while self.wire.queue:  # the transaction's start must be known first
            await asyncio.sleep(0.01)
        await self.say(message)

    def begin(self, outlet: Outlet, token: str, remote_start_id: int | None = None) -> None:
        """Starts a transaction for the vehicle that is plugged in; one that the server does not accept is ended."""
        now = self.clock.now()
        offline = not self.wire.connected
        transaction = Transaction(str(uuid.UUID(int=self.rng.getrandbits(128))), token, now, round(outlet.import_wh))
        transaction.offline, transaction.remote_start_id = offline, remote_start_id
        outlet.transaction, outlet.authorized = transaction, True

        def learn(answer: Payload) -> None:
            transaction.server_id = int(answer.get("transactionId", 0))
            info = answer.get("idTagInfo") or answer.get("idTokenInfo")
            if info is not None and info.get("status") != "Accepted" and outlet.transaction is transaction:
                self.finish(outlet, "DeAuthorized")

        self._post(self.dialect.started(outlet, transaction, now), transaction, learn)

    async def unplug(self, evse_id: int, reason: str = "EVDisconnected") -> VirtualVehicle | None:
        """The driver takes the vehicle away; the transaction ends. Returns the vehicle."""
        outlet = self.outlet(evse_id)
        vehicle = outlet.vehicle
        self.finish(outlet, reason)
        outlet.vehicle, outlet.authorized, outlet.finished, outlet.transfer_allowed = None, False, False, ()
        await self.say(self.dialect.status(outlet, self.clock.now()))
        return vehicle

    def finish(self, outlet: Outlet, reason: str) -> None:
        """Ends the transaction of an outlet, if there is one."""
        transaction = outlet.transaction
        if transaction is None:
            return
        now = self.clock.now()
        outlet.authorized, outlet.power_kw = False, 0.0
        values = self.dialect.values(outlet, now, "Transaction.End")
        self._post(self.dialect.ended(outlet, transaction, now, reason, values), transaction)
        self.profiles.forget_transaction(self._wire_id(transaction))
        outlet.transaction, outlet.finished = None, True
        if outlet.retiring:
            outlet.available, outlet.retiring = False, False
        if reason != "EVDisconnected":
            self._spawn(self.say(self.dialect.status(outlet, now)))

    def outlet(self, evse_id: int) -> Outlet:
        """The EVSE with this number.

        Raises:
            KeyError: where there is none.
        """
        for item in self.outlets:
            if item.evse_id == evse_id:
                return item
        raise KeyError(evse_id)

    def by_transaction(self, identity: str) -> Outlet | None:
        """The EVSE where a transaction runs, by the id on the wire."""
        return next((o for o in self.outlets if o.transaction and self._wire_id(o.transaction) == identity), None)

    def report(self, outlet: Outlet, context: str = "Sample.Periodic") -> None:
        """Queues the meter values of an outlet's transaction."""
        now = self.clock.now()
        if outlet.transaction is not None:
            values = self.dialect.values(outlet, now, context)
            self._post(self.dialect.metered(outlet, outlet.transaction, now, values), outlet.transaction)

    # ---- the wire

    def _wire_id(self, transaction: Transaction) -> str:
        return str(transaction.server_id) if isinstance(self.dialect, Dialect16) else transaction.local_id

    def _post(self, message: Message, transaction: Transaction, done: Callable[[Payload], None] | None = None) -> None:
        action, payload = message

        def build(waited: bool) -> Payload:
            return self.dialect.finish(action, payload, transaction, waited)

        self.wire.post(Queued(action, build, done))

    def _state_changed(self, outlet: Outlet) -> None:
        transaction = outlet.transaction
        if transaction is None:
            return
        now = self.clock.now()
        if isinstance(self.dialect, Dialect2):
            self._post(self.dialect.changed(outlet, transaction, now), transaction)
        else:
            self._spawn(self.say(self.dialect.status(outlet, now)))

    async def say(self, message: Message) -> None:
        """Sends something that may be lost."""
        with contextlib.suppress(Away, Refused, TimeoutError):
            await self.wire.call(*message)

    async def _on_connect(self) -> None:
        if not self._booted or not self.registered:
            await self.boot(self._boot_reason)
        if isinstance(self.dialect, Dialect16):
            await self.say(self.dialect.whole(self.clock.now()))
        for outlet in self.outlets:
            await self.say(self.dialect.status(outlet, self.clock.now()))

    async def boot(self, reason: str) -> None:
        """Announces the station until the server accepts it."""
        while True:
            action, payload = self.dialect.boot(self.options.vendor, self.options.model, self.station_id, reason)
            reply = await self.wire.call(action, payload)
            self._booted = True
            self.registered = reply.get("status") == "Accepted"
            if self.registered:
                self.variables["HeartbeatInterval"] = str(max(1, int(reply.get("interval", 0)) or 300))
                return
            await self.clock.sleep(max(1.0, float(reply.get("interval", 1))))

    def _on_change(self, connected: bool) -> None:
        if connected:
            self.profiles.age_offline(self.offline_s)
            self._offline_since = None
        elif self._offline_since is None:
            self._offline_since = self.clock.now()

    async def _answer(self, action: str, payload: Payload) -> Payload:
        return await answer(self, action, payload)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs a coroutine after the answer that is being given went out."""
        self._spawn(work)

    async def restart(self, reason: str = "PowerLoss") -> None:
        """Starts anew: transactions end, the connection is made anew, the station boots.

        What was queued, the registers of the meters and the profiles that belong to no transaction outlive it.
        """
        for outlet in self.outlets:
            self.finish(outlet, reason)
        self._booted, self._boot_reason = False, "PowerUp" if reason == "PowerLoss" else "RemoteReset"
        await self.wire.drop()

    def now_stamp(self) -> str:
        """The station's time as OCPP writes it."""
        return stamp(self.clock.now())
