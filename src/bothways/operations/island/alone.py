"""What devices are left with, so that an island is safe when the server is lost; said again while it is there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from bothways.operations.events import EvseKey
from bothways.operations.island.sending import Dispatcher
from bothways.operations.site.state import EvseState
from bothways.resilience.island.local_mode import GIVES_UP, LocalMode, kept_alone, local_modes, may_go_on
from bothways.resilience.island.signals import Inputs
from bothways.resilience.island.site import IslandSite, SourceKind
from bothways.resilience.island.state import IslandState

_SHORTER = timedelta(seconds=5)
_RENEWALS = 12.0


class LeftAlone:
    """Keeps devices told what to do without orders; stations' safe profiles are renewed by the hand-over.

    Args:
        dispatcher: the way to the devices.

    Attributes:
        modes: what each source does without orders, as of the latest step.
        keep: sections that stay on without orders; ``None`` where all stay as they are.
        watched: whether the switchgear drops the others by itself; ``None`` while it has not answered.
    """

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._held: dict[str, tuple[datetime, datetime]] = {}
        self._watched_at: datetime | None = None
        self._watch: frozenset[str] | None = None
        self._disarmed = False
        self.modes: tuple[LocalMode, ...] = ()
        self.keep: frozenset[str] | None = None
        self.watched: bool | None = None

    def tell(
        self, state: IslandState, inputs: Inputs, site: IslandSite, evses: Mapping[EvseKey, EvseState], now: datetime,
        safe_charge_kw: float,
    ) -> None:  # fmt: skip
        """Says again what was not said lately, or is different now.

        Args:
            state: what the step decided.
            inputs: what it saw.
            site: the building.
            evses: the EVSEs, with their transactions.
            now: the instant.
            safe_charge_kw: what a charger may charge with on the grid when it hears nothing [kW].
        """
        self.modes = local_modes(state, inputs, site, safe_charge_kw)
        self.keep = kept_alone(state, inputs, site)
        for k, mode in enumerate(self.modes):
            if site.sources[k].kind is not SourceKind.V2X:
                continue
            if not mode.keep_forming:
                self._held.pop(mode.source_id, None)
            elif may_go_on(k, state, inputs, site):
                self._prolong(mode, evses, now, site)
        self._arm(site, now)

    def _prolong(self, mode: LocalMode, evses: Mapping[EvseKey, EvseState], now: datetime, site: IslandSite) -> None:
        """A charger that holds the island: its time moves on as long as somebody watches its energy."""
        until = now + timedelta(seconds=mode.holds_s)
        told_at, told = self._held.get(mode.source_id, (datetime.min.replace(tzinfo=now.tzinfo), until))
        if until >= told - _SHORTER and now - told_at < timedelta(seconds=site.timing.lease_s):
            return
        self._held[mode.source_id] = (now, until)
        self._dispatcher.prolong(mode.source_id, evses, mode.holds_s)

    def _arm(self, site: IslandSite, now: datetime) -> None:
        """The switchgear's watchdog: armed in an island, ended elsewhere; an end that was not heard is said again."""
        if self.watched is False:
            return
        age = timedelta.max if self._watched_at is None else now - self._watched_at
        if self.keep is None:
            if not self._disarmed and age >= timedelta(seconds=site.timing.interval_s):
                self._watched_at = now
                self._dispatcher.watch(0.0, frozenset(), self._ended)
            return
        self._disarmed = False
        if self.keep != self._watch or age >= timedelta(seconds=site.timing.lease_s / _RENEWALS):
            self._watched_at, self._watch = now, self.keep
            self._dispatcher.watch(GIVES_UP * site.timing.lease_s, self.keep, self._armed)

    def _armed(self, watched: bool) -> None:
        self.watched = watched

    def _ended(self, watched: bool) -> None:
        self.watched, self._disarmed = watched, True
