"""What one site's loop holds, and what it does beside the tick: reading the store again, saving, noting."""

from __future__ import annotations

import asyncio
from datetime import datetime

from bothways.domain.errors import BothwaysError
from bothways.domain.timegrid import zone
from bothways.operations.events import EvseKey
from bothways.operations.orders import CommandResult, PowerOrder
from bothways.operations.overrides import Override
from bothways.operations.ports import (
    ChargerGateway,
    Clock,
    Latch,
    MeterSource,
    SignalSource,
    SiteReading,
    StationRegistry,
    Store,
)
from bothways.operations.site import emergency, opening
from bothways.operations.site.alarms import Alarm, Alarms
from bothways.operations.site.book import Outlet, SiteBook
from bothways.operations.site.comparing import Comparer
from bothways.operations.site.composites import CompositeRounds
from bothways.operations.site.control import Tick, TickState
from bothways.operations.site.estimate import Learned
from bothways.operations.site.gaps import EVERY_S, gaps
from bothways.operations.site.gate import CompatibilityRegister, ListedPairs
from bothways.operations.site.history import StepHistory
from bothways.operations.site.memory import Forgetful, LatchingStore, LearningStore, SiteMemory, StoreMemory
from bothways.operations.site.planner import CostModel, Forecaster, TariffCosts
from bothways.operations.site.planning_desk import PlanningDesk
from bothways.operations.site.returned import count_returned
from bothways.operations.site.sending import Orders
from bothways.operations.site.settings import LoopOptions, SiteSettings
from bothways.operations.site.signals import PriceBoard
from bothways.operations.site.standing import with_wishes
from bothways.operations.site.state import Image, SiteLimits
from bothways.operations.site.summary import Quote, TickSummary, Totals
from bothways.operations.stations import DriverNeed, GridPermission


