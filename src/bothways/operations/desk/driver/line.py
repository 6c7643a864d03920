"""The queue for shared charging points: whose turn it is, until when, and swapping. Pure.

The rule. Whoever joined first goes first. Each hour that somebody was plugged in here during the last seven days counts
as having joined ten minutes later, two hours at most. So nobody who joins more than two hours after somebody else gets
ahead of them, and between those who come at about the same time the one who had less goes first.

Whoever is called has a quarter of an hour to plug in. Who misses it goes behind all who wait then, and who misses it
twice has left. Two people may swap when both agree; nobody else's turn changes by it.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from bothways.domain.errors import DomainError

PER_HOUR_USED = timedelta(minutes=10)
MOST_LATER = timedelta(hours=2)
CALLED_FOR = timedelta(minutes=15)
SWAP_FOR = timedelta(minutes=30)
LOOKED_BACK = timedelta(days=7)
_MISSES = 2


@dataclass(frozen=True, slots=True)
class Place:
    """Somebody's place in a queue.

    Attributes:
        holder: the card.
        joined_at: when it was joined.
        order_at: what the order follows.
        hours: how long the charging point is wanted [h].
        called: the charging point that is theirs now, ``""`` while they wait.
        until: until when it is.
        agreed: whether it was given up for them by whoever is plugged in.
        missed: how often they were called and did not come.
    """

    place_id: str
    holder: str
    joined_at: datetime
    order_at: datetime
    hours: float
    called: str = ""
    until: datetime | None = None
    agreed: bool = False
    missed: int = 0


@dataclass(frozen=True, slots=True)
class Swap:
    """Somebody asks somebody to swap: another place in the queue, or whoever is plugged in (``at``)."""

    swap_id: str
    asks: str
    asked: str
    at: str = ""


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue for some charging points of a site.

    Attributes:
        evses: its charging points, ``station/evse``.
        members: cards that may join; empty for every driver of the system.
    """

    name: str
    site_id: str
    evses: tuple[str, ...]
    members: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()
    swaps: tuple[Swap, ...] = ()

    @property
    def order(self) -> list[Place]:
        """Places by whose turn comes first: those who are called, then those who wait."""
        return sorted(self.places, key=lambda item: (not item.called, item.order_at, item.joined_at))

    def of(self, holder: str) -> Place | None:
        """Somebody's place."""
        return next((item for item in self.places if item.holder == holder), None)

    def place(self, place_id: str) -> Place:
        """A place.

        Raises:
            DomainError: it has been left.
        """
        found = next((item for item in self.places if item.place_id == place_id), None)
        if found is None:
            msg = "this place in the queue is no longer there"
            raise DomainError(msg)
        return found


def order_at(joined_at: datetime, used_h: float) -> datetime:
    """What the order follows: the instant of joining, later by what was used before.

    >>> from datetime import UTC
    >>> at = datetime(2026, 5, 4, 18, 0, tzinfo=UTC)
    >>> [f"{order_at(at, hours):%H:%M}" for hours in (0.0, 3.0, 100.0)]
    ['18:00', '18:30', '20:00']
    """
    return joined_at + min(MOST_LATER, max(0.0, used_h) * PER_HOUR_USED)


def joined(queue: Queue, place_id: str, holder: str, now: datetime, used_h: float, hours: float) -> Queue:
    """With one more place.

    Raises:
        DomainError: the holder waits already, or may not join.
    """
    if queue.of(holder) is not None:
        msg = "this card waits in the queue already"
        raise DomainError(msg)
    if queue.members and holder not in queue.members:
        msg = "this card does not belong to the queue; ask whoever runs the building"
        raise DomainError(msg)
    return replace(queue, places=(*queue.places, Place(place_id, holder, now, order_at(now, used_h), hours)))


