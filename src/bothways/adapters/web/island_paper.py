"""The paper plan over HTTP: a page without scripts, to be printed while everything still works."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from bothways.adapters.http.session import COOKIE, access_of
from bothways.adapters.web.island_sayings import PAPER_POLICY, sheet
from bothways.adapters.web.words import Words, words_for
from bothways.domain.errors import BothwaysError
from bothways.operations.desk.island import IslandDesk

router = APIRouter()


@router.get("/site/{site_id}/island/paper", include_in_schema=False)
async def paper(request: Request, site_id: str) -> Response:
    """The sheet of a site, for whoever may see the site."""
    token = request.cookies.get(COOKIE, "")
    account = await access_of(request).actor(token) if token else None
    if account is None:
        return RedirectResponse("/sign-in", 303)
    words = words_for(request) if account.language == "en" else Words(account.language)
    desk: IslandDesk | None = request.app.state.services.get(IslandDesk)
    try:
        found = None if desk is None else desk.on_paper(account.actor(), site_id)
    except BothwaysError:
        found = None
    if found is None:
        return RedirectResponse(f"/site/{site_id}/island", 303)  # which says that there is nothing
    headers = {"content-security-policy": PAPER_POLICY, "cache-control": "no-store"}
    return HTMLResponse(sheet(*found, words), headers=headers)
