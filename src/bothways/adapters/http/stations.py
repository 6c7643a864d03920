"""Single stations over HTTP: what they hold to, and what people ask of them."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request
from pydantic import AwareDatetime, Field

from bothways.adapters.http.session import Asking
from bothways.adapters.http.sites import Reason, desk_of
from bothways.operations.desk import overrides
from bothways.operations.desk.commands import Asked, Commands, Profile, StationDetail
from bothways.operations.desk.overrides import OverrideForm, OverrideView
from bothways.operations.orders import StationCommand

router = APIRouter(tags=["stations"])
Station = Annotated[str, Path(max_length=48)]
Evse = Annotated[int, Path(ge=1, le=999_999)]


class Reset(Reason):
    """Start anew; ``at_once`` ends running transactions, otherwise the station waits until nobody charges."""

    at_once: bool = False


class Availability(Reason):
    """Whether it may be used; a running transaction ends first."""

    operative: bool


class Unlock(Reason):
    """Release a cable."""

    connector_id: Annotated[int, Field(ge=1, le=99)] = 1


class Trigger(Reason):
    """Ask for a message."""

    message: Literal["boot", "heartbeat", "status", "meter_values", "firmware_status", "log_status"]
    evse_id: Annotated[int, Field(ge=0, le=999_999)] = 0


class Diagnostics(Reason):
    """Where the station uploads its log to; the address may hold a name and password for that server alone."""

    location: Annotated[str, Field(min_length=8, max_length=500)]


class TemporaryLimit(Reason):
    """Most that an EVSE may charge with [kW], until an instant."""

    charge_kw: Annotated[float, Field(ge=0.0, le=1000.0, allow_inf_nan=False)]
    until: AwareDatetime


@router.get("/stations/{station_id}", summary="A station with its EVSEs")
async def station(request: Request, asking: Asking, station_id: Station) -> StationDetail:
    """What is recorded of it; powers of the hardware in kW."""
    return await Commands(desk_of(request)).station(asking.actor, station_id)


@router.get("/stations/{station_id}/evses/{evse_id}/charging-profile", summary="What an EVSE holds to now")
async def profile(request: Request, asking: Asking, station_id: Station, evse_id: Evse) -> Profile:
    """Asks the station for its composite schedule [kW, charging positive], beside what the platform ordered."""
    return await Commands(desk_of(request)).profile(asking.actor, station_id, evse_id)


@router.put("/stations/{station_id}/evses/{evse_id}/charging-profile", summary="Limit an EVSE for a while")
async def limit(
    request: Request, asking: Asking, station_id: Station, evse_id: Evse, form: TemporaryLimit
) -> OverrideView:
    """Every profile that the platform sends to this EVSE keeps within it, until it ends by itself.

    It is an override, listed with the site's others and ended like them; the one before is replaced.
    """
    desk = desk_of(request)
    found = await Commands(desk).station(asking.actor, station_id)
    asked = OverrideForm("charge_limit", form.until, form.reason, f"{station_id}/{evse_id}", form.charge_kw)
    return await overrides.begin(desk, asking.actor, found.station.site_id, asked)


@router.post("/stations/{station_id}/reset", summary="Reset a station")
async def reset(request: Request, asking: Asking, station_id: Station, form: Reset) -> Asked:
    """Takes minutes; what it measured meanwhile comes afterwards."""
    return await _ask(request, asking, station_id, StationCommand("reset", at_once=form.at_once), form)


@router.post("/stations/{station_id}/availability", summary="Put a station into use or out of use")
async def availability(request: Request, asking: Asking, station_id: Station, form: Availability) -> Asked:
    """``Scheduled`` where it waits for a transaction to end."""
    return await _ask(request, asking, station_id, StationCommand("availability", operative=form.operative), form)


@router.post("/stations/{station_id}/evses/{evse_id}/availability", summary="Put an EVSE into use or out of use")
async def evse_availability(
    request: Request, asking: Asking, station_id: Station, evse_id: Evse, form: Availability
) -> Asked:
    """``Scheduled`` where it waits for a transaction to end."""
    command = StationCommand("availability", evse_id, operative=form.operative)
    return await _ask(request, asking, station_id, command, form)


@router.post("/stations/{station_id}/evses/{evse_id}/unlock", summary="Release a cable")
async def unlock(request: Request, asking: Asking, station_id: Station, evse_id: Evse, form: Unlock) -> Asked:
    """For a plug that is stuck."""
    return await _ask(request, asking, station_id, StationCommand("unlock", evse_id, form.connector_id), form)


@router.post("/stations/{station_id}/trigger", summary="Ask a station for a message")
async def trigger(request: Request, asking: Asking, station_id: Station, form: Trigger) -> Asked:
    """The message itself comes afterwards, and is stored as always."""
    command = StationCommand("trigger", form.evse_id, message=form.message)
    return await _ask(request, asking, station_id, command, form)


@router.post("/stations/{station_id}/diagnostics", summary="Ask a station for its log")
async def diagnostics(request: Request, asking: Asking, station_id: Station, form: Diagnostics) -> Asked:
    """The station uploads it by itself, which takes minutes."""
    return await _ask(request, asking, station_id, StationCommand("diagnostics", location=form.location), form)


@router.post("/stations/{station_id}/transactions/{transaction_id}/end", summary="End a transaction")
async def end(
    request: Request, asking: Asking, station_id: Station, transaction_id: Annotated[str, Path(max_length=64)],
    form: Reason,
) -> Asked:  # fmt: skip
    """Charging ends, and the cable can be taken out."""
    return await Commands(desk_of(request)).end_transaction(asking.actor, station_id, transaction_id, form.reason)


async def _ask(request: Request, asking: Asking, station_id: str, command: StationCommand, form: Reason) -> Asked:
    return await Commands(desk_of(request)).command(asking.actor, station_id, command, form.reason)