def left(queue: Queue, holder: str) -> Queue:
    """Without somebody's place, and without what was asked of or by it."""
    gone = queue.of(holder)
    if gone is None:
        return queue
    return replace(
        queue,
        places=tuple(item for item in queue.places if item.place_id != gone.place_id),
        swaps=tuple(item for item in queue.swaps if gone.place_id not in {item.asks, item.asked}),
    )


def advanced(queue: Queue, now: datetime, free: Collection[str], plugged: Mapping[str, str]) -> Queue:
    """As it stands now: who came is out, who did not come is behind, and whoever is next is called.

    Args:
        queue: as it was.
        now: the instant.
        free: charging points that nobody uses and that work.
        plugged: who is plugged in, by charging point.
    """
    promised = {item.called for item in queue.places if item.agreed and item.until is not None and item.until > now}
    for evse, holder in plugged.items():
        if evse not in promised:  # who has promised to make room keeps the turn that it was promised for
            queue = left(queue, holder)
    places = []
    for item in queue.places:
        kept = _still_called(item, now, free)
        if kept.missed < _MISSES:
            places.append(kept)
    queue = replace(queue, places=tuple(places))
    known = {item.place_id for item in places}
    asked_at = {f"{evse}|{holder}" for evse, holder in plugged.items()}
    swaps = (item for item in queue.swaps if item.asks in known and (item.asked in known or item.at in asked_at))
    queue = replace(queue, swaps=tuple(swaps))
    offered = {item.called for item in queue.places if item.called}
    waiting = [item for item in queue.order if not item.called]
    open_now = [evse for evse in queue.evses if evse in free and evse not in offered]
    for evse, item in zip(open_now, waiting, strict=False):
        queue = _with(queue, replace(item, called=evse, until=now + CALLED_FOR))
    return queue


def _still_called(item: Place, now: datetime, free: Collection[str]) -> Place:
    if not item.called or item.until is None:
        return item
    if item.until <= now:  # nobody came: behind all who wait now
        late = 0 if item.agreed and item.called not in free else 1
        order = now if late else item.order_at
        return replace(item, called="", until=None, agreed=False, order_at=order, missed=item.missed + late)
    if item.called in free:
        return item if not item.agreed else replace(item, agreed=False, until=now + CALLED_FOR)
    return item if item.agreed else replace(item, called="", until=None)


def swap_asked(queue: Queue, swap_id: str, holder: str, asked: str) -> Queue:
    """Somebody asks another place to swap.

    Raises:
        DomainError: one of them does not wait, or it was asked already.
    """
    mine, other = queue.of(holder), queue.place(asked)
    if mine is None or mine.place_id == asked or mine.called or other.called:
        msg = "only two who wait can swap"
        raise DomainError(msg)
    return _asked(queue, Swap(swap_id, mine.place_id, asked))


def release_asked(queue: Queue, swap_id: str, holder: str, evse: str, plugged: str) -> Queue:
    """Whoever is next asks whoever is plugged in to make room, and to take the next turn in exchange.

    Raises:
        DomainError: somebody else is next, or it was asked already.
    """
    mine = queue.of(holder)
    waiting = [item for item in queue.order if not item.called]
    if mine is None or not waiting or waiting[0].place_id != mine.place_id or evse not in queue.evses:
        msg = "only whoever is next in the queue can ask for room"
        raise DomainError(msg)
    return _asked(queue, Swap(swap_id, mine.place_id, "", f"{evse}|{plugged}"))


