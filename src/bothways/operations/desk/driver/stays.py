"""A stay as its driver sees it: whether the wish can be met, what is the best possible and why, and leaving now."""

from __future__ import annotations

from bothways.operations.access.roles import Action, Actor
from bothways.operations.desk.desk import Desk, Unknown
from bothways.operations.desk.driver.reach import Outlook, outlook
from bothways.operations.orders import CommandResult
from bothways.operations.site.state import EvseState
from bothways.operations.site.summary import Snapshot


class Stays:
    """The use cases.

    Args:
        desk: sites, store and time.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk, self._parts = desk, desk.parts

    def outlook(self, actor: Actor, holder: str) -> Outlook | None:
        """What can be reached by the stated departure; ``None`` where the holder is nowhere, or stated none."""
        found = self._find(actor, holder)
        return None if found is None else outlook(found[1], found[0])

    async def leave(self, actor: Actor, holder: str) -> CommandResult:
        """Ends the transaction at once, so that the cable comes off.

        Raises:
            Unknown: the holder is not plugged in, or there is nothing to end.
            NotAllowed: the holder is somebody else's.
        """
        await self._desk.may_speak_for(actor, holder, Action.NEED_SET)
        found = self._find(actor, holder)
        if found is None or found[1].session is None or not found[1].session.transaction_id:
            msg = f"{holder} is not charging anywhere"
            raise Unknown(msg)
        state = found[1]
        session = state.session
        assert session is not None  # noqa: S101 - said above, told to the type checker
        result = await self._parts.gateway.stop(state.key.station_id, session.transaction_id)
        place = f"{state.key.station_id}/{state.key.evse_id}"
        detail: dict[str, object] = {"who": actor.name, "transaction": session.transaction_id, "answer": result.status}
        await self._parts.store.note("driver leaves", place, self._parts.clock.now(), detail)
        return result

    def _find(self, actor: Actor, holder: str) -> tuple[Snapshot, EvseState] | None:
        at = self._desk.where(actor, holder)
        if at is None:
            return None
        site_id, evse = at
        snapshot = self._parts.sites[site_id].snapshot()
        for state in () if snapshot.image is None else snapshot.image.evses:
            if state.key == (evse.station_id, evse.evse_id):
                return snapshot, state
        return None
