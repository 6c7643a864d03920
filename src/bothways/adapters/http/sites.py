"""Sites and stations over HTTP, and live values as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, Field

from bothways.adapters.http.changes import Plain, changes, event, plain
from bothways.adapters.http.description import takes_if_match
from bothways.adapters.http.limits import Watchers
from bothways.adapters.http.paging import Paging
from bothways.adapters.http.session import Asking, Body, Caller, access_of
from bothways.adapters.http.tags import replacing, tagged
from bothways.domain.errors import StoreError
from bothways.operations.desk import permits
from bothways.operations.desk.desk import Desk, Unknown
from bothways.operations.desk.trail import TrailPoint
from bothways.operations.desk.views import SiteLine, SitePower, SiteView, StationView
from bothways.operations.stations import GridPermission

router = APIRouter(tags=["sites"])
_EVERY_S = 1.0
_KEEP_ALIVE_S = 15.0
_CHECK_S = 5.0


class Reason(Body):
    """Why, in words, for whoever reads the record later."""

    reason: Annotated[str, Field(min_length=3, max_length=500)]


class StopReason(Body):
    """What happened; a stop is not refused for want of words."""

    reason: Annotated[str, Field(max_length=500)] = ""


class ImportLimit(Reason):
    """A limit on the site's import [kW], within the site's own safety limit."""

    import_kw: Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class LimitInForce(BaseModel):
    """What a site may import now [kW]."""

    import_kw: float | None


class Certificate(BaseModel):
    """A certificate of a charger or vehicle, and the instant at which it ends."""

    name: str
    valid_until: AwareDatetime


class GridConnectionForm(Body):
    """What is on paper: references of documents, export that they allow [kW], certificates of chargers or vehicles."""

    agreement: Annotated[str, Field(max_length=200)] = ""
    export_limit_kw: Annotated[float, Field(ge=0.0, le=100_000.0, allow_inf_nan=False)] = 0.0
    protection: Annotated[str, Field(max_length=200)] = ""
    certificates: Annotated[list[Certificate], Field(max_length=200)] = Field(default_factory=list)
    islanding: bool = False


class GridConnection(BaseModel):
    """A site's grid connection on paper; ``missing`` says in words what is not recorded or not valid."""

    site_id: str
    agreement: str
    export_limit_kw: float
    protection: str
    certificates: list[Certificate]
    islanding: bool
    missing: list[str]


def desk_of(request: Request) -> Desk:
    """The application's use cases."""
    desk: Desk = request.app.state.desk
    return desk


@router.get("/sites", summary="Sites, those that need attention first")
async def list_sites(request: Request, asking: Asking, page: Paging) -> list[SiteLine]:
    """The sites that the caller may see. One whose state changes between two pages can move to the other."""
    lines = desk_of(request).sites(asking.actor)
    return page.of(lines, lambda line: (not line.stopped, -len(line.alarms), line.site_id))


@router.get("/sites/{site_id}", summary="A site now")
async def site(request: Request, asking: Asking, site_id: str) -> SiteView:
    """Powers in kW (import and charging positive), limits, vehicles, alarms and today's plan."""
    return desk_of(request).site(asking.actor, site_id)


@router.get("/power", summary="Power of all sites, as the grid sees it")
async def powers(request: Request, asking: Asking, page: Paging) -> list[SitePower]:
    """Import positive [kW], limits [kW], age of the reading [s], of each site whose power the account may see."""
    return page.of(desk_of(request).powers(asking.actor), key=lambda item: (item.site_id,))


@router.get("/sites/{site_id}/power", summary="A site as the grid sees it")
async def power(request: Request, asking: Asking, site_id: str) -> SitePower:
    """Power at the grid connection and its limits [kW]; nothing that tells who is there."""
    return desk_of(request).power(asking.actor, site_id)


@router.get("/sites/{site_id}/live", summary="A site's values as they change", response_class=StreamingResponse)
async def live(request: Request, asking: Asking, site_id: str) -> StreamingResponse:
    """Server-sent events: ``site`` with everything first, then ``changes``, at most one per second.

    ``changes`` holds the fields that changed, and of ``evses`` those that did; another ``site`` follows where charging
    points come or go.

    Ends within seconds of a sign-out. At most twenty at once per account.
    """
    desk, access = desk_of(request), access_of(request)
    watchers: Watchers = request.app.state.watchers
    desk.site(asking.actor, site_id)
    watchers.check(asking.account.account_id)

    async def events() -> AsyncIterator[bytes]:
        last: Plain | None = None
        quiet, unchecked, actor = 0.0, 0.0, asking.actor
        with watchers.watching(asking.account.account_id), suppress(Unknown, StoreError):
            while not await request.is_disconnected():
                if unchecked >= _CHECK_S:  # signed out, disabled or of another role since
                    account = await access.actor(asking.token)
                    if account is None:
                        return
                    actor, unchecked = account.actor(), 0.0
                now = plain(desk.site(actor, site_id))
                changed = None if last is None else changes(last, now)
                last = now
                if changed is None or changed:
                    yield event("site", now) if changed is None else event("changes", changed)
                    quiet = 0.0
                elif quiet >= _KEEP_ALIVE_S:
                    yield b": still here\n\n"
                    quiet = 0.0
                await asyncio.sleep(_EVERY_S)
                quiet, unchecked = quiet + _EVERY_S, unchecked + _EVERY_S

    return StreamingResponse(events(), media_type="text/event-stream", headers={"x-accel-buffering": "no"})


