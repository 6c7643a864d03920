"""The OCPP gateway's server: WebSocket connections of stations, and the port through which the platform drives them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import ssl
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from weakref import WeakKeyDictionary

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from bothways.adapters.ocpp.administration import checked, remote_start, remote_stop, rotation
from bothways.adapters.ocpp.admission import Denied, Guesses, Peer, admit, remote_of
from bothways.adapters.ocpp.commands import answered, requested
from bothways.adapters.ocpp.keepalive import KeepAlive
from bothways.adapters.ocpp.link import ORDER, Link, NoAnswer
from bothways.adapters.ocpp.options import GatewayOptions
from bothways.adapters.ocpp.pace import Pace
from bothways.adapters.ocpp.presence import Presence
from bothways.adapters.ocpp.rpc import CallError
from bothways.adapters.ocpp.schemas import Version
from bothways.adapters.ocpp.session import Session
from bothways.adapters.ocpp.talk import Talk
from bothways.adapters.ocpp.wire import stamp
from bothways.domain.errors import GatewayError, StoreError
from bothways.operations.events import ConnectionChanged, EvseKey
from bothways.operations.orders import CommandResult, Composite, PowerOrder, SafeProfile, StationCommand
from bothways.operations.ports import Clock, Intake, StationRegistry
from bothways.operations.stations import EvseRecord, StationRecord

_log = logging.getLogger("bothways.ocpp")
_wire_log = logging.getLogger("bothways.ocpp.websocket")
_wire_log.setLevel(logging.INFO)  # below, the library writes headers with passwords into the log

PROTOCOLS: Mapping[str, Version] = {"ocpp2.1": "2.1", "ocpp2.0.1": "2.0.1", "ocpp1.6": "1.6"}
REPLACED, GOING_AWAY, NO_PROTOCOL = 1000, 1001, 1002
WATCH_S = 1.0
ANSWER_FIRST_S = 1.0
RECORD_S = 10.0  # a fleet gets a setpoint every second: its records are not read that often


class OcppGateway(Presence):
    """Charging stations over OCPP 1.6-J, 2.0.1 and 2.1; fulfils :class:`bothways.operations.ports.ChargerGateway`.

    Args:
        intake: where it brings what stations say.
        registry: stations, their credentials and their registration.
        clock: the time that stations are told, and by which orders end.
        options: settings.
    """

    def __init__(self, intake: Intake, registry: StationRegistry, clock: Clock, options: GatewayOptions) -> None:
        super().__init__()
        self._intake, self._registry = intake, registry
        self._clock, self._options = clock, options
        self._sessions: dict[str, Session] = {}
        self._sockets: dict[str, ServerConnection] = {}
        self._guesses = Guesses(options.failed_logins, options.failed_login_window_s, time.monotonic)
        self._admitted: WeakKeyDictionary[ServerConnection, StationRecord] = WeakKeyDictionary()
        self._server: Server | None = None
        self._background: list[asyncio.Task[None]] = []
        self._closing = False
        self.counters: Counter[str] = Counter()

    async def listen(self, host: str, port: int, ssl_context: ssl.SSLContext | None = None) -> int:
        """Listens.

        Args:
            host: address to listen at.
            port: port, 0 for a free one.
            ssl_context: TLS, see :func:`bothways.adapters.ocpp.admission.server_context`; ``None`` for none.

        Returns:
            The port.
        """
        self._closing = False
        self._server = await serve(
            self._connected,
            host,
            port,
            ssl=ssl_context,
            process_request=self._admit,
            select_subprotocol=_select,
            compression=None,
            ping_interval=None,
            close_timeout=5,
            max_size=self._options.max_message_bytes,
            max_queue=4,
            server_header=None,
            logger=_wire_log,
        )
        self._background = [asyncio.create_task(self._watch())]
        if (interval_s := self._options.ping_interval_s) > 0.0:
            pings = KeepAlive(self._sockets.values, interval_s, self._options.ping_timeout_s, self._count)
            self._background.append(asyncio.create_task(pings.run()))
        self.listens = int(next(iter(self._server.sockets)).getsockname()[1]), ssl_context is not None
        return self.listens[0]

    async def close(self, grace_s: float) -> None:
        """Stops listening, lets messages that were read be stored and answered, then closes every connection.

        Args:
            grace_s: longest time to wait for answers [s].
        """
        self._closing = True
        if self._server is None:
            return
        self._server.close(close_connections=False)
        try:
            async with asyncio.timeout(grace_s):
                for session in list(self._sessions.values()):
                    await session.settle()
        except TimeoutError:
            _log.warning("closing with messages unanswered")
        await asyncio.gather(*(socket.close(GOING_AWAY, "server restarts") for socket in list(self._sockets.values())))
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    def connected(self) -> frozenset[str]:
        """Stations with a live connection."""
        return frozenset(self._sessions)

    def refresh(self, station_id: str) -> None:
        """Forgets what was read of a station's record, so that a change holds at the next order."""
        if (session := self._sessions.get(station_id)) is not None:
            session.read_at = -math.inf

    async def disconnect(self, station_id: str) -> None:
        """Sends a station away."""
        if (socket := self._sockets.get(station_id)) is not None:
            await socket.close(GOING_AWAY, "not registered")

    @property
    def broken(self) -> bool:
        """Whether a task that watches the connections ended by a defect."""
        return any(task.done() for task in self._background) and not self._closing

    async def set_power(self, order: PowerOrder, evse: EvseRecord) -> CommandResult:
        """Puts a setpoint on the wire, rounded toward zero; refuses what the station cannot be told safely."""
        session = self._sessions.get(order.evse.station_id)
        if session is None:
            return self._offline()
        if session.talk.version == "1.6" and order.power_kw != 0.0:
            # the platform knows a new transaction a moment before the station has learned its number
            await session.pause(ANSWER_FIRST_S)
        return await session.steering.set_power(order, evse, await self._record(session))

    async def set_safe_profile(self, profile: SafeProfile) -> CommandResult:
        """Leaves a profile at the station that holds when the server is silent."""
        session = self._sessions.get(profile.station_id)
        if session is None:
            return self._offline()
        return await session.steering.set_safe_profile(profile, await self._record(session))

    async def composite(self, evse: EvseKey) -> Composite | None:
        """Asks the station what it holds to now; ``None`` where it cannot say."""
        session = self._sessions.get(evse.station_id)
        if session is None:
            return None
        known = (await self._record(session)).evse(evse.evse_id)
        return None if known is None else await session.steering.composite(known)

    async def start(self, evse: EvseKey, id_token: str) -> CommandResult:
        """Asks the station to start a transaction."""
        now = self._clock.now()
        return await self._ask(evse.station_id, lambda version: remote_start(version, evse, id_token, now))

    async def stop(self, station_id: str, transaction_id: str) -> CommandResult:
        """Asks the station to end a transaction."""
        return await self._ask(station_id, lambda version: remote_stop(version, transaction_id))

    async def command(self, station_id: str, command: StationCommand) -> CommandResult:
        """Asks the station for what a person wants of it, in its own protocol version."""
        return await self._ask(station_id, lambda version: requested(version, command, self._clock.now()))

    async def call(self, station_id: str, action: str, payload: Mapping[str, object]) -> Mapping[str, object]:
        """Sends any request of the station's protocol version; for administration.

        Raises:
            GatewayError: where the station is offline, did not answer, or answered with an error, or where the request
                may not be sent to it.
        """
        session = self._sessions.get(station_id)
        if session is None:
            msg = f"{station_id} is not connected"
            raise GatewayError(msg)
        await self._record(session)
        content = checked(session.talk, action, payload)
        try:
            return await session.talk.link.call(action, content)
        except CallError as error:
            msg = f"{station_id} answered {action} with {error}"
            raise GatewayError(msg) from error

    async def rotate_certificate(self, station_id: str) -> Mapping[str, object]:
        """Asks the station for a SignCertificate, upon which the issuer's certificate is sent to it.

        Raises:
            GatewayError: as :meth:`call`.
        """
        session = self._sessions.get(station_id)
        version: Version = "2.1" if session is None else session.talk.version
        return await self.call(station_id, *rotation(version))

    async def signal(self, station_id: str, signal: int) -> Mapping[str, object]:
        """Sends an aFRR signal (2.1); the stations turn it into power by the curve of their profile.

        Raises:
            GatewayError: as :meth:`call`.
        """
        return await self.call(station_id, "AFRRSignal", {"timestamp": stamp(self._clock.now()), "signal": signal})

    async def _ask(self, station_id: str, build: Callable[[Version], tuple[str, dict[str, Any]]]) -> CommandResult:
        session = self._sessions.get(station_id)
        if session is None:
            return self._offline()
        try:
            action, payload = build(session.talk.version)
            checked(session.talk, action, payload)
            answer = await session.talk.link.call(action, payload, priority=ORDER)
        except (GatewayError, CallError) as error:
            word = "timeout" if isinstance(error, NoAnswer) else "refused"
            return self._not_done(word, str(error))
        status, done = answered(action, answer)
        return CommandResult(done, status, math.nan, self._clock.now())

    def _offline(self) -> CommandResult:
        return self._not_done("offline", "the station is not connected")

    def _not_done(self, word: str, detail: str) -> CommandResult:
        return CommandResult(accepted=False, status=word, commanded_kw=math.nan, at=self._clock.now(), detail=detail)

    async def _record(self, session: Session) -> StationRecord:
        """The station's record as it is now: an operator may have changed how it discharges."""
        if time.monotonic() - session.read_at > RECORD_S:
            try:
                found = await self._registry.station(session.talk.station_id)
            except StoreError:  # limits hold while the store is down, by what was known
                return session.talk.record
            session.read_at = time.monotonic()
            session.talk.record = found if found is not None else session.talk.record
        return session.talk.record

    async def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        if self._closing:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "closing\n")
        tls = connection.transport.get_extra_info("ssl_object")
        address = connection.remote_address
        proxied, forwarded = self._options.behind_tls_proxy, request.headers.get_all("X-Forwarded-For")
        remote = remote_of(str(address[0]) if address else "", forwarded, behind_proxy=proxied)
        peer = Peer(remote, tls is not None, (tls.getpeercert() or {}) if tls else {})
        headers = request.headers.get_all("Authorization")
        try:
            given = headers[0] if len(headers) == 1 else None
            record = await admit(
                request.path,
                given,
                peer,
                self._registry,
                self._guesses,
                behind_proxy=proxied,
                sites=self._options.sites,
            )
        except Denied as denied:
            self.counters["connections_denied"] += 1
            _log.warning("connection denied", extra={"path": request.path[:300], "why": denied.text})
            response = connection.respond(denied.status, denied.text + "\n")
            if denied.status == HTTPStatus.UNAUTHORIZED:
                response.headers["WWW-Authenticate"] = 'Basic realm="ocpp", charset="UTF-8"'
            return response
        except StoreError:
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "try again later\n")
        self._admitted[connection] = self.admitted(record, peer.certificate)
        return None

    async def _connected(self, connection: ServerConnection) -> None:
        version = PROTOCOLS.get(connection.subprotocol or "")
        if version is None:  # the standard: complete the handshake without a protocol, then close
            await connection.close(NO_PROTOCOL, "no common OCPP version")
            return
        record = self._admitted.pop(connection)
        session = self._session(connection, record, version)
        old_session, old = self._sessions.get(record.station_id), self._sockets.get(record.station_id)
        self._sessions[record.station_id], self._sockets[record.station_id] = session, connection
        if old is not None and old_session is not None:
            self.counters["connections_replaced"] += 1
            old_session.close("the station connected anew")
            session.start(old.close(REPLACED, "replaced by a newer connection"))
        try:
            await self._say(session, connection, connected=True)
            if session.talk.accepted:
                session.start(session.learn())
            await self._read(connection, session)
        except ConnectionClosed:
            pass
        finally:
            session.close("the connection is gone")
            await session.settle()
            if self._sessions.get(record.station_id) is session:
                del self._sessions[record.station_id], self._sockets[record.station_id]
                await self._say(session, connection, connected=False)

    def _session(self, connection: ServerConnection, record: StationRecord, version: Version) -> Session:
        async def ask(data: bytes) -> None:
            try:
                await connection.send(data, text=True)
            except ConnectionClosed as error:
                msg = "the connection is gone"
                raise GatewayError(msg) from error

        async def answer(data: bytes) -> None:
            with contextlib.suppress(ConnectionClosed):  # the station comes back and asks again
                await connection.send(data, text=True)

        talk = Talk(
            version=version,
            record=record,
            secure=self._options.behind_tls_proxy or connection.transport.get_extra_info("ssl_object") is not None,
            link=Link(version, ask, self._options.call_timeout_s),
            intake=self._intake,
            registry=self._registry,
            clock=self._clock,
            options=self._options,
            accepted=record.accepted_at is not None,
        )
        return Session(talk, answer, self._count)

    def _count(self, name: str) -> None:
        self.counters[name] += 1

    async def _read(self, connection: ServerConnection, session: Session) -> None:
        pace = Pace(self._options.messages_per_s, self._options.message_burst)
        while True:
            raw = await connection.recv(decode=False)
            self.heard(session.talk.station_id, self._clock.now())
            await session.on_message(raw)
            delay = pace.wait_s(time.monotonic())
            if delay > 0.0:
                self.counters["messages_slowed"] += 1
                await asyncio.sleep(delay)

    async def _say(self, session: Session, connection: ServerConnection, *, connected: bool) -> None:
        """Tells the live site of the connection; a store that is down does not cost the station its connection."""
        now, address = self._clock.now(), connection.remote_address
        event = ConnectionChanged(
            station_id=session.talk.station_id,
            at=now,
            received_at=now,
            connected=connected,
            protocol=f"ocpp{session.talk.version}",
            remote=str(address[0]) if address else "",
        )
        try:
            await self._intake.receive(event)
        except StoreError:
            self.counters["store_failures"] += 1

    async def _watch(self) -> None:
        """Takes back dynamic profiles whose orders ended."""
        while True:
            await self._clock.sleep(WATCH_S)
            now = self._clock.now()
            for session in list(self._sessions.values()):
                if session.steering.overdue(now):
                    session.start(session.steering.expire())


def _select(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:  # noqa: ARG001
    """The newest protocol that both speak."""
    return next((Subprotocol(name) for name in PROTOCOLS if name in offered), None)
