"""The live system as a whole: what is made in which order, and how it stops."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from bothways.adapters.clocks import SystemClock
from bothways.adapters.db.store import SqlStore, open_store
from bothways.adapters.http.application import build_application
from bothways.adapters.ocpp.admission import server_context
from bothways.adapters.ocpp.issuer import OwnAuthority
from bothways.adapters.ocpp.options import GatewayOptions
from bothways.adapters.ocpp.server import OcppGateway
from bothways.adapters.trust.passwords import Argon2Hasher, TimeCodes
from bothways.app.live.batteries import battery_kinds
from bothways.app.live.config import Config, SitePart
from bothways.app.live.consent import StatedConsent
from bothways.app.live.island import Islands
from bothways.app.live.metrics import live_registry
from bothways.app.live.register import StoredRegister
from bothways.app.live.roles import ALL, Role
from bothways.app.live.signing_in import keys_of, seal_all, ways_to_sign_in
from bothways.app.live.supervision import supervision
from bothways.app.live.upkeep import Upkeep
from bothways.app.live.web import WebServer
from bothways.domain.errors import InputError, Problem
from bothways.operations.access.accounts import Access, PasswordHasher
from bothways.operations.desk.desk import Desk
from bothways.operations.desk.driver.guests import Guests
from bothways.operations.desk.driver.queues import Queues
from bothways.operations.desk.parts import SiteControl
from bothways.operations.events import StationEvent
from bothways.operations.intake import EveryToken, ListedTokens, SiteIntake, TokenList
from bothways.operations.ports import ChargerGateway, Clock, MeterSource, SignalSource, Switchgear
from bothways.operations.site.loop import SiteLoop
from bothways.operations.site.memory import SiteMemory
from bothways.operations.site.settings import LoopOptions, SiteSettings

if TYPE_CHECKING:
    from bothways.app.live.wide import Wide

_log = structlog.get_logger("bothways.live")


@dataclass(frozen=True, slots=True)
class Parts:
    """What a deployment brings besides its configuration; tests and demonstrations bring simulated parts.

    Attributes:
        clock: time.
        meters: the meter of each site that has one.
        signals: the prices of each site that has a source.
        settings: settings of a site where its tariff was read already.
        loop: how the loops behave in time.
        gateway: settings of the gateway; the configuration's TLS is added.
        hasher: of people's passwords.
        people_clock: by which people's sessions and waiting times run; ``None`` for ``clock``.
        gears: the switchgear of sites that can be islands, where it is not the configured one.
        screens: whether to serve the screens beside the API; a process can do so once.
    """

    clock: Clock = field(default_factory=SystemClock)
    meters: Mapping[str, MeterSource] = field(default_factory=dict)
    signals: Mapping[str, SignalSource] = field(default_factory=dict)
    settings: Mapping[str, SiteSettings] = field(default_factory=dict)
    gears: Mapping[str, Switchgear] = field(default_factory=dict)
    loop: LoopOptions = field(default_factory=LoopOptions)
    gateway: GatewayOptions = field(default_factory=GatewayOptions)
    hasher: PasswordHasher = field(default_factory=Argon2Hasher)
    people_clock: Clock | None = None
    screens: bool = False


class LiveServer:
    """A running system: a store, a gateway, one loop per site, and the web application."""

    def __init__(self, config: Config, parts: Parts, store: SqlStore, roles: frozenset[Role] = ALL) -> None:
        self.config, self.parts, self.store, self.roles = config, parts, store, roles
        self.register = StoredRegister(store)
        self.intake = SiteIntake(store, store, tokens=tokens_of(config), failed=_listener_failed)
        options = gateway_options(config, parts.gateway, StatedConsent(store, parts.clock))
        options = replace(options, issuer=issuer_of(config, store, parts.clock) or options.issuer)
        self.gateway = OcppGateway(self.intake, store, parts.clock, options)
        self.loops: dict[str, SiteLoop] = {}
        self.wide = self._wide() if config.bus.url else None
        sites: Mapping[str, SiteControl] = self.loops
        if self.wide is None:
            self.loops |= {site.id: self.new_loop(site.id) for site in config.site}
            self.intake.listen(self._tell_sites)
        else:
            sites = self.wide.sites
        self.keys = keys_of(config)
        self.access = Access(store, parts.hasher, TimeCodes(self.keys), parts.people_clock or parts.clock)
        reach = self.gateway if self.wide is None else self.wide.gateway
        self.desk = Desk(sites, store, store, reach, parts.clock)
        self.guests, self.queues = Guests(self.desk), Queues(self.desk)
        self.islands = Islands(self)
        application = build_application(
            self.access,
            self.desk,
            self.lacking,
            live_registry(self),
            secure_cookies=config.server.behind_proxy or config.server.web_tls,
            answers=store,
            services=(self.islands.desk, self.guests, self.queues, *ways_to_sign_in(self.access, store, config)),
            public_url=config.server.public_url,
        )
        if Role.WEB not in roles:
            application = supervision(self.access, self.lacking, live_registry(self))
        elif parts.screens:
            from bothways.adapters.web.screens import add_screens  # noqa: PLC0415 - heavy, and not always installed

            add_screens(application, self.access, self.desk)
        self.web = WebServer(application, config.server)
        self.upkeep = Upkeep(self)
        self.port = self.web_port = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._started = False

    def _tell_sites(self, event: StationEvent) -> None:
        for loop in self.loops.values():
            loop.on_event(event)

    def _wide(self) -> Wide:
        try:
            from bothways.app.live.wide import Wide  # noqa: PLC0415 - of an extra
        except ImportError as error:
            remedy = 'Install it: pip install "bothways[bus]".'
            raise InputError([Problem("bus.url", "no NATS client", f"an installed {error.name}", remedy)]) from error
        return Wide(self)

    def settings_of(self, site_id: str) -> SiteSettings:
        """What is fixed about a configured site."""
        site = next(item for item in self.config.site if item.id == site_id)
        return self.parts.settings.get(site_id) or site_settings(site)

    def new_loop(
        self, site_id: str, gateway: ChargerGateway | None = None, memory: SiteMemory | None = None
    ) -> SiteLoop:
        """A loop for a site, not yet running.

        Args:
            site_id: the site.
            gateway: to its stations; this process's own by default.
            memory: what survives a restart; the store by default.
        """
        parts = self.parts
        site = next(item for item in self.config.site if item.id == site_id)
        options = parts.loop
        if site.ramp_kw_per_min is not None:
            options = replace(options, ramp_kw_per_min=site.ramp_kw_per_min)
        return SiteLoop(
            self.settings_of(site_id), self.store, self.store, gateway or self.gateway, parts.meters.get(site_id),
            parts.signals.get(site_id), parts.clock, options, register=self.register, memory=memory,
        )  # fmt: skip

    async def start(self) -> None:
        """Starts everything; returns when stations and people can connect.

        Raises:
            InputError: an address that cannot be used, or TLS files that cannot be read.
        """
        server = self.config.server
        await self.register.refresh()
        if Role.WEB in self.roles:
            await seal_all(self.store, self.keys)
        if Role.GATEWAY in self.roles:
            await self._listen()
        self.web_port = await self.web.start()
        self._tasks = [*self.upkeep.begin(), *self.islands.begin()]
        if self.wide is not None:
            self._tasks.extend(await self.wide.start())
        self._started = True
        stations, web = f"{server.host}:{self.port}", f"{server.web_host}:{self.web_port}"
        _log.info("serving", roles=sorted(self.roles), stations=stations, web=web)

    async def _listen(self) -> None:
        server, tls = self.config.server, tls_context(self.config)
        try:
            self.port = await self.gateway.listen(server.host, server.port, tls)
        except OSError as error:
            remedy = "Choose another port or address, or stop what uses it."
            where, allowed = f"{server.host}:{server.port}", f"a free address of this machine ({error.strerror})"
            raise InputError([Problem("server.port", where, allowed, remedy)]) from error

    async def stop(self, grace_s: float = 10.0) -> None:
        """Stops in the order that loses nothing: loops, stations, people, store."""
        self.islands.close()
        for loop in self.loops.values():
            loop.close()
        if self.wide is not None:
            await self.wide.stop_leading()
        for name, work in (("stations", self.gateway.close(grace_s)), ("people", self.web.stop())):
            try:
                await work
            except Exception as error:  # noqa: BLE001 - the rest is stopped all the same
                _log.error("stopping failed", what=name, error=repr(error))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.wide is not None:
            await self.wide.close()
        await self.store.close()
        _log.info("stopped")

    def lacking(self) -> Sequence[str]:
        """What is missing until the system can do its work, in words."""
        lacks = [] if self._started else ["starting"]
        state = self.store.state()
        if state.error:
            lacks.append(f"the store takes nothing: {state.error}")
        if self.gateway.broken:
            lacks.append("the gateway no longer watches its connections")
        lacks.extend(self.upkeep.lacking())
        if self.wide is not None:
            lacks.extend(self.wide.lacking())
        lacks.extend(f"{task.get_name()} ended" for task in self._tasks if task.done())
        return lacks


def screens_installed() -> bool:
    """Whether the library that the screens are built with is there."""
    return find_spec("nicegui") is not None


def _listener_failed(event: StationEvent, error: Exception) -> None:
    _log.error("an event was stored, but the site could not take it in", station=event.station_id, error=repr(error))


def tokens_of(config: Config) -> TokenList:
    """Who may charge, by the configuration."""
    access = config.tokens
    if access.accept_any:
        return EveryToken()
    listed = dict.fromkeys(access.accepted, "Accepted") | dict.fromkeys(access.blocked, "Blocked")
    return ListedTokens(listed)


def gateway_options(config: Config, base: GatewayOptions, consent: StatedConsent) -> GatewayOptions:
    """The gateway's settings under a configuration."""
    sites = frozenset(site.id for site in config.site)
    return replace(base, behind_tls_proxy=config.server.behind_proxy, consent=consent, sites=sites)