@router.get("/sites/{site_id}/trail", summary="What happened at a site today")
async def trail(request: Request, asking: Asking, site_id: str, page: Paging) -> list[TrailPoint]:
    """Powers every two minutes since the start, a day at most; the earliest first."""
    return page.of(desk_of(request).trail(asking.actor, site_id), lambda point: (point.at.isoformat(),))


@router.post("/sites/{site_id}/emergency-stop", status_code=204, summary="Stop all transfer at a site")
async def stop(request: Request, asking: Asking, site_id: str, form: StopReason) -> None:
    """Ends all charging and discharging; the site stays stopped until somebody releases it."""
    await desk_of(request).stop(asking.actor, site_id, form.reason)


@router.post("/sites/{site_id}/release", status_code=204, summary="End an emergency stop")
async def release(request: Request, asking: Asking, site_id: str, form: Reason) -> None:
    """For when it is safe; the reason is kept in the incident's record."""
    await desk_of(request).release(asking.actor, site_id, form.reason)


@router.get("/sites/{site_id}/import-limit", summary="The import limit in force")
async def limit_now(request: Request, response: Response, asking: Asking, site_id: str) -> LimitInForce:
    """What holds now [kW]; ``null`` where nothing limits, or nothing is known yet."""
    return tagged(response, _limit(request, asking, site_id))


def _limit(request: Request, asking: Caller, site_id: str) -> LimitInForce:
    return LimitInForce(import_kw=desk_of(request).site(asking.actor, site_id).import_limit_kw)


@router.put(
    "/sites/{site_id}/import-limit", status_code=204, summary="Change the import limit in force",
    openapi_extra=takes_if_match(),
)  # fmt: skip
async def limit(request: Request, asking: Asking, site_id: str, form: ImportLimit) -> None:
    """Holds from the next second on, never above the site's own safety limit."""

    async def current() -> LimitInForce:
        return _limit(request, asking, site_id)

    async with replacing(request, current):
        await desk_of(request).limit(asking.actor, site_id, form.import_kw, form.reason)


@router.get("/sites/{site_id}/grid-permission", summary="The grid connection on paper")
async def permission(request: Request, response: Response, asking: Asking, site_id: str) -> GridConnection:
    """Export and discharging stay off until everything is recorded and valid."""
    return tagged(response, await _connection(request, asking, site_id))


@router.put(
    "/sites/{site_id}/grid-permission", summary="Record the grid connection on paper", openapi_extra=takes_if_match()
)
async def permit(
    request: Request, response: Response, asking: Asking, site_id: str, form: GridConnectionForm
) -> GridConnection:
    """Replaces the record; what is left empty is missing, and nothing is discharged then. Known within a minute."""
    certificates = tuple((item.name, item.valid_until) for item in form.certificates)
    record = GridPermission(
        site_id, form.agreement, form.export_limit_kw, form.protection, certificates, islanding=form.islanding
    )
    async with replacing(request, lambda: _connection(request, asking, site_id)):
        await permits.record(desk_of(request), asking.actor, record)
        return tagged(response, await _connection(request, asking, site_id))


async def _connection(request: Request, asking: Caller, site_id: str) -> GridConnection:
    desk = desk_of(request)
    found = await desk.permission(asking.actor, site_id)
    return GridConnection(
        site_id=found.site_id, agreement=found.agreement, export_limit_kw=found.export_limit_kw,
        protection=found.protection, islanding=found.islanding, missing=list(found.missing(desk.now())),
        certificates=[Certificate(name=name, valid_until=until) for name, until in found.certificates],
    )  # fmt: skip


@router.get("/stations", summary="Charging stations")
async def stations(
    request: Request, asking: Asking, page: Paging, site_id: Annotated[str | None, Query(max_length=48)] = None
) -> list[StationView]:
    """The stations that the caller may see, by name."""
    return page.of(await desk_of(request).stations(asking.actor, site_id), lambda item: (item.station_id,))
