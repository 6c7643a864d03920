"""What the use cases of people stand on: the running sites, the store, the stations, the time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from bothways.operations.overrides import Override
from bothways.operations.ports import ChargerGateway, Clock, SiteReading, StationRegistry, Store
from bothways.operations.site.settings import SiteSettings
from bothways.operations.site.summary import Snapshot
from bothways.operations.stations import DriverNeed


class SiteControl(Protocol):
    """A running site, as far as people can reach it."""

    @property
    def site(self) -> SiteSettings:
        """What is fixed about the site."""
        ...

    @property
    def reading(self) -> SiteReading | None:
        """The latest reading of the site's meter."""
        ...

    def snapshot(self) -> Snapshot:
        """The site now."""
        ...

    async def set_need(self, need: DriverNeed) -> None:
        """A driver says how much by when."""
        ...

    async def forget(self, holder: str) -> None:
        """Lets go of what was said and learnt of a holder whose data are erased."""
        ...

    async def emergency_stop(self, reason: str, who: str) -> object:
        """Stops all transfer and stays latched."""
        ...

    async def release(self, reason: str, who: str) -> object:
        """Ends a latched stop."""
        ...

    @property
    def overrides(self) -> tuple[Override, ...]:
        """What people have decided for a while, also what has just ended."""
        ...

    async def change_overrides(self, overrides: tuple[Override, ...]) -> None:
        """Replaces what people have decided for a while, durably."""
        ...

    async def change_limits(self, **changes: float) -> None:
        """Changes limits in force, durably."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What the use cases stand on; further ones are modules beside this one that take the desk."""

    sites: Mapping[str, SiteControl]
    store: Store
    registry: StationRegistry
    gateway: ChargerGateway
    clock: Clock
