"""The island controller's memory over a restart: durable before a command leaves, but never a reason to wait long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime, timedelta
from typing import Any

from bothways.domain.errors import BothwaysError
from bothways.operations.site.memory import SiteMemory
from bothways.resilience.island.site import IslandSite
from bothways.resilience.island.state import IslandState, Phase, to_mapping

KEY, DRIVERS = "island", "island-drivers"
_SAVE = timedelta(seconds=60)
_KEEP_S = 1.0
_TIMES = ("t_s", "good_s", "lost_s", "phase_s", "outage_s", "switched_s", "shed_s")
_LATCHED = ("estop", "tripped", "aside")


class Keeper:
    """Keeps the state of one site.

    Args:
        memory: where.
        site_id: which.
        failed: told why it could not be kept.
        beside: runs what nobody waits for.
    """

    def __init__(
        self, memory: SiteMemory, site_id: str, failed: Callable[[str], None],
        beside: Callable[[Coroutine[Any, Any, object]], None],
    ) -> None:  # fmt: skip
        self._memory, self._site_id, self._failed, self._beside = memory, site_id, failed, beside
        self._facts: dict[str, object] | None = None
        self._saved_at: datetime | None = None
        self._dirty = self._trying = False

    async def recall(self) -> Mapping[str, object]:
        """What was kept, by key."""
        return await self._memory.recall(self._site_id)

    async def drivers(self, values: Mapping[str, object]) -> None:
        """Makes what drivers said durable.

        Raises:
            StoreError: it could not be kept.
        """
        await self._memory.remember(self._site_id, DRIVERS, values)

    async def keep(self, state: IslandState, site: IslandSite, now: datetime) -> None:
        """Keeps the state where something changed that matters after a restart, or away from the grid once a minute.

        A store that did not answer the last time is asked again, and nobody waits for it.
        """
        facts = _facts(state, site)
        due = self._saved_at is None or now - self._saved_at >= _SAVE
        if facts == self._facts and not self._dirty and not (due and state.phase is not Phase.GRID_CONNECTED):
            return
        self._facts = facts
        if not self._dirty:
            await self.save(state, site, now)
        elif not self._trying:
            self._trying = True
            self._beside(self.save(state, site, now))

    async def save(self, state: IslandState, site: IslandSite, now: datetime) -> None:
        """Keeps the state as it is."""
        try:
            async with asyncio.timeout(_KEEP_S):
                await self._memory.remember(self._site_id, KEY, to_mapping(state, site))
        except (BothwaysError, OSError, TimeoutError) as error:
            self._dirty = True
            self._failed(f"the memory cannot be kept: {str(error) or type(error).__name__}")
        else:
            self._dirty, self._saved_at = False, now
        finally:
            self._trying = False


def _facts(state: IslandState, site: IslandSite) -> dict[str, object]:
    """What matters after a restart; times that only pass are left out."""
    kept = to_mapping(state, site)
    latch = kept["latch"]
    facts: dict[str, object] = {name: value for name, value in kept.items() if name not in {*_TIMES, "latch"}}
    return facts | {name: latch[name] for name in _LATCHED}
