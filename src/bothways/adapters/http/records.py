"""What is on record over HTTP: the audit log, what was saved, and what energy costs now."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime

from bothways.adapters.http.paging import Paging
from bothways.adapters.http.session import Asking
from bothways.adapters.http.sites import desk_of
from bothways.operations.desk.audit import AuditFilter, audit
from bothways.operations.desk.quality import StationQuality, qualities
from bothways.operations.desk.savings import PriceNow, SavingsView, savings_of
from bothways.operations.ports import AuditLine

router = APIRouter(tags=["records"])
Words = Annotated[str, Query(max_length=120)]


@router.get("/audit", summary="The audit log, the latest first")
async def audit_log(
    request: Request, asking: Asking, page: Paging, kind: Words = "", subject: Words = "", text: Words = "",
    since: AwareDatetime | None = None, until: AwareDatetime | None = None,
) -> list[AuditLine]:  # fmt: skip
    """Of the sites that the caller oversees. ``subject`` is the beginning of one; ``text`` is sought in the detail.

    The records of every planning step (``site interval``) come only where ``kind`` asks for them.
    """
    wanted = AuditFilter(kind, subject, text, since, until)
    rows = await audit(desk_of(request), asking.actor, wanted, before=page.number(), limit=page.limit + 1)
    return page.cut(rows, key=lambda line: (line.number,))


@router.get("/sites/{site_id}/savings", summary="What was saved against uncontrolled charging")
async def savings(request: Request, asking: Asking, site_id: str) -> SavingsView:
    """Today and this month, in the site's currency; ``null`` for what cannot be told. Computed every five minutes.

    ``assumptions`` are codes: ``same-energy`` (each vehicle charges at once with the charger's full power until it
    holds what it left with), ``open-stays`` (who is still plugged in counts with what was taken so far),
    ``whole-stays`` (stays that began before the month are not counted), ``unmetered`` (where the site's meter was
    silent, vehicles alone are counted), ``mean-price`` (gaps in prices are filled with their mean),
    ``no-demand-charge`` (charges on peaks are not counted), ``month-so-far``, ``wear-deducted`` and
    ``average-carbon`` (imported energy at the grid's average intensity).
    """
    return await savings_of(desk_of(request)).saved(asking.actor, site_id)


@router.get("/sites/{site_id}/price", summary="What energy costs now")
async def price(request: Request, asking: Asking, site_id: str) -> PriceNow:
    """By the plan in force, in the site's currency per kWh; ``null`` where it is not known."""
    return savings_of(desk_of(request)).price(asking.actor, site_id)


@router.get("/station-quality", summary="How stations are doing")
async def quality(
    request: Request, asking: Asking, page: Paging, site_id: Annotated[str | None, Query(max_length=48)] = None
) -> list[StationQuality]:
    """Firmware, end of the certificate, missed heartbeats, new connections, and where command and meter disagree [kW].

    Those that call for somebody come first.
    """
    desk = desk_of(request)
    now = desk.now()
    return page.of(await qualities(desk, asking.actor, site_id), lambda item: (not item.calls(now), item.station_id))
