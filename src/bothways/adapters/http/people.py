"""What drivers need and what they used, over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, Field

from bothways.adapters.http.description import takes_if_match
from bothways.adapters.http.paging import Paging
from bothways.adapters.http.session import Asking, Body
from bothways.adapters.http.sites import desk_of
from bothways.adapters.http.tags import replacing, tagged
from bothways.operations.desk.desk import NeedForm
from bothways.operations.desk.views import EvseView, NeedView, TransactionView

router = APIRouter(tags=["drivers"])
Holder = Annotated[str, Path(max_length=60, description="A token, or station/EVSE for whoever is plugged in there.")]
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Energy = Annotated[float, Field(ge=0.0, le=1000.0, allow_inf_nan=False)]


class Need(Body):
    """How much by when. One of ``energy_kwh`` [kWh, AC side] and ``soc`` (0 to 1)."""

    ready_by: AwareDatetime
    energy_kwh: Energy | None = None
    soc: Share | None = None
    floor_soc: Share = 0.3
    discharge_consent: bool = False
    discharge_cap_kwh: Energy | None = None
    charge_now: bool = False


class Holding(BaseModel):
    """A holder of a card, and where it is plugged in."""

    holder: str
    place: str


class Place(BaseModel):
    """Where a vehicle is plugged in, in which time zone, and what it was doing there ``at`` an instant."""

    site_id: str
    tz: str
    at: datetime | None
    evse: EvseView


@router.put("/needs/{holder:path}", summary="Say how much by when", openapi_extra=takes_if_match())
async def set_need(request: Request, response: Response, asking: Asking, holder: Holder, form: Need) -> NeedView:
    """Holds at once, and until it is replaced; ``charge_now`` charges at full power until the need is met."""
    desk = desk_of(request)
    async with replacing(request, lambda: desk.need(asking.actor, holder)):
        return tagged(response, await desk.set_need(asking.actor, holder, NeedForm(**form.model_dump())))


@router.get("/needs/{holder:path}", summary="What is in force for a holder")
async def need(request: Request, response: Response, asking: Asking, holder: Holder) -> NeedView:
    """404 where nothing was ever said."""
    return tagged(response, await desk_of(request).need(asking.actor, holder))


@router.get("/vehicles", summary="Whose vehicles one may speak for")
async def vehicles(request: Request, asking: Asking, page: Paging) -> list[Holding]:
    """One's own cards, and whoever is plugged in within reach; ``place`` is ``station/evse``, or empty for nowhere."""
    found = [Holding(holder=holder, place=place) for holder, place in desk_of(request).holders(asking.actor)]
    return page.of(found, lambda item: (item.holder, item.place))


@router.get("/vehicles/{holder:path}", summary="Where a vehicle is plugged in now")
async def where(request: Request, asking: Asking, holder: Holder) -> Place | None:
    """``null`` where it is not plugged in."""
    desk = desk_of(request)
    found = desk.where(asking.actor, holder)
    if found is None:
        return None
    return Place(site_id=found[0], tz=desk.tz_of(found[0]), at=desk.as_of(found[0]), evse=found[1])


@router.get("/transactions", summary="Transactions, the latest first")
async def transactions(
    request: Request,
    asking: Asking,
    page: Paging,
    station_id: Annotated[str | None, Query(max_length=48)] = None,
    since: AwareDatetime | None = None,
    holder: Annotated[str | None, Query(max_length=60, description="A token, or station/EVSE.")] = None,
) -> list[TransactionView]:
    """Energies are what meters showed [kWh]; ``missing`` numbers are events that never arrived."""
    rows = await desk_of(request).transactions(
        asking.actor, station_id=station_id, holder=holder, since=since, before=page.words(), limit=page.limit + 1
    )
    return page.cut(rows, lambda row: (row.station_id, row.transaction_id))