def issuer_of(config: Config, store: SqlStore, clock: Clock) -> OwnAuthority | None:
    """The authority that signs stations' certificates, ``None`` where none is configured.

    Raises:
        InputError: files that cannot be read or do not belong together.
    """
    server = config.server
    if server.issuer_certificate is None or server.issuer_key is None:
        return None
    try:
        return OwnAuthority.from_files(Path(server.issuer_certificate), Path(server.issuer_key), store, clock)
    except (OSError, ValueError, TypeError) as error:
        remedy = "Give PEM files that belong together, the key without a password, and that this user may read."
        allowed = f"readable PEM files ({type(error).__name__})"
        raise InputError([Problem("server.issuer_certificate", server.issuer_certificate, allowed, remedy)]) from error


def tls_context(config: Config) -> ssl.SSLContext | None:
    """TLS for stations, ``None`` where none is configured.

    Raises:
        InputError: files that cannot be read or do not belong together.
    """
    server = config.server
    if server.tls_certificate is None or server.tls_key is None:
        return None
    try:
        return server_context(server.tls_certificate, server.tls_key, server.client_ca)
    except (OSError, ssl.SSLError) as error:
        remedy = "Give PEM files that belong together and that this user may read."
        problem = Problem("server.tls_certificate", server.tls_certificate, f"readable PEM files ({error})", remedy)
        raise InputError([problem]) from error


