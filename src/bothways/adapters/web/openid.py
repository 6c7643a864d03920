"""Signing in through an OpenID provider, in the browser: there, and back."""

from __future__ import annotations

from html import escape
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from bothways.adapters.http.session import COOKIE, browser_of, open_session, place_of, service_of, source_of
from bothways.adapters.web.forms import page
from bothways.adapters.web.words import Words, words_for
from bothways.domain.errors import InputError
from bothways.operations.access.accounts import SignInAgain, SignInRefused
from bothways.operations.access.federation import Federation

FLOW = "bothways_flow"
_PATH = "/sign-in/openid"
_LIFE_S = 600
router = APIRouter(prefix=_PATH)


@router.get("/{name}")
async def begin(
    request: Request,
    name: str,
    link: bool = False,
    invitation: Annotated[str, Query(max_length=128)] = "",
) -> Response:
    """Sends the browser to the provider; what belongs to this sign-in stays in a cookie that only this path gets."""
    words = words_for(request)
    session = request.cookies.get(COOKIE, "") if link else ""
    if link and request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return _refused(words)  # another site's page does not link anybody's account
    redirect = f"{place_of(request).origin}{_PATH}/{name}/back"
    try:
        if link and not session:
            raise SignInAgain
        address, sealed = await service_of(request, Federation).begin(
            name, redirect, session=session, invitation=invitation
        )
    except SignInAgain:
        text = words("This needs a sign-in within the last 15 minutes.")
        return page(words, words("Sign in again"), f"<p>{escape(text)}</p>{_back(words)}", 403)
    except SignInRefused:
        return _refused(words)
    answer = RedirectResponse(address, 303)
    secure = bool(request.app.state.secure_cookies)
    answer.set_cookie(FLOW, sealed, httponly=True, samesite="lax", secure=secure, path=_PATH, max_age=_LIFE_S)
    return answer


@router.get("/{name}/back")
async def back(
    request: Request, state: Annotated[str, Query(max_length=200)] = "",
    code: Annotated[str, Query(max_length=4000)] = "",
) -> Response:  # fmt: skip
    """Where the provider sends the browser.

    A page goes on from here by itself: on a redirect that began at another site, browsers do not send the cookie.
    """
    words = words_for(request)
    try:
        account, token = await service_of(request, Federation).finish(
            request.cookies.get(FLOW, ""), state, code, source=source_of(request), label=browser_of(request)
        )
    except (SignInRefused, InputError):
        answer = _refused(words)
    else:
        body = f'<p>{escape(words("Signed in."))}</p><p><a href="/">{escape(words("Go on"))}</a></p>'
        answer = page(words, words("Welcome"), body)
        answer.headers["refresh"] = "0; url=/"
        open_session(request, answer, account, token)
    answer.delete_cookie(FLOW, path=_PATH)
    return answer


def _refused(words: Words) -> Response:
    text = words("This sign-in opens no account here. Ask for an invitation, or link it on your account page.")
    return page(words, words("Not signed in"), f"<p>{escape(text)}</p>{_back(words)}", 403)


def _back(words: Words) -> str:
    return f'<p><a href="/sign-in">{escape(words("Sign in"))}</a></p>'
