"""Puts the screens on the web application: which page answers which address, and to whom."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable
from html import escape

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from nicegui import app as pages
from nicegui import core, ui
from starlette.routing import Match, Mount
from starlette.types import Scope

from bothways.adapters.http.session import COOKIE
from bothways.adapters.web import forms, guest_page, island_paper, news, signin
from bothways.adapters.web.audit_page import audit_screen
from bothways.adapters.web.driver_page import ChoosePage, DriverPage, is_staff
from bothways.adapters.web.frame import ScreenPage, Screens, Viewer, destinations, frame
from bothways.adapters.web.installation_page import installation_screen, installations_screen
from bothways.adapters.web.island_page import island_screen
from bothways.adapters.web.lists import SitesPage
from bothways.adapters.web.people_page import PeoplePage
from bothways.adapters.web.policy import PagePolicy
from bothways.adapters.web.power_page import power_screen, sees_power_alone
from bothways.adapters.web.site_page import SitePage
from bothways.adapters.web.stations_page import station_screen, stations_screen
from bothways.adapters.web.words import Words, later, words_for
from bothways.domain.errors import BothwaysError
from bothways.operations.access.accounts import Access
from bothways.operations.access.roles import Action, Actor, NotAllowed
from bothways.operations.desk.desk import Desk, Unknown

_log = structlog.get_logger("bothways.screens")
_OWN = ("/api/", "/metrics", "/healthz", "/readyz")
_PATIENCE_S = 20.0  # on a machine that is busy, late is better than an error
_QUASAR = {"en": "en-US", "nl": "nl"}

Build = Callable[[Viewer], Awaitable[None]]


class _Pages(Mount):
    """The mounted pages; addresses of the API keep their own answers, such as 404 and 405."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if str(scope.get("path", "")).startswith(_OWN):
            return Match.NONE, {}
        return super().matches(scope)


def add_screens(app: FastAPI, access: Access, desk: Desk) -> None:
    """Adds sign-in and all pages to the application.

    NiceGUI keeps global state, so a process has one application with screens.

    Args:
        app: the application that already answers the API.
        access: sign-in and sessions.
        desk: what people can do; pages call nothing else.
    """
    screens = Screens(access, desk, PAGES, app.state.services, app.state.public_url)
    app.include_router(signin.router)
    app.include_router(island_paper.router)
    app.include_router(guest_page.router)
    app.include_router(news.router)
    news.speak()

    @app.get("/", include_in_schema=False)
    async def home(request: Request) -> Response:
        viewer = await viewer_of(screens, request)
        if viewer is None:
            return RedirectResponse("/sign-in", 303)
        return RedirectResponse(_home(screens, viewer), 303)

    for page in PAGES:
        _add(screens, page)
    pages.add_middleware(PagePolicy)
    pages.on_exception(lambda error: _log.error("a page failed", error=repr(error)))
    pages.exception_handler(404)(_no_such_page)
    core.sio.eio.cors_allowed_origins = None  # only the page's own origin may open its socket
    pages.config.quasar_config["loadingBar"] = {"skipHijack": True}
    ui.run_with(
        app, title="bothways", dark=None, tailwind=False, show_welcome_message=False, reconnect_timeout=10.0,
        binding_refresh_interval=None,
    )  # fmt: skip
    app.router.routes[-1] = _Pages("/", app=pages)


def _add(screens: Screens, page: ScreenPage) -> None:
    @ui.page(page.path, response_timeout=_PATIENCE_S)
    async def answer(request: Request) -> Response | None:
        return await show(screens, request, lambda viewer: page.build(screens, viewer, request))


async def _site(screens: Screens, viewer: Viewer, request: Request) -> None:
    site_id = str(request.path_params["site_id"])
    page = SitePage(screens, viewer, site_id)
    page.look()
    with frame(screens, viewer, viewer.words("Site {name}", name=site_id)):
        page.build()


async def _sites(screens: Screens, viewer: Viewer, _: Request) -> None:
    with frame(screens, viewer, viewer.words("Sites"), "/sites"):
        SitesPage(screens, viewer).build()


async def _people(screens: Screens, viewer: Viewer, request: Request) -> None:
    viewer.actor.require(Action.ACCOUNT_MANAGE)
    with frame(screens, viewer, viewer.words("People"), "/people"):
        await PeoplePage(screens, viewer, f"{screens.public_url or str(request.base_url).rstrip('/')}/").build()


