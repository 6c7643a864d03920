"""Signing in and out: a cookie for browsers, a bearer token for programs; who is asking."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from bothways.adapters.http.faults import Fault
from bothways.adapters.http.paging import Paging
from bothways.operations.access.accounts import Access, Account, SignInRefused, token_hash
from bothways.operations.access.roles import Action, Actor, Grant, Role

COOKIE = "bothways_session"
CSRF_HEADER = "x-csrf-token"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

router = APIRouter(tags=["access"])


class Body(BaseModel):
    """A request body: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")


class SignIn(Body):
    """Name, password and, where a second factor is set, its code."""

    name: Annotated[str, Field(max_length=64)]
    password: Annotated[str, Field(max_length=256)]
    code: Annotated[str, Field(max_length=12)] = ""


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


class Invitation(Body):
    """A new account to be."""

    name: Annotated[str, Field(min_length=2, max_length=64)]
    grants: Annotated[list[GrantModel], Field(min_length=1, max_length=50)]


class Invited(BaseModel):
    """The invitation's token, shown once; the link is ``/invitation/TOKEN``."""

    account_id: str
    token: str


class Acceptance(Body):
    """An invitation taken up."""

    token: Annotated[str, Field(max_length=128)]
    password: Annotated[str, Field(max_length=256)]


class TokenRequest(Body):
    """A token for a program, with the rights of the account that asks for it."""

    label: Annotated[str, Field(min_length=1, max_length=64)]
    days: Annotated[int, Field(ge=1, le=365)] = 90


class Token(BaseModel):
    """A token, shown once."""

    token: str


class AccountModel(BaseModel):
    """An account as administrators see it."""

    account_id: str
    name: str
    disabled: bool
    second_factor: bool
    grants: list[GrantModel]


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


@router.post("/session", status_code=201, summary="Sign in")
async def sign_in(request: Request, response: Response, form: SignIn) -> Me:
    """Opens a session: sets the cookie, and returns the CSRF token that changes need beside it."""
    source = request.client.host if request.client else ""
    account, token = await access_of(request).sign_in(form.name, form.password, form.code, source=source)
    secure = bool(request.app.state.secure_cookies)
    response.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=secure, path="/", max_age=43_200)
    return _me(account, csrf_token(token))


@router.get("/session", summary="Who is signed in")
async def who(asking: Asking) -> Me:
    """The account behind the session or token."""
    return _me(asking.account, csrf_token(asking.token))


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


@router.get("/accounts", summary="All accounts")
async def accounts(request: Request, asking: Asking, page: Paging) -> list[AccountModel]:
    """For administrators, by name."""
    asking.actor.require(Action.ACCOUNT_MANAGE)
    found = [_account(item) for item in await access_of(request).store.accounts()]
    return page.of(found, lambda item: (item.name.casefold(),))


@router.post("/invitations", status_code=201, summary="Invite somebody")
async def invite(request: Request, asking: Asking, form: Invitation) -> Invited:
    """Creates an account without password, and the token of its invitation link, valid for three days."""
    asking.actor.require(Action.ACCOUNT_MANAGE)
    grants = [Grant(item.role, item.scope) for item in form.grants]
    account, token = await access_of(request).invite(form.name, grants)
    return Invited(account_id=account.account_id, token=token)


@router.post("/invitations/accept", status_code=201, summary="Take up an invitation")
async def accept(request: Request, form: Acceptance) -> AccountModel:
    """Sets the first password; the invitation is used up."""
    return _account(await access_of(request).accept(form.token, form.password))


def _grants(account: Account) -> list[GrantModel]:
    return [GrantModel(role=grant.role, scope=grant.scope) for grant in account.grants]


def _account(account: Account) -> AccountModel:
    return AccountModel(
        account_id=account.account_id,
        name=account.name,
        disabled=account.disabled,
        second_factor=bool(account.totp_secret),
        grants=_grants(account),
    )


def _me(account: Account, csrf: str) -> Me:
    return Me(
        account_id=account.account_id,
        name=account.name,
        language=account.language,
        second_factor=bool(account.totp_secret),
        grants=_grants(account),
        csrf_token=csrf,
    )
