"""What drivers can do beyond saying a need once, over HTTP: a week of wishes, the outlook of a stay, leaving now."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field

from bothways.adapters.http.session import Asking, Body, access_of
from bothways.adapters.http.sites import desk_of
from bothways.operations.desk.driver.own_data import Erased, OwnData
from bothways.operations.desk.driver.reach import Outlook
from bothways.operations.desk.driver.statements import Statement, Statements
from bothways.operations.desk.driver.stays import Stays
from bothways.operations.desk.driver.wishes import Wishes, WishForm, WishView
from bothways.operations.wishes import DayWish

router = APIRouter(tags=["drivers"])
Card = Annotated[str, Path(max_length=36, description="The number of a card.")]
Holder = Annotated[str, Path(max_length=60, description="A token, or station/EVSE for whoever is plugged in there.")]
Site = Annotated[str, Query(max_length=48, description="For staff: the site that the wish is recorded at.")]
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Energy = Annotated[float, Field(ge=0.0, le=1000.0, allow_inf_nan=False)]


class Day(Body):
    """What is wished on a day of the week: a local time, and one of ``soc`` (0 to 1) and ``energy_kwh``."""

    day: Annotated[int, Field(ge=0, le=6, description="0 for Monday to 6 for Sunday")]
    wall: Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="time of day, HH:MM")]
    soc: Share | None = None
    energy_kwh: Energy | None = None


class Week(Body):
    """A standing wish; days that are left out have none."""

    days: Annotated[list[Day], Field(max_length=7)]
    floor_soc: Share = 0.3
    discharge_consent: bool = False
    discharge_cap_kwh: Energy | None = None
    consent_note: Annotated[str, Field(max_length=200)] = ""


class Erasure(Body):
    """The name of the account, typed by its owner."""

    confirmation: Annotated[str, Field(max_length=64)]


class Departure(BaseModel):
    """The instant that a time of day stands for, and the time zone whose clocks show it."""

    ready_by: datetime
    tz: str


class Answer(BaseModel):
    """What a station answered."""

    accepted: bool
    status: str


@router.get("/wishes/{holder:path}", summary="What a holder wishes on each day of the week")
async def wish(request: Request, asking: Asking, holder: Card, site_id: Site = "") -> WishView:
    """404 where there is none. ``site_id`` asks for the one that staff of a site recorded."""
    return await Wishes(desk_of(request)).wish(asking.actor, holder, site_id)


@router.put("/wishes/{holder:path}", summary="State a standing wish")
async def keep_wish(request: Request, asking: Asking, holder: Card, form: Week, site_id: Site = "") -> WishView:
    """Used by itself whenever this card is plugged in. Staff record one with ``site_id``; the own one goes first."""
    days = {item.day: DayWish(item.wall, item.soc, item.energy_kwh) for item in form.days}
    filled = WishForm(days, form.floor_soc, form.discharge_consent, form.discharge_cap_kwh, form.consent_note)
    return await Wishes(desk_of(request)).keep(asking.actor, holder, filled, site_id)


@router.delete("/wishes/{holder:path}", status_code=204, summary="Forget a standing wish")
async def drop_wish(request: Request, asking: Asking, holder: Card, site_id: Site = "") -> None:
    """What is in force until the next departure goes on."""
    await Wishes(desk_of(request)).drop(asking.actor, holder, site_id)


@router.get("/outlooks/{holder:path}", summary="Whether a need can be met, and what is the best possible")
async def outlook(request: Request, asking: Asking, holder: Holder) -> Outlook | None:
    """``null`` where the holder is not plugged in, or stated no departure that lies ahead.

    ``why`` is ``power`` (vehicle and charger), ``limit`` (of the site), ``full``, ``stopped``, ``offline`` or empty.
    """
    return Stays(desk_of(request)).outlook(asking.actor, holder)


@router.get("/departures/{holder:path}", summary="When clocks at the charging point show a time of day next")
async def ready_at(
    request: Request, asking: Asking, holder: Holder,
    wall: Annotated[str, Query(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="time of day, HH:MM")],
) -> Departure:  # fmt: skip
    """For a need: ``ready_by`` where the vehicle is plugged in, or at the first site while it is nowhere."""
    desk = desk_of(request)
    tz = await desk.zone_of(asking.actor, holder)
    return Departure(ready_by=await desk.ready_at(asking.actor, holder, wall), tz=tz)


@router.post("/departures/{holder:path}", summary="Leave now")
async def leave(request: Request, asking: Asking, holder: Holder) -> Answer:
    """Ends the transaction at once, so that the cable comes off."""
    result = await Stays(desk_of(request)).leave(asking.actor, holder)
    return Answer(accepted=result.accepted, status=result.status)


@router.get("/statements/{holder:path}", summary="What a month cost and saved, line by line")
async def statement(
    request: Request, asking: Asking, holder: Holder,
    month: Annotated[str, Query(max_length=7, description="YYYY-MM by the site's clocks; else this month.")] = "",
) -> Statement:  # fmt: skip
    """Energies in kWh, amounts in the site's currency; ``null`` where nobody stated a price.

    Saved is the cost of uncontrolled charging of the same energy in the same stay, less what it really cost with wear.
    """
    return await Statements(desk_of(request)).month(asking.actor, holder, month)


@router.get("/account/data", summary="Everything that is kept about the account", response_class=Response)
async def own_data(request: Request, asking: Asking) -> Response:
    """A ZIP archive of CSV and JSON; ``about.txt`` in it says what each file holds."""
    made = await OwnData(desk_of(request), access_of(request)).export(asking.account)
    headers = {"content-disposition": 'attachment; filename="my-data.zip"'}
    return Response(made, media_type="application/zip", headers=headers)


@router.post("/account/erasure", summary="Erase the account and its cards")
async def erase(request: Request, asking: Asking, form: Erasure) -> Erased:
    """For good. Needs a session that was opened a short while ago, and the account's name as confirmation."""
    return await OwnData(desk_of(request), access_of(request)).erase(asking.token, form.confirmation)
