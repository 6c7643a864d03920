"""Manual overrides over HTTP: a limit, a pause or a fixed power until an instant."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, Field

from bothways.adapters.http.paging import Paging
from bothways.adapters.http.session import Asking
from bothways.adapters.http.sites import Reason, desk_of
from bothways.operations.desk import overrides
from bothways.operations.desk.overrides import OverrideForm, OverrideView
from bothways.operations.overrides import OverrideKind

router = APIRouter(tags=["overrides"])


class NewOverride(Reason):
    """What is decided for a while. ``kw`` is the limit or power [kW], and left out for a pause."""

    kind: OverrideKind
    subject: Annotated[str, Field(max_length=60, description="station/evse, or empty for the whole site.")] = ""
    kw: Annotated[float | None, Field(ge=-10_000.0, le=1e6, allow_inf_nan=False)] = None
    until: AwareDatetime


@router.get("/sites/{site_id}/overrides", summary="Manual overrides in force")
async def in_force(request: Request, asking: Asking, site_id: str, page: Paging) -> list[OverrideView]:
    """Who decided what and why, until when, and the seconds that are left; those that end first first."""
    found = overrides.overrides(desk_of(request), asking.actor, site_id)
    return page.of(found, key=lambda item: (item.until.isoformat(), item.override_id))


@router.post("/sites/{site_id}/overrides", status_code=201, summary="Override a limit, pause, or fix a power")
async def begin(request: Request, asking: Asking, site_id: str, form: NewOverride) -> OverrideView:
    """Holds from the next second on and ends by itself, also over a restart; never beyond a hard limit.

    One for the same thing replaces the one before. At most seven days.
    """
    return await overrides.begin(desk_of(request), asking.actor, site_id, OverrideForm(**form.model_dump()))


@router.delete("/sites/{site_id}/overrides/{override_id}", status_code=204, summary="End an override now")
async def end(request: Request, asking: Asking, site_id: str, override_id: str) -> None:
    """The plan and the site's own limits hold again from the next second on."""
    await overrides.end(desk_of(request), asking.actor, site_id, override_id)
