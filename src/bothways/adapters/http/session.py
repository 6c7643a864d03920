"""Signing in and out: a cookie for browsers, a bearer token for programs; who is asking."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from bothways.adapters.http.faults import Fault
from bothways.operations.access.accounts import SESSION_LIFE, Access, Account, SignInRefused, token_hash
from bothways.operations.access.federation import Federation
from bothways.operations.access.passkeys import Passkeys, Place
from bothways.operations.access.roles import Actor, Grant, Role

COOKIE = "bothways_session"
CSRF_HEADER = "x-csrf-token"
_BROWSERS = (
    ("Edg", "Firefox", "Chrome", "Safari", "curl", "python"),
    ("Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux"),
)
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

router = APIRouter(tags=["access"])


class Body(BaseModel):
    """A request body: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")


class SignIn(Body):
    """Name, password and, where a second factor is set, its code."""

    name: Annotated[str, Field(max_length=64)]
    password: Annotated[str, Field(max_length=256)]
    code: Annotated[str, Field(max_length=32)] = ""


class GrantModel(Body):
    """A role within a scope: ``site:ID``, ``token:ID`` or ``*``."""

    role: Role
    scope: Annotated[str, Field(pattern=r"^(\*|site:[A-Za-z0-9_.-]{1,48}|token:[\x21-\x7e]{1,36})$")]


class Me(BaseModel):
    """Who is signed in."""

    account_id: str
    name: str
    language: str
    second_factor: bool
    grants: list[GrantModel]
    csrf_token: str | None = None


class TokenRequest(Body):
    """A token for a program, with the rights of the account that asks for it."""

    label: Annotated[str, Field(min_length=1, max_length=64)]
    days: Annotated[int, Field(ge=1, le=365)] = 90


class Token(BaseModel):
    """A token, shown once."""

    token: str


class PasskeyAnswer(Body):
    """What ``navigator.credentials.get`` answered, with the ticket of its question."""

    ticket: Annotated[str, Field(max_length=2000)]
    answer: dict[str, Any]


class Question(BaseModel):
    """A ticket, and the options for ``navigator.credentials`` (binary values in base64url)."""

    ticket: str
    options: dict[str, Any]


class Way(BaseModel):
    """An OpenID provider; a browser begins at its address."""

    name: str
    label: str
    address: str


class Ways(BaseModel):
    """How one can sign in here."""

    password: bool = True
    passkey: bool
    providers: list[Way]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking: the account, and the token it came with."""

    account: Account
    actor: Actor
    token: str


def csrf_token(token: str) -> str:
    """What a browser must repeat in a header when it changes something; derived from the session's token."""
    return token_hash(f"csrf:{token}")[:32]


def access_of(request: Request) -> Access:
    """The application's access rules."""
    access: Access = request.app.state.access
    return access


K = TypeVar("K")


def service_of(request: Request, kind: type[K]) -> K:
    """A use case that the application was built with."""
    found: K = request.app.state.services[kind]
    return found


async def caller(request: Request) -> Caller:
    """Who is asking.

    Raises:
        Fault: 401 without a valid session or token; 403 where a browser changes something without the CSRF token.
    """
    header = request.headers.get("authorization", "")
    from_cookie = not header
    token = request.cookies.get(COOKIE, "") if from_cookie else header.removeprefix("Bearer ").strip()
    account = await access_of(request).actor(token) if token else None
    if account is None:
        raise Fault(
            401, "Not signed in", "This needs a session or a token.", "POST /api/v1/session first.",
            {"WWW-Authenticate": "Bearer"},
        )  # fmt: skip
    if from_cookie and request.method not in _SAFE:
        given = request.headers.get(CSRF_HEADER, "")
        if not hmac.compare_digest(given.encode(), csrf_token(token).encode()):
            raise Fault(403, "Forged request", f"The header {CSRF_HEADER} is missing or wrong.", "Send it.")
    return Caller(account, account.actor(), token)


Asking = Annotated[Caller, Depends(caller)]


def place_of(request: Request) -> Place:
    """Where people reach the server, as their browser says it."""
    return Place(request.app.state.public_url or str(request.base_url).rstrip("/"))