def site_settings(site: SitePart, folder: Path | None = None) -> SiteSettings:
    """The loop's settings of a configured site, without its tariff file.

    Args:
        site: as configured.
        folder: where records of batteries are sought.

    Raises:
        InputError: records that cannot be used.
    """
    vehicle = site.vehicle
    return SiteSettings(
        site_id=site.id,
        tz=site.tz,
        import_hard_limit_kw=site.import_hard_limit_kw,
        import_limit_kw=site.import_limit_kw,
        import_limit_penalty_per_kwh=site.import_limit_penalty_per_kwh,
        export_limit_kw=site.export_limit_kw,
        phase_limit_kw=site.phase_limit_kw,
        assumed_load_kw=site.assumed_load_kw,
        safe_charge_kw=site.safe_charge_kw,
        wear_per_kwh=site.wear_per_kwh,
        resting_per_kwh_h=site.resting_per_kwh_h,
        batteries=battery_kinds(site.battery, vehicle.discharge_efficiency, folder),
        vehicle=vehicle.assumption(),
        emergency_contact=site.emergency_contact,
        currency=site.currency,
    )


async def open_live(config: Config, parts: Parts, roles: frozenset[Role] = ALL) -> LiveServer:
    """Opens the store and builds the system on it; :meth:`LiveServer.start` brings it to life.

    Raises:
        InputError: a store address that cannot be used.
        StoreError: a database that cannot be reached.
    """
    store = await open_store(config.store.url)
    try:
        return LiveServer(config, parts, store, roles)
    except BaseException:
        await store.close()
        raise
