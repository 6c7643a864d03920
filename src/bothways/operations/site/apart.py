"""Where gateways and the planner of a site are processes of their own: catching up, and stopping without a planner."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from bothways.operations.events import EvseKey, StationEvent, TransactionChanged, TransactionKind
from bothways.operations.ports import ChargerGateway, StationRegistry, Store, TransactionRow
from bothways.operations.site import emergency, opening
from bothways.operations.site.book import SiteBook
from bothways.operations.site.state import Image

RECENT = timedelta(minutes=15)
"""A transaction that was silent for longer is not taken for one that has just begun."""


def missed_events(image: Image, rows: Iterable[TransactionRow], now: datetime) -> list[StationEvent]:
    """What the store knows and the loop does not, as events that the loop takes in like any other.

    Only who is there is settled this way; energies and powers come with the next values.

    Args:
        image: the site as the loop saw it, from before ``rows`` were read: what it knows was stored earlier.
        rows: open transactions.
        now: the instant, for events that name none.
    """
    opened: dict[EvseKey, TransactionRow] = {}
    known: set[tuple[str, str]] = set()
    for row in sorted(rows, key=lambda item: item.started_at or now):
        opened[EvseKey(row.station_id, row.evse_id)] = row
        known.add((row.station_id, row.transaction_id))
    found: list[StationEvent] = []
    for item in image.evses:
        here = "" if item.session is None else item.session.transaction_id
        if here and (item.key.station_id, here) not in known:
            found.append(_event(item.key, "ended", here, now, now))
        latest = opened.get(item.key)
        if latest is None or latest.transaction_id == here:
            continue
        if now - (latest.last_at or latest.started_at or now) <= RECENT:
            began = latest.started_at or now
            found.append(_event(item.key, "started", latest.transaction_id, began, now, latest.id_token))
    return found


def _event(
    key: EvseKey, kind: TransactionKind, transaction_id: str, at: datetime, received_at: datetime, token: str = ""
) -> TransactionChanged:
    return TransactionChanged(
        station_id=key.station_id, at=at, received_at=received_at, kind=kind, transaction_id=transaction_id,
        evse_id=key.evse_id, id_token=token, trigger="read from the store",
    )  # fmt: skip


async def stop_at(
    gateway: ChargerGateway, registry: StationRegistry, store: Store, site_id: str, now: datetime, valid_for_s: float
) -> dict[str, str]:
    """Stops all transfer at a site through one gateway, without its planner: zero, the end, and a safe profile of 0.

    Args:
        gateway: the gateway; stations elsewhere are not touched.
        registry: stations.
        store: open transactions.
        site_id: the site.
        now: the instant.
        valid_for_s: life of the zero orders [s].

    Returns:
        What each EVSE in use at this gateway answered.
    """
    here = gateway.connected()
    mine = [record for record in await registry.stations(site_id) if record.station_id in here]
    if not mine:
        return {}
    book = SiteBook(site_id)
    book.install(mine)
    await opening.reopen(book, store, now)
    answers = await emergency.stop_all(gateway, book.outlets.values(), valid_for_s)
    await emergency.leave_safe(gateway, [record.station_id for record in mine], 0.0)
    return answers


def newly_latched(image_incident: emergency.Incident | None, latched_at: datetime) -> bool:
    """Whether a latch in the store is news for a loop: it knows of none, or only of one released before."""
    if image_incident is None:
        return True
    released = image_incident.released_at
    return released is not None and latched_at > released
