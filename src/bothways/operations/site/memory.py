"""What a site's loop must remember over a restart, and the port through which it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from bothways.operations.events import EvseKey
from bothways.operations.ports import Clock, Latch


class SiteMemory(Protocol):
    """Durable values of one site's loop by key, JSON-like; the latest one counts."""

    async def recall(self, site_id: str) -> Mapping[str, object]:
        """Everything remembered of the site, by key."""
        ...

    async def remember(self, site_id: str, key: str, value: Mapping[str, object]) -> None:
        """Keeps a value; returns when it is durable.

        Raises:
            StoreError: it could not be kept.
        """
        ...


class Forgetful:
    """A memory that lasts as long as the process: for replays, where nothing is to be kept."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, object]] = {}

    async def recall(self, site_id: str) -> Mapping[str, object]:
        """What was remembered since the process began."""
        return dict(self.values.get(site_id, {}))

    async def remember(self, site_id: str, key: str, value: Mapping[str, object]) -> None:
        """Keeps the value in memory."""
        self.values.setdefault(site_id, {})[key] = dict(value)


@runtime_checkable
class LearningStore(Protocol):
    """A store that keeps learnt values by EVSE, vehicle and name."""

    async def learn(self, evse: EvseKey, vehicle: str, name: str, value: object, at: datetime) -> None:
        """Remembers a value; a later one replaces it."""
        ...

    async def learned(self, evse: EvseKey, vehicle: str) -> Mapping[str, object]:
        """What was learnt, by name."""
        ...


@runtime_checkable
class LatchingStore(Protocol):
    """A store that keeps emergency stops for every process to see."""

    async def latch(self, latch: Latch) -> None:
        """Keeps a stop; the first cause stays."""
        ...

    async def release(self, scope: str, at: datetime, who: str) -> None:
        """Ends it."""
        ...

    async def latches(self) -> Sequence[Latch]:
        """Stops in force."""
        ...


class StoreMemory:
    """The site's memory in the store: learnt values of the site as a whole (EVSE 0, no vehicle)."""

    def __init__(self, store: LearningStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def recall(self, site_id: str) -> Mapping[str, object]:
        """Everything remembered of the site, by key."""
        return await self._store.learned(EvseKey(site_id, 0), "")

    async def remember(self, site_id: str, key: str, value: Mapping[str, object]) -> None:
        """Keeps a value."""
        await self._store.learn(EvseKey(site_id, 0), "", key, dict(value), self._clock.now())
