"""A site as an island over HTTP: what is on, how long it lasts, what is next; requests, and what drivers keep."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import Field

from bothways.adapters.http.session import Asking, Body
from bothways.adapters.http.sites import Reason
from bothways.adapters.web.island_sayings import PAPER_POLICY, sheet
from bothways.adapters.web.words import Words
from bothways.operations.desk.desk import Unknown
from bothways.operations.desk.island import IslandDesk
from bothways.operations.desk.island_views import IslandView
from bothways.resilience.island.offer import RestartOffer
from bothways.resilience.island.signals import RequestKind

router = APIRouter(tags=["islands"])
Device = Annotated[str, Field(max_length=60)]
Kind = Literal[
    "confirm", "take over", "hand back", "order open", "order close", "order form", "order give", "order release",
    "report loss", "return to grid", "start drill", "end drill", "permit offer", "withdraw offer", "set aside",
    "back in service",
]  # fmt: skip


class IslandRequest(Body):
    """What is asked of the controller; ``device`` where it is about one. The interlock holds back what must not be."""

    kind: Kind
    device: Device = ""
    output_kw: Annotated[float, Field(ge=-10_000.0, le=10_000.0, allow_inf_nan=False)] = 0.0


class Position(Body):
    """Where a breaker without feedback is, as somebody has seen it."""

    closed: bool


class DriverStatement(Body):
    """Kilometres that the driver keeps (nothing for the site's own), and whether the vehicle gives at all."""

    reserve_km: Annotated[float | None, Field(ge=0.0, le=2000.0, allow_inf_nan=False)] = None
    opted_out: bool = False


def _desk(request: Request) -> IslandDesk:
    """The use cases, where this application has any."""
    found: IslandDesk | None = request.app.state.services.get(IslandDesk)
    if found is None:
        msg = "no site here is an island"
        raise Unknown(msg)
    return found


@router.get("/sites/{site_id}/island", summary="A site as an island now")
async def island(request: Request, asking: Asking, site_id: str) -> IslandView:
    """Time left per tier [h], what is on, vehicles and what each can give [kWh], what to do by hand next."""
    return _desk(request).view(asking.actor, site_id)


@router.get("/sites/{site_id}/island/restart-offer", summary="What the island offers to a restart of the grid")
async def offer(request: Request, asking: Asking, site_id: str) -> RestartOffer | None:
    """Capacity, load picked up at once and in steps [kW]; ``null`` while the site's operator has not permitted it."""
    return _desk(request).offer(asking.actor, site_id)


@router.get("/sites/{site_id}/island/paper", summary="The paper plan, to print", response_class=HTMLResponse)
async def paper(
    request: Request, asking: Asking, site_id: str,
    language: Annotated[Literal["en", "nl"] | None, Query(description="Of the sheet; else the account's.")] = None,
) -> HTMLResponse:  # fmt: skip
    """One page of HTML without scripts: what to switch by hand, in which order, when no screen works."""
    building, contact = _desk(request).on_paper(asking.actor, site_id)
    page = sheet(building, contact, Words(language or asking.account.language))
    return HTMLResponse(page, headers={"content-security-policy": PAPER_POLICY})


@router.post("/sites/{site_id}/island/requests", status_code=204, summary="Ask the island controller for something")
async def ask(request: Request, asking: Asking, site_id: str, form: IslandRequest) -> None:
    """Heard at the controller's next step, within a second; who asked is in the audit log."""
    desk = _desk(request)
    desk.ask(asking.actor, site_id, RequestKind(form.kind), form.device, form.output_kw)


@router.post("/sites/{site_id}/island/reset", status_code=204, summary="State that it is safe after a stop")
async def reset(request: Request, asking: Asking, site_id: str, form: Reason) -> None:
    """Releases the site's emergency stop where one is latched, and lets sources that were cut off start again."""
    await _desk(request).reset(asking.actor, site_id, form.reason)


@router.put("/sites/{site_id}/island/positions/{device}", status_code=204, summary="Say where a breaker is")
async def position(
    request: Request, asking: Asking, site_id: str, device: Annotated[str, Path(max_length=60)], form: Position
) -> None:
    """For breakers without feedback; in a drill it says that a task was walked through."""
    await _desk(request).done(asking.actor, site_id, device, closed=form.closed)


@router.put("/sites/{site_id}/island/vehicles/{station_id}/{evse_id}", status_code=204, summary="What a driver keeps")
async def driver(
    request: Request, asking: Asking, site_id: str, station_id: Annotated[str, Path(max_length=48)],
    evse_id: Annotated[int, Path(ge=0, le=999_999)], form: DriverStatement,
) -> None:  # fmt: skip
    """Holds from the next step on: nothing is taken below it."""
    desk = _desk(request)
    place = f"{station_id}/{evse_id}"
    await desk.driver(asking.actor, site_id, place, form.reserve_km, opted_out=form.opted_out)