async def _driver(screens: Screens, viewer: Viewer, request: Request) -> None:
    holder, evse = request.query_params.get("holder", ""), request.query_params.get("evse", "")
    known = screens.desk.holders(viewer.actor)
    if evse:
        holder = screens.desk.holder_at(viewer.actor, evse)
    elif not holder and len(known) == 1 and not is_staff(viewer.actor):
        holder = known[0][0]
    if not holder:
        viewer.actor.require(Action.NEED_SET, *viewer.actor.scopes_for(Action.NEED_SET))
        with frame(screens, viewer, viewer.words("Vehicle"), "/driver", narrow=True):
            await ChoosePage(screens, viewer).build()
        return
    page = DriverPage(screens, viewer, holder)
    await page.load()
    with frame(screens, viewer, viewer.words("Vehicle {name}", name=holder), "/driver", narrow=True):
        await page.build()


async def viewer_of(screens: Screens, request: Request) -> Viewer | None:
    """Who is looking, by the session's cookie; ``None`` for nobody who is signed in."""
    token = request.cookies.get(COOKIE, "")
    account = await screens.access.actor(token) if token else None
    if account is None:
        return None
    words = words_for(request) if account.language == "en" else Words(account.language)
    return Viewer(account.actor(), token, words)


async def show(screens: Screens, request: Request, build: Build) -> Response | None:
    """Builds a page for whoever is signed in; sends others to the sign-in, and says plainly what is not there."""
    viewer = await viewer_of(screens, request)
    if viewer is None:
        return RedirectResponse("/sign-in", 303)
    _speak(viewer.words.language)
    try:
        await build(viewer)
    except (Unknown, NotAllowed):
        return not_found(viewer.words)
    except BothwaysError as error:
        return forms.page(viewer.words, viewer.words("Not possible now"), f"<p>{escape(str(error))}</p>", 503)
    except Exception as error:  # noqa: BLE001 - a person sees a sentence, the log the rest
        _log.exception("a page could not be built", path=request.url.path, error=repr(error))
        text = viewer.words("This is a defect of bothways; it was logged. Other pages may work.")
        return forms.page(viewer.words, viewer.words("Something went wrong"), f"<p>{escape(text)}</p>", 500)
    return None


def _speak(language: str) -> None:
    """Gives this page, and only this one, its language."""
    client = ui.context.client
    client.page = copy.copy(client.page)
    client.page.language = _QUASAR[language]  # type: ignore[assignment]


def not_found(words: Words) -> Response:
    """The same answer for what does not exist and for what is somebody else's."""
    text = words("There is nothing here, or it is not yours to see.")
    body = f'<p>{escape(text)}</p><p><a href="/">{escape(words("Back to my page"))}</a></p>'
    return forms.page(words, words("Not found"), body, 404)


async def _no_such_page(request: Request, _: Exception) -> Response:
    return not_found(words_for(request))


def _home(screens: Screens, viewer: Viewer) -> str:
    """Where somebody begins: the only site, all sites, the vehicle, what the role has, or one's own account."""
    sites = screens.desk.sites(viewer.actor)
    if len(sites) == 1:
        return f"/site/{sites[0].site_id}"
    found = destinations(screens, viewer)
    return found[0][1] if found else "/account"


def _sees(action: Action) -> Callable[[Actor], bool]:
    return lambda actor: bool(actor.scopes_for(action))


def _oversees_stations(actor: Actor) -> bool:
    """Who installs sees installations, not everything that stands at a site."""
    return bool(actor.scopes_for(Action.STATION_VIEW) & actor.scopes_for(Action.SITE_VIEW))


PAGES = (
    ScreenPage("/sites", _sites, later("Sites"), _sees(Action.SITE_VIEW)),
    ScreenPage("/power", power_screen, later("Power"), sees_power_alone),
    ScreenPage("/site/{site_id}", _site),
    ScreenPage("/site/{site_id}/island", island_screen),
    ScreenPage("/driver", _driver, later("Vehicle"), _sees(Action.NEED_SET)),
    ScreenPage("/stations", stations_screen, later("Stations"), _oversees_stations),
    ScreenPage("/station/{station_id:path}", station_screen),
    ScreenPage("/installations", installations_screen, later("Installations"), _sees(Action.STATION_ADD)),
    ScreenPage("/installation/{station_id:path}", installation_screen),
    ScreenPage("/audit", audit_screen, later("Audit log"), _sees(Action.AUDIT_VIEW)),
    ScreenPage("/people", _people, later("People"), lambda actor: actor.may(Action.ACCOUNT_MANAGE)),
)
"""Every page; their links stand at the top in this order. A new page is one line here."""