class LoopState:
    """State of :class:`~bothways.operations.site.loop.SiteLoop`, where the arguments are explained."""

    def __init__(
        self, site: SiteSettings, registry: StationRegistry, store: Store, gateway: ChargerGateway,
        meter: MeterSource | None, signals: SignalSource | None, clock: Clock, options: LoopOptions | None = None, *,
        memory: SiteMemory | None = None, register: CompatibilityRegister | None = None,
        forecast: Forecaster | None = None, costs: CostModel | None = None,
    ) -> None:  # fmt: skip
        self.site, self.options = site, options or LoopOptions()
        self._registry, self._store, self._gateway, self._clock = registry, store, gateway, clock
        self._meter, self._forecast = meter, forecast
        self._costs = costs or TariffCosts(site.tariff)
        self._register = register or ListedPairs({})
        if memory is None:
            memory = StoreMemory(store, clock) if isinstance(store, LearningStore) else Forgetful()
        self._memory = memory
        self._tz = zone(site.tz)
        self._book = SiteBook(site.site_id)
        self._desk = PlanningDesk(self.options)
        self._orders = Orders(gateway, clock, self.options, self._answered)
        self._prices = PriceBoard(signals, self.options, site.tz)
        self._alarms = Alarms(self._alarm_changed)
        self._comparer = Comparer(self._alarms)
        self._composites = CompositeRounds(gateway, self.options.settle_s, self.options.tick_s)
        self._learned, self._history = Learned(), StepHistory(self.options.step_s)
        self._needs: dict[str, DriverNeed] = {}
        self._permission = GridPermission(site.site_id)
        self._limits = SiteLimits(
            import_hard_kw=site.import_hard_limit_kw, import_kw=site.import_limit_kw,
            import_penalty_per_kwh=site.import_limit_penalty_per_kwh, export_kw=site.export_limit_kw,
            phase_kw=site.phase_limit_kw,
        )  # fmt: skip
        self._reading: SiteReading | None = None
        self._heard_at = clock.now()
        self._met: set[str] = set()
        self._meeting: set[str] = set()
        self._seen_at: dict[str, datetime] = {}
        self._state = TickState()
        self._image: Image | None = None
        self._tick: Tick | None = None
        self._summary: TickSummary | None = None
        self._totals = self._totals_noted = Totals()
        self._incident: emergency.Incident | None = None
        self._stopped_again_at: datetime | None = None
        self._last: datetime | None = None
        self._read_at: datetime | None = None
        self._gaps_at: datetime | None = None
        self._saved_at: datetime | None = None
        self._dirty: set[str] = set()
        self._unread: set[EvseKey] = set()
        self._writing = asyncio.Lock()
        self._told: tuple[tuple[Image, Tick, tuple[Override, ...]], dict[EvseKey, str]] | None = None
        self._own_limits, self._changed_limits = self._limits, dict[str, float]()
        self._quote = Quote()
        self._strange: frozenset[str] = frozenset()
        self._overrides: tuple[Override, ...] = ()
        self._open = self._closing = self._looking = False
        self._away = False  # another controller commands the EVSEs

    # Beside the tick -----------------------------------------------------------------------------------------------

    async def _refresh_prices(self, now: datetime) -> None:
        if await self._prices.refresh(now):
            self._desk.news(now)

    async def _reread(self) -> None:
        """Stations, permission and needs as the store has them now."""
        try:
            self._unread |= self._book.install(await self._registry.stations(self.site.site_id))
            self._permission = await self._store.permission(self.site.site_id)
            await opening.reopen(self._book, self._store, self._clock.now(), self._unread)
            self._unread = set()
            await self._look_up(list(self._book.outlets.values()))
            await self._find_gaps()
        except (BothwaysError, OSError) as error:
            self._store_failed(error)
        else:
            self._alarms.set(False, "store-failing", self.site.site_id, self._clock.now(), "")  # noqa: FBT003

    async def _find_gaps(self) -> None:
        """Tells of events that stations never sent."""
        now = self._clock.now()
        if self._gaps_at is not None and 0.0 <= (now - self._gaps_at).total_seconds() < EVERY_S:
            return
        self._gaps_at = now
        found = await gaps(self._store, list(self._book.stations), now)
        for station in self._book.stations:
            self._alarms.set(station in found, "events-missing", station, now, found.get(station, ""))

    async def _look_up_new(self) -> None:
        """Seeks the needs of those who have just come, once for all who came together."""
        if self._looking:
            return
        self._looking = True
        try:
            while new := [item for item in self._book.outlets.values() if item.visit and not item.visit.looked_up]:
                if not await self._look_up(new):
                    return
        finally:
            self._looking = False

    async def _look_up(self, outlets: list[Outlet]) -> bool:
        """Needs of who is plugged in; a vehicle gets orders once its driver's need was sought."""
        visits = [outlet.visit for outlet in outlets if outlet.visit is not None]
        try:
            found = await opening.needs_of(outlets, self._store)
            found = await with_wishes(outlets, found, self._store, self.site, self._clock.now())
            await count_returned(outlets, self._store, self._tz, self._clock.now())
        except (BothwaysError, OSError) as error:
            self._store_failed(error)
            return False
        for holder, need in found.items():
            known = self._needs.get(holder)
            if known is None or need.stated_at > known.stated_at:
                self._needs[holder] = need
                self._desk.news(self._clock.now())
        for visit in visits:
            visit.looked_up = True
        return True

    async def _save(self) -> None:
        dirty, self._dirty = self._dirty, set()
        try:
            if "learned" in dirty:
                await self._memory.remember(self.site.site_id, "learned", self._learned.as_values())
            if "incident" in dirty:
                await self._keep_incident()
            if "limits" in dirty:
                await self._keep_limits()
            if "overrides" in dirty:
                await self._keep_overrides()
            if "history" in dirty:
                await self._memory.remember(self.site.site_id, "history", self._history.as_values())
        except (BothwaysError, OSError) as error:
            self._dirty |= dirty
            self._store_failed(error)

    async def _keep_limits(self) -> None:
        kept = {name: str(value) for name, value in self._changed_limits.items()}
        await self._memory.remember(self.site.site_id, "limits", kept)

    async def _keep_overrides(self) -> None:
        kept = [item.as_values() for item in self._overrides]
        await self._memory.remember(self.site.site_id, "overrides", {"overrides": kept})

    async def _keep_incident(self) -> None:
        """Writes it as it is now, one writer after the other: what a slow one wrote late would undo a release."""
        async with self._writing:
            incident, site = self._incident, self.site.site_id
            if incident is None:
                return
            await self._memory.remember(site, "incident", incident.as_values())
            if not isinstance(self._store, LatchingStore):
                return
            if incident.latched:
                await self._store.latch(Latch(site, incident.at, incident.reason, incident.who, incident.responsible))
            else:
                await self._store.release(site, self._clock.now(), incident.released_by)

    async def _note(self, kind: str, subject: str, detail: dict[str, object]) -> None:
        try:
            await self._store.note(kind, subject, self._clock.now(), detail)
        except (BothwaysError, OSError) as error:
            self._store_failed(error)

    def _store_failed(self, error: Exception) -> None:
        text = str(error) or type(error).__name__
        self._alarms.set(True, "store-failing", self.site.site_id, self._clock.now(), text)  # noqa: FBT003

    def _alarm_changed(self, alarm: Alarm, raised: bool) -> None:
        if alarm.kind != "store-failing":
            detail: dict[str, object] = {"kind": alarm.kind, "text": alarm.text, "since": alarm.since.isoformat()}
            self._orders.run(self._note("alarm" if raised else "alarm ended", alarm.subject, detail))

    def _answered(self, key: EvseKey, order: PowerOrder, result: CommandResult) -> None:
        self._comparer.answered(key, result)
        outlet = self._book.outlets.get(key)
        if outlet is not None and result.accepted and order.power_kw == outlet.ordered_kw:
            outlet.uncertain = False