def swap_answered(queue: Queue, swap_id: str, holder: str, now: datetime, place_id: str, *, agrees: bool) -> Queue:
    """The answer of whoever was asked; turns change only when they agree.

    Raises:
        DomainError: there is no such request to this holder.
    """
    swap = next((item for item in queue.swaps if item.swap_id == swap_id), None)
    other = None if swap is None or not swap.asked else queue.place(swap.asked)
    evse, _, plugged = ("", "", "") if swap is None else swap.at.rpartition("|")
    if swap is None or holder != (other.holder if other is not None else plugged):
        msg = "nobody asks this of you any more"
        raise DomainError(msg)
    queue = replace(queue, swaps=tuple(item for item in queue.swaps if item.swap_id != swap_id))
    if not agrees:
        return queue
    mine = queue.place(swap.asks)
    if other is not None:
        return _exchanged(queue, mine, other)
    queue = _with(queue, replace(mine, called=evse, until=now + SWAP_FOR, agreed=True))
    if queue.of(holder) is None:  # in exchange: the turn that the other one had
        queue = replace(queue, places=(*queue.places, Place(place_id, holder, now, mine.order_at, mine.hours)))
    return queue


def expected(queue: Queue, now: datetime, ends: Mapping[str, datetime | None]) -> dict[str, datetime | None]:
    """When each place will have its turn, as far as that can be said.

    Args:
        queue: the queue.
        now: the instant.
        ends: when each charging point will be free, now for a free one; ``None`` where nobody knows.
    """
    called = {item.called: item for item in queue.places if item.called}
    free: list[datetime] = []
    for evse in queue.evses:
        at = ends.get(evse)
        if evse in called:
            free.append(max(now, at or now) + timedelta(hours=called[evse].hours))
        elif at is not None:
            free.append(max(now, at))
    heapq.heapify(free)
    found: dict[str, datetime | None] = {}
    for item in queue.order:
        if item.called:
            found[item.place_id] = now
        elif free:
            found[item.place_id] = heapq.heappop(free)
            heapq.heappush(free, (found[item.place_id] or now) + timedelta(hours=item.hours))
        else:
            found[item.place_id] = None
    return found


def _exchanged(queue: Queue, one: Place, two: Place) -> Queue:
    """Two people in each other's place; the places stay where they are, and so does everybody else."""
    pair = {one.place_id, two.place_id}
    swaps = tuple(item for item in queue.swaps if not pair & {item.asks, item.asked})
    queue = _with(queue, replace(one, holder=two.holder, hours=two.hours, missed=two.missed))
    queue = _with(queue, replace(two, holder=one.holder, hours=one.hours, missed=one.missed))
    return replace(queue, swaps=swaps)


def _asked(queue: Queue, swap: Swap) -> Queue:
    if any(item.asks == swap.asks for item in queue.swaps):
        msg = "you have asked somebody already; wait for the answer"
        raise DomainError(msg)
    return replace(queue, swaps=(*queue.swaps, swap))


def _with(queue: Queue, changed: Place) -> Queue:
    places = tuple(changed if item.place_id == changed.place_id else item for item in queue.places)
    return replace(queue, places=places)


def as_values(queue: Queue) -> dict[str, Any]:
    """Plain values, read back by :func:`queue_from`."""
    places = [
        {**asdict(item), "joined_at": item.joined_at.isoformat(), "order_at": item.order_at.isoformat(),
         "until": None if item.until is None else item.until.isoformat()}
        for item in queue.places
    ]  # fmt: skip
    return {
        "name": queue.name, "site_id": queue.site_id, "evses": list(queue.evses), "members": list(queue.members),
        "places": places, "swaps": [asdict(item) for item in queue.swaps],
    }  # fmt: skip


def queue_from(body: Mapping[str, Any]) -> Queue:
    """The queue that :func:`as_values` wrote."""
    return Queue(
        name=body["name"], site_id=body["site_id"], evses=tuple(body["evses"]), members=tuple(body["members"]),
        places=tuple(_place(item) for item in body["places"]), swaps=tuple(Swap(**item) for item in body["swaps"]),
    )  # fmt: skip


def _place(values: Mapping[str, Any]) -> Place:
    until = values["until"]
    return Place(
        **{
            **values,
            "joined_at": datetime.fromisoformat(values["joined_at"]),
            "order_at": datetime.fromisoformat(values["order_at"]),
            "until": None if until is None else datetime.fromisoformat(until),
        }
    )
