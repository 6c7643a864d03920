"""New charging stations over HTTP, from credentials to hand-over."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field

from bothways.adapters.http.paging import Paging
from bothways.adapters.http.session import Asking, Body
from bothways.adapters.http.sites import Reason, desk_of
from bothways.operations.desk.onboarding import Credentials, InstallationView, onboarding_of
from bothways.operations.desk.station_form import StationForm
from bothways.operations.stations import DischargeMethod

router = APIRouter(tags=["installations"])
Station = Annotated[str, Path(max_length=48)]
Evse = Annotated[int, Path(ge=1, le=64)]
Power = Annotated[float, Field(ge=0.0, le=2000.0, allow_inf_nan=False)]


class NewStation(Body):
    """A station to be; its EVSEs are alike. Powers in kW, as on the plate."""

    station_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,48}$")]
    site_id: Annotated[str, Field(max_length=48)]
    evses: Annotated[int, Field(ge=1, le=64)] = 1
    charge_kw: Power = 11.0
    discharge_kw: Power = 0.0
    min_charge_kw: Power = 4.14
    phases: Annotated[int, Field(ge=1, le=3)] = 3
    first_phase: Annotated[int, Field(ge=1, le=3)] = 1
    discharge: DischargeMethod = "none"
    security_profile: Annotated[int, Field(ge=1, le=3)] = 1


class Agreement(Body):
    """Whether the driver of the vehicle that is plugged in is present and agrees to a short discharge; who it is."""

    agreed: bool
    said: Annotated[str, Field(max_length=500, description="Who agreed, for the record.")] = ""


@router.get("/installations", summary="Installations under way, the latest first")
async def installations(
    request: Request, asking: Asking, page: Paging, handed_over: Annotated[bool, Query()] = False
) -> list[InstallationView]:
    """At sites where the caller adds stations; with ``handed_over`` also those that have ended."""
    found = await onboarding_of(desk_of(request)).installations(asking.actor, handed_over=handed_over)
    return page.of(found, key=lambda item: (-item.begun_at.timestamp(), item.station_id))


@router.get("/installation-sites", summary="Sites where one may add a station")
async def sites(request: Request, asking: Asking, page: Paging) -> list[str]:
    """Their ids; an installer sees nothing else of them."""
    return page.of(onboarding_of(desk_of(request)).sites(asking.actor), key=lambda name: (name,))


@router.post("/installations", status_code=201, summary="Register a new station")
async def begin(request: Request, asking: Asking, form: NewStation) -> Credentials:
    """Returns what is typed into the station. The password is told this once; it can be renewed."""
    return await onboarding_of(desk_of(request)).begin(asking.actor, StationForm(**form.model_dump()))


@router.get("/installations/{station_id}", summary="Where an installation stands")
async def installation(request: Request, asking: Asking, station_id: Station) -> InstallationView:
    """Every step with its state, and the next one."""
    return await onboarding_of(desk_of(request)).installation(asking.actor, station_id)


@router.post("/installations/{station_id}/credentials", status_code=201, summary="A new password for a new station")
async def renew(request: Request, asking: Asking, station_id: Station) -> Credentials:
    """For one that was lost; the earlier password holds until the new one is used."""
    return await onboarding_of(desk_of(request)).renew(asking.actor, station_id)


@router.post("/installations/{station_id}/evses/{evse_id}/test-charge", status_code=202, summary="Try charging")
async def test_charge(request: Request, asking: Asking, station_id: Station, evse_id: Evse) -> None:
    """Charges what is plugged in with a fixed power for some minutes at most; read the installation for its result."""
    await onboarding_of(desk_of(request)).test_charge(asking.actor, station_id, evse_id)


@router.post("/installations/{station_id}/evses/{evse_id}/test-discharge", status_code=202, summary="Try discharging")
async def test_discharge(request: Request, asking: Asking, station_id: Station, evse_id: Evse, form: Agreement) -> None:
    """Every condition of discharging holds as always; where one is missing, the result says which."""
    await onboarding_of(desk_of(request)).test_discharge(
        asking.actor, station_id, evse_id, agreed=form.agreed, said=form.said
    )


@router.post("/installations/{station_id}/hand-over", summary="End an installation")
async def hand_over(request: Request, asking: Asking, station_id: Station, form: Reason) -> InstallationView:
    """Keeps the record of what was found; the remark is for whoever reads it later."""
    return await onboarding_of(desk_of(request)).hand_over(asking.actor, station_id, form.reason)
