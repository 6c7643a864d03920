"""Guests over HTTP: the address of a charging point, and what it allows whoever read its code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Header, Path, Request, Response
from pydantic import AwareDatetime, BaseModel, Field

from bothways.adapters.http.faults import Fault
from bothways.adapters.http.own import qr_file
from bothways.adapters.http.session import Asking, Body, place_of, service_of, source_of
from bothways.operations.desk.desk import NeedForm
from bothways.operations.desk.driver.guests import GuestLink, Guests, GuestView, TooOften
from bothways.operations.desk.views import NeedView

router = APIRouter(tags=["guests"])
Station = Annotated[str, Path(max_length=48)]
Evse = Annotated[int, Path(ge=1, le=999_999)]
Secret = Annotated[str, Path(max_length=64, description="What the printed code holds.")]
Claim = Annotated[str, Header(alias="x-guest-claim", max_length=64, description="What claiming the stay returned.")]


class Claimed(BaseModel):
    """What proves that a stay is this guest's; shown once."""

    claim: str


class GuestNeed(Body):
    """How much by when, for this stay alone; one of ``soc`` (0 to 1) and ``energy_kwh`` [kWh]."""

    ready_by: AwareDatetime
    soc: Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)] | None = None
    energy_kwh: Annotated[float, Field(ge=0.0, le=1000.0, allow_inf_nan=False)] | None = None


class Stopped(BaseModel):
    """What the station answered."""

    accepted: bool
    status: str


@contextmanager
def paced() -> Iterator[None]:
    """Says 429 where somebody asks too often.

    Raises:
        Fault: 429, with how long to wait.
    """
    try:
        yield
    except TooOften as error:
        wait = str(int(error.wait_s) + 1)
        raise Fault(429, "Asked too often", f"{error}.", "Wait, then try again.", {"Retry-After": wait}) from error


def guest_address(request: Request, made: GuestLink) -> str:
    """The address that a printed code holds, as telephones reach the server."""
    return f"{place_of(request).origin}/guest/{made.secret}"


@router.get("/stations/{station_id}/evses/{evse_id}/guest-link", summary="The address for guests of a charging point")
async def link(request: Request, asking: Asking, station_id: Station, evse_id: Evse) -> GuestLink:
    """For staff. Made where there is none; the page for guests is ``/guest/SECRET``."""
    return await service_of(request, Guests).link(asking.actor, station_id, evse_id)


@router.get(
    "/stations/{station_id}/evses/{evse_id}/guest-code", summary="The code for guests of a charging point",
    response_class=Response, responses={200: {"content": {"image/svg+xml": {}}, "description": "A QR code."}},
)  # fmt: skip
async def code(request: Request, asking: Asking, station_id: Station, evse_id: Evse) -> Response:
    """For staff, to be printed: a picture of the page's address for guests, made where there is none yet."""
    made = await service_of(request, Guests).link(asking.actor, station_id, evse_id)
    return Response(qr_file(guest_address(request, made)), media_type="image/svg+xml")


@router.post("/stations/{station_id}/evses/{evse_id}/guest-link", status_code=201, summary="Give it a new address")
async def renew(request: Request, asking: Asking, station_id: Station, evse_id: Evse) -> GuestLink:
    """The old one is worth nothing from then on: print the new code."""
    return await service_of(request, Guests).link(asking.actor, station_id, evse_id, renew=True)


@router.delete("/stations/{station_id}/evses/{evse_id}/guest-link", status_code=204, summary="Take the address away")
async def close(request: Request, asking: Asking, station_id: Station, evse_id: Evse) -> None:
    """No guest gets in any more."""
    await service_of(request, Guests).close(asking.actor, station_id, evse_id)


@router.get("/guest/{secret}", summary="A charging point, as a guest sees it")
async def look(request: Request, secret: Secret, claim: Claim = "") -> GuestView:
    """Without an account. What was said for the stay is shown to whoever holds its claim."""
    with paced():
        return await service_of(request, Guests).look(secret, claim, source_of(request))


@router.post("/guest/{secret}/claim", status_code=201, summary="Look after the vehicle that is plugged in now")
async def claim_stay(request: Request, secret: Secret) -> Claimed:
    """For whoever asks first after plugging in; 409 where nobody is plugged in or the stay is somebody's."""
    with paced():
        return Claimed(claim=await service_of(request, Guests).claim(secret, source_of(request)))


@router.put("/guest/{secret}/need", summary="Say how much by when, as a guest")
async def need(request: Request, secret: Secret, form: GuestNeed, claim: Claim = "") -> NeedView:
    """Holds for this stay. A guest's vehicle is never discharged."""
    wish = NeedForm(form.ready_by, form.energy_kwh, form.soc)
    with paced():
        return await service_of(request, Guests).need(secret, claim, wish, source_of(request))


@router.post("/guest/{secret}/charge-now", summary="Charge at full power, as a guest")
async def charge_now(request: Request, secret: Secret, claim: Claim = "") -> NeedView:
    """As far as the limits of the site allow."""
    with paced():
        return await service_of(request, Guests).charge_now(secret, claim, source_of(request))


@router.post("/guest/{secret}/stop", summary="End the transaction, as a guest")
async def stop(request: Request, secret: Secret, claim: Claim = "") -> Stopped:
    """The cable comes off."""
    with paced():
        result = await service_of(request, Guests).stop(secret, claim, source_of(request))
    return Stopped(accepted=result.accepted, status=result.status)