def source_of(request: Request) -> str:
    """The address that a request comes from."""
    return request.client.host if request.client else ""


def browser_of(request: Request) -> str:
    """The browser in words that a person recognises in a list.

    >>> browser_of(Request({"type": "http", "headers": [(b"user-agent", b"Mozilla/5.0 (X11; Linux) Firefox/1")]}))
    'Firefox, Linux'
    """
    said = request.headers.get("user-agent", "")
    names = [next((word for word in words if word in said), "") for words in _BROWSERS]
    return ", ".join(name for name in names if name) or said[:40]


def open_session(request: Request, response: Response, account: Account, token: str) -> Me:
    """Sets the session's cookie; returns who it is, with the CSRF token."""
    secure, life = bool(request.app.state.secure_cookies), int(SESSION_LIFE.total_seconds())
    response.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=secure, path="/", max_age=life)
    return me_of(account, csrf_token(token))


@router.get("/session/ways", summary="How one can sign in")
async def ways(request: Request) -> Ways:
    """For whoever is not signed in yet."""
    found = service_of(request, Federation).ways()
    listed = [Way(name=name, label=label, address=f"/sign-in/openid/{name}") for name, label in found]
    return Ways(passkey=True, providers=listed)


@router.post("/session", status_code=201, summary="Sign in")
async def sign_in(request: Request, response: Response, form: SignIn) -> Me:
    """Opens a session: sets the cookie, and returns the CSRF token that changes need beside it.

    ``code`` is the authenticator's, or a recovery code.
    """
    account, token = await access_of(request).sign_in(
        form.name, form.password, form.code, source=source_of(request), label=browser_of(request)
    )
    return open_session(request, response, account, token)


@router.post("/session/passkey/question", summary="Begin to sign in with a passkey")
async def question(request: Request) -> Question:
    """Valid for five minutes, once."""
    ticket, options = service_of(request, Passkeys).question(place_of(request))
    return Question(ticket=ticket, options=dict(options))


@router.post("/session/passkey", status_code=201, summary="Sign in with a passkey")
async def sign_in_by_passkey(request: Request, response: Response, form: PasskeyAnswer) -> Me:
    """Opens a session like a password does; the authenticator has made sure of the person, so no code is asked for."""
    account, token = await service_of(request, Passkeys).sign_in(
        place_of(request), form.ticket, form.answer, source=source_of(request), label=browser_of(request)
    )
    return open_session(request, response, account, token)


@router.get("/session", summary="Who is signed in")
async def who(asking: Asking) -> Me:
    """The account behind the session or token."""
    return me_of(asking.account, csrf_token(asking.token))


@router.delete("/session", status_code=204, summary="Sign out")
async def sign_out(request: Request, response: Response, asking: Asking) -> None:
    """Ends the session at once."""
    await access_of(request).sign_out(asking.token)
    response.delete_cookie(COOKIE, path="/")


@router.post("/tokens", status_code=201, summary="Make a token for a program")
async def make_token(request: Request, asking: Asking, form: TokenRequest) -> Token:
    """A token with the rights of the account; it is shown once. Only a session makes one, not another token."""
    try:
        token = await access_of(request).open_token(asking.token, timedelta(days=form.days), form.label)
    except SignInRefused as refused:
        raise Fault(
            403, "Not allowed", "A token makes no further tokens.", "Sign in with name and password."
        ) from refused
    return Token(token=token)


@router.delete("/sessions", status_code=204, summary="End all sessions and tokens of the account")
async def end_all(request: Request, asking: Asking) -> None:
    """For a lost phone: everything that is signed in as this account is signed out."""
    await access_of(request).store.close_sessions(asking.account.account_id)


def grants_of(grants: Sequence[Grant]) -> list[GrantModel]:
    """Grants as the API tells them."""
    return [GrantModel(role=grant.role, scope=grant.scope) for grant in grants]


def me_of(account: Account, csrf: str) -> Me:
    """An account as it sees itself."""
    return Me(
        account_id=account.account_id,
        name=account.name,
        language=account.language,
        second_factor=bool(account.totp_secret),
        grants=grants_of(account.grants),
        csrf_token=csrf,
    )
