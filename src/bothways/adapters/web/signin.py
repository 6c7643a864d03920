"""Signing in and out, and taking up an invitation: plain HTML forms that work without any script."""

from __future__ import annotations

from html import escape
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from bothways.adapters.http.session import COOKIE, access_of, browser_of, open_session, service_of, source_of
from bothways.adapters.web import account_page, openid
from bothways.adapters.web.forms import PASSKEYS, alert, from_here, page, passkey_told, script
from bothways.adapters.web.words import Words, words_for
from bothways.domain.errors import InputError
from bothways.operations.access.accounts import SignInRefused
from bothways.operations.access.federation import Federation

router = APIRouter(include_in_schema=False, dependencies=[Depends(from_here)])
router.include_router(account_page.router)
router.include_router(openid.router)


def _providers(request: Request, words: Words, query: str = "") -> str:
    """Links to the OpenID providers."""
    links = [
        f'<p><a class="way" href="/sign-in/openid/{escape(name)}{query}">'
        f"{escape(words('Continue with {provider}', provider=label))}</a></p>"
        for name, label in service_of(request, Federation).ways()
    ]
    return "".join(links)


def _form(request: Request, words: Words, told: str, name: str = "", status: int = 200) -> HTMLResponse:
    body = f"""{alert(told)}{passkey_told(words)}<form method="post" action="/sign-in">
<label for="name">{escape(words("Name"))}</label>
<input id="name" name="name" autocomplete="username" required maxlength="64" value="{escape(name)}" autofocus>
<label for="password">{escape(words("Password"))}</label>
<input id="password" name="password" type="password" autocomplete="current-password" required maxlength="256">
<label for="code">{escape(words("Code of the second factor, if you have one"))}</label>
<input id="code" name="code" autocomplete="one-time-code" maxlength="32">
<button>{escape(words("Sign in"))}</button></form>
<button type="button" class="other" data-passkey="sign-in" hidden>{escape(words("Use a passkey"))}</button>
{_providers(request, words)}"""
    return page(words, words("Sign in"), body, status, passkeys=True)


@router.get("/sign-in")
async def show(request: Request) -> Response:
    """The form."""
    return _form(request, words_for(request), "")


@router.get(PASSKEYS)
async def passkeys_script() -> Response:
    """The only script of these pages."""
    return Response(script(), media_type="text/javascript", headers={"cache-control": "no-cache"})


@router.post("/sign-in")
async def sign_in(
    request: Request,
    name: Annotated[str, Form(max_length=64)] = "",
    password: Annotated[str, Form(max_length=256)] = "",
    code: Annotated[str, Form(max_length=32)] = "",
) -> Response:
    """Opens a session, or says that something was not right, and nothing more."""
    words = words_for(request)
    try:
        account, token = await access_of(request).sign_in(
            name, password, code, source=source_of(request), label=browser_of(request)
        )
    except SignInRefused as refused:
        text = words("The name, the password or the code is not right.")
        if refused.wait_s > 0.0:
            text += " " + words("Try again in {seconds} s.", seconds=int(refused.wait_s) + 1)
        return _form(request, words, text, name, 429 if refused.wait_s > 0.0 else 401)
    answer = RedirectResponse("/", 303)
    open_session(request, answer, account, token)
    return answer


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
    return _invitation(request, words_for(request), token, "")


def _invitation(request: Request, words: Words, token: str, told: str, status: int = 200) -> HTMLResponse:
    body = f"""{alert(told)}<form method="post" action="/invitation/{escape(token)}">
<label for="password">{escape(words("A password of at least 12 characters; several words are good"))}</label>
<input id="password" name="password" type="password" autocomplete="new-password" required minlength="12"
 maxlength="256" autofocus>
<button>{escape(words("Set the password"))}</button></form>
{_providers(request, words, f"?invitation={escape(token)}")}"""
    return page(words, words("Welcome"), body, status)


@router.post("/invitation/{token}")
async def accept(request: Request, token: str, password: Annotated[str, Form(max_length=256)] = "") -> Response:
    """Sets the password and signs in; the invitation is used up."""
    words = words_for(request)
    access = access_of(request)
    try:
        account = await access.accept(token, password)
    except SignInRefused:
        told = words("This invitation is not valid any more. Ask for a new one.")
        return _invitation(request, words, token, told, 410)
    except InputError as error:
        told = "; ".join(f"{p.allowed}: {p.remedy}" for p in error.problems)
        return _invitation(request, words, token, told, 422)
    answer = RedirectResponse("/", 303)
    label = browser_of(request)
    open_session(request, answer, account, await access.admit(account, "invitation", source_of(request), label))
    return answer
