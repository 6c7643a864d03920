"""Queues for shared charging points, over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import Field

from bothways.adapters.http.paging import Paging
from bothways.adapters.http.session import Asking, Body, service_of
from bothways.operations.desk.driver.line import Queue
from bothways.operations.desk.driver.queues import Queues, QueueView

router = APIRouter(tags=["queues"])
Site = Annotated[str, Path(max_length=48)]
Name = Annotated[str, Path(max_length=48)]
Holder = Annotated[str, Path(max_length=36, description="The number of a card.")]
Card = Annotated[str, Field(min_length=1, max_length=36)]
Evse = Annotated[str, Field(max_length=60, description="station/evse")]


class Shared(Body):
    """Charging points that share a queue, and cards that may join; no cards for every driver of the system."""

    evses: Annotated[list[Evse], Field(min_length=1, max_length=200)]
    members: list[Card] = Field(default=[], max_length=2000)


class Joining(Body):
    """How long the charging point is wanted [h]."""

    hours: Annotated[float, Field(gt=0.0, le=24.0, allow_inf_nan=False)] = 4.0


class Asked(Body):
    """Who is asked to swap: a ``place_id`` of the queue, or ``station/evse`` for whoever is plugged in there."""

    other: Annotated[str, Field(max_length=60)]


class Answered(Body):
    """The answer to a request."""

    agrees: bool


@router.put("/sites/{site_id}/queues/{name}", summary="Say which charging points share a queue")
async def define(request: Request, asking: Asking, site_id: Site, name: Name, form: Shared) -> Queue:
    """For staff. Who waits already stays."""
    evses, members = tuple(form.evses), tuple(form.members)
    return await service_of(request, Queues).define(asking.actor, site_id, name, evses, members)


@router.get("/sites/{site_id}/queues", summary="The queues of a site")
async def at(request: Request, asking: Asking, site_id: Site, page: Paging) -> list[Queue]:
    """For staff: charging points and members, without who waits."""
    return page.of(await service_of(request, Queues).at(asking.actor, site_id), key=lambda item: (item.name,))


@router.delete("/sites/{site_id}/queues/{name}", status_code=204, summary="End a queue")
async def close(request: Request, asking: Asking, site_id: Site, name: Name) -> None:
    """For staff. Nobody waits in it any more."""
    await service_of(request, Queues).close(asking.actor, site_id, name)


@router.get("/queues/{holder}", summary="Queues that a card may join, as its holder sees them")
async def of(request: Request, asking: Asking, holder: Holder, page: Paging) -> list[QueueView]:
    """Nobody else's card is shown. ``expected_at`` is at the earliest; ``null`` where it cannot be said."""
    found = await service_of(request, Queues).of(asking.actor, holder)
    return page.of(found, key=lambda item: (item.site_id, item.name))


@router.put("/queues/{holder}/{site_id}/{name}", summary="Join a queue")
async def join(request: Request, asking: Asking, holder: Holder, site_id: Site, name: Name, form: Joining) -> QueueView:
    """Whoever joined first goes first; whoever is called has fifteen minutes to plug in.

    Each hour used in the last seven days counts as having joined ten minutes later, two hours at most.
    """
    return await service_of(request, Queues).join(asking.actor, holder, site_id, name, form.hours)


@router.delete("/queues/{holder}/{site_id}/{name}", summary="Leave a queue")
async def leave(request: Request, asking: Asking, holder: Holder, site_id: Site, name: Name) -> QueueView:
    """Gives the place up."""
    return await service_of(request, Queues).leave(asking.actor, holder, site_id, name)


@router.post("/queues/{holder}/{site_id}/{name}/swaps", summary="Ask somebody to swap")
async def ask(request: Request, asking: Asking, holder: Holder, site_id: Site, name: Name, form: Asked) -> QueueView:
    """Another place in the queue; or, for whoever is next, the charging point of somebody who is plugged in."""
    return await service_of(request, Queues).ask(asking.actor, holder, site_id, name, form.other)


@router.put("/queues/{holder}/{site_id}/{name}/swaps/{swap_id}", summary="Answer a request to swap")
async def answer(
    request: Request, asking: Asking, holder: Holder, site_id: Site, name: Name,
    swap_id: Annotated[str, Path(max_length=48)], form: Answered,
) -> QueueView:  # fmt: skip
    """Turns change only where both agree."""
    return await service_of(request, Queues).answer(
        asking.actor, holder, site_id, name, swap_id, agrees=form.agrees
    )  # fmt: skip
