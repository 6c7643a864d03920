"""Signing in and out, and taking up an invitation: plain HTML forms that need no script."""

from __future__ import annotations

from html import escape
from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from bothways.adapters.http.session import COOKIE, access_of
from bothways.adapters.web.frame import style
from bothways.adapters.web.words import Words, words_for
from bothways.domain.errors import InputError
from bothways.operations.access.accounts import SESSION_LIFE, SignInRefused


def _from_here(request: Request) -> None:
    """Refuses forms that another site's page sends, so that nobody is signed in or out without wanting it."""
    came_from = request.headers.get("sec-fetch-site", "same-origin")
    if request.method == "POST" and came_from not in {"same-origin", "none"}:
        raise HTTPException(403, "This form was sent by another site's page.")


router = APIRouter(include_in_schema=False, dependencies=[Depends(_from_here)])

_POLICY = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


def page(words: Words, title: str, body: str, status: int = 200) -> HTMLResponse:
    """A small page with one form."""
    html = (
        f'<!doctype html><html lang="{words.language}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)} · bothways</title>'
        f'<style>{style("forms")}</style></head><body><main><p class="brand">bothways</p>'
        f"<h1>{escape(title)}</h1>{body}</main></body></html>"
    )
    return HTMLResponse(html, status, headers={"content-security-policy": _POLICY, "cache-control": "no-store"})


def _form(words: Words, alert: str, name: str = "", status: int = 200) -> HTMLResponse:
    told = f'<p role="alert">{escape(alert)}</p>' if alert else ""
    body = f"""{told}<form method="post" action="/sign-in">
<label for="name">{escape(words("Name"))}</label>
<input id="name" name="name" autocomplete="username" required maxlength="64" value="{escape(name)}" autofocus>
<label for="password">{escape(words("Password"))}</label>
<input id="password" name="password" type="password" autocomplete="current-password" required maxlength="256">
<label for="code">{escape(words("Code of the second factor, if you have one"))}</label>
<input id="code" name="code" inputmode="numeric" autocomplete="one-time-code" maxlength="12">
<button>{escape(words("Sign in"))}</button></form>"""
    return page(words, words("Sign in"), body, status)


@router.get("/sign-in")
async def show(request: Request) -> Response:
    """The form."""
    return _form(words_for(request), "")


@router.post("/sign-in")
async def sign_in(
    request: Request,
    name: Annotated[str, Form(max_length=64)] = "",
    password: Annotated[str, Form(max_length=256)] = "",
    code: Annotated[str, Form(max_length=12)] = "",
) -> Response:
    """Opens a session, or says that something was not right, and nothing more."""
    words = words_for(request)
    source = request.client.host if request.client else ""
    try:
        _, token = await access_of(request).sign_in(name, password, code, source=source)
    except SignInRefused as refused:
        text = words("The name, the password or the code is not right.")
        if refused.wait_s > 0.0:
            text += " " + words("Try again in {seconds} s.", seconds=int(refused.wait_s) + 1)
        return _form(words, text, name, 429 if refused.wait_s > 0.0 else 401)
    answer = RedirectResponse("/", 303)
    _set_cookie(request, answer, token)
    return answer


def _set_cookie(request: Request, answer: Response, token: str) -> None:
    secure = bool(request.app.state.secure_cookies)
    life = int(SESSION_LIFE.total_seconds())
    answer.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=secure, path="/", max_age=life)


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """Ends the session at once. The cookie is same-site strict, so that no other page can do this."""
    token = request.cookies.get(COOKIE, "")
    if token:
        await access_of(request).sign_out(token)
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(COOKIE, path="/")
    return answer


@router.get("/invitation/{token}")
async def invitation(request: Request, token: str) -> Response:
    """The form in which an invited person sets the first password."""
    return _invitation(words_for(request), token, "")


def _invitation(words: Words, token: str, alert: str, status: int = 200) -> HTMLResponse:
    told = f'<p role="alert">{escape(alert)}</p>' if alert else ""
    body = f"""{told}<form method="post" action="/invitation/{escape(token)}">
<label for="password">{escape(words("A password of at least 12 characters; several words are good"))}</label>
<input id="password" name="password" type="password" autocomplete="new-password" required minlength="12"
 maxlength="256" autofocus>
<button>{escape(words("Set the password"))}</button></form>"""
    return page(words, words("Welcome"), body, status)


@router.post("/invitation/{token}")
async def accept(request: Request, token: str, password: Annotated[str, Form(max_length=256)] = "") -> Response:
    """Sets the password and signs in; the invitation is used up."""
    words = words_for(request)
    access = access_of(request)
    try:
        account = await access.accept(token, password)
    except SignInRefused:
        return _invitation(words, token, words("This invitation is not valid any more. Ask for a new one."), 410)
    except InputError as error:
        return _invitation(words, token, "; ".join(f"{p.allowed}: {p.remedy}" for p in error.problems), 422)
    answer = RedirectResponse("/", 303)
    _set_cookie(request, answer, await access.open(account, "session", SESSION_LIFE))
    return answer
