"""One's own account over HTTP: sessions, password, second factor, passkeys, identities."""

from __future__ import annotations

import io
from datetime import datetime
from typing import Annotated, Any

import segno
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field

from bothways.adapters.http.faults import Fault
from bothways.adapters.http.paging import Paging
from bothways.adapters.http.session import (
    Asking,
    Body,
    Me,
    Question,
    browser_of,
    open_session,
    place_of,
    service_of,
)
from bothways.operations.access.factors import SecondFactors
from bothways.operations.access.federation import Federation
from bothways.operations.access.own import Own, OwnSession
from bothways.operations.access.passkeys import Passkeys

router = APIRouter(tags=["own account"], prefix="/account")
LANGUAGES = ("en", "nl")


class Account(BaseModel):
    """One's own account."""

    account_id: str
    name: str
    email: str
    language: str
    password: bool
    second_factor: bool
    recovery_codes_left: int


class Language(Body):
    """Of the screens."""

    language: Annotated[str, Field(max_length=8)]


class NewPassword(Body):
    """The password now and the one to be; ``current`` stays empty where the account has none."""

    current: Annotated[str, Field(max_length=256)] = ""
    new: Annotated[str, Field(max_length=256)]


class SecondFactorSetUp(BaseModel):
    """To scan or to type into an authenticator; nothing holds before its first code."""

    secret: str
    address: str
    qr_svg: str


class Code(Body):
    """What the authenticator shows."""

    code: Annotated[str, Field(max_length=32)]


class RecoveryCodes(BaseModel):
    """Each works once in place of a code; they are shown this once."""

    codes: list[str]


class PasskeyView(BaseModel):
    """A passkey of one's own."""

    credential_id: str
    label: str
    added_at: datetime
    used_at: datetime | None


class NewPasskey(Body):
    """What ``navigator.credentials.create`` answered, with the ticket of its question."""

    ticket: Annotated[str, Field(max_length=2000)]
    label: Annotated[str, Field(max_length=64)] = ""
    answer: dict[str, Any]


class IdentityView(BaseModel):
    """Who one is at an OpenID provider."""

    issuer: str
    email: str
    linked_at: datetime


def qr_svg(address: str) -> str:
    """An address as a QR code: an SVG without script or style of its own."""
    return segno.make(address, error="m").svg_inline(scale=5, border=3, dark="#000", light="#fff", svgclass="qr")


def qr_file(address: str) -> bytes:
    """An address as a QR code: an SVG file of its own."""
    made = io.BytesIO()
    segno.make(address, error="m").save(made, kind="svg", scale=5, border=3, dark="#000", light="#fff")
    return made.getvalue()


def _gone(done: bool, what: str) -> None:
    if not done:
        raise Fault(404, "Not found", f"There is no such {what} of this account.", "Read the list again.")


@router.get("", summary="One's own account")
async def account(request: Request, asking: Asking) -> Account:
    """What is set up."""
    mine = asking.account
    left = await service_of(request, SecondFactors).codes_left(mine.account_id)
    return Account(
        account_id=mine.account_id, name=mine.name, email=mine.email, language=mine.language,
        password=bool(mine.password_hash), second_factor=bool(mine.totp_secret), recovery_codes_left=left,
    )  # fmt: skip


@router.put("/language", status_code=204, summary="Choose the language of the screens")
async def language(request: Request, asking: Asking, form: Language) -> None:
    """``en`` or ``nl``."""
    await service_of(request, Own).speak(asking.account, form.language, LANGUAGES)


@router.put("/password", summary="Change the password")
async def password(request: Request, response: Response, asking: Asking, form: NewPassword) -> Me:
    """Ends every session and token of the account, and opens a new session for whoever did it."""
    changed, token = await service_of(request, Own).change_password(
        asking.token, form.current, form.new, browser_of(request)
    )
    return open_session(request, response, changed, token)


@router.get("/sessions", summary="Where the account is signed in")
async def sessions(request: Request, asking: Asking, page: Paging) -> list[OwnSession]:
    """Browsers and programs' tokens, the earliest first."""
    found = await service_of(request, Own).sessions(asking.account, asking.token)
    return page.of(found, lambda item: (item.opened_at.isoformat(), item.session_id))


@router.delete("/sessions", status_code=204, summary="End all other sessions and tokens")
async def end_others(request: Request, asking: Asking) -> None:
    """Everything but the session that asks."""
    await service_of(request, Own).end_others(asking.account, asking.token)


@router.delete("/sessions/{session_id}", status_code=204, summary="End one session or token")
async def end(request: Request, asking: Asking, session_id: Annotated[str, Path(max_length=64)]) -> None:
    """At once."""
    _gone(await service_of(request, Own).end(asking.account, session_id), "session")


@router.post("/second-factor", summary="Begin to set up a second factor")
async def begin(request: Request, asking: Asking) -> SecondFactorSetUp:
    """Needs a sign-in within the last 15 minutes, as everything here that changes how one signs in."""
    made = await service_of(request, SecondFactors).begin(asking.token)
    return SecondFactorSetUp(secret=made.secret, address=made.address, qr_svg=qr_svg(made.address))


@router.post("/second-factor/confirm", summary="Turn the second factor on")
async def confirm(request: Request, asking: Asking, form: Code) -> RecoveryCodes:
    """With the first code of the authenticator; returns recovery codes for a lost phone."""
    return RecoveryCodes(codes=await service_of(request, SecondFactors).confirm(asking.token, form.code))


@router.delete("/second-factor", status_code=204, summary="Turn the second factor off")
async def turn_off(request: Request, asking: Asking) -> None:
    """The recovery codes end with it."""
    await service_of(request, SecondFactors).turn_off(asking.token)


@router.post("/recovery-codes", summary="New recovery codes")
async def renew(request: Request, asking: Asking) -> RecoveryCodes:
    """Those before work no more."""
    return RecoveryCodes(codes=await service_of(request, SecondFactors).renew_codes(asking.token))


@router.get("/passkeys", summary="One's own passkeys")
async def passkeys(request: Request, asking: Asking, page: Paging) -> list[PasskeyView]:
    """Each signs in by itself, without a password."""
    found = [
        PasskeyView(credential_id=one.credential_id, label=one.label, added_at=one.added_at, used_at=one.used_at)
        for one in await service_of(request, Passkeys).of(asking.account.account_id)
    ]
    return page.of(found, lambda item: (item.added_at.isoformat(), item.credential_id))


@router.post("/passkeys/question", summary="Begin to add a passkey")
async def question(request: Request, asking: Asking) -> Question:
    """Options for ``navigator.credentials.create``."""
    ticket, options = await service_of(request, Passkeys).begin(asking.token, place_of(request))
    return Question(ticket=ticket, options=dict(options))


@router.post("/passkeys", status_code=201, summary="Add a passkey")
async def add_passkey(request: Request, asking: Asking, form: NewPasskey) -> PasskeyView:
    """Checks what the browser made, and keeps its public key."""
    made = await service_of(request, Passkeys).finish(
        asking.token, place_of(request), form.ticket, form.label, form.answer
    )
    return PasskeyView(credential_id=made.credential_id, label=made.label, added_at=made.added_at, used_at=None)


@router.delete("/passkeys/{credential_id}", status_code=204, summary="Remove a passkey")
async def remove_passkey(
    request: Request, asking: Asking, credential_id: Annotated[str, Path(max_length=1400)]
) -> None:
    """It opens nothing from now on."""
    _gone(await service_of(request, Passkeys).remove(asking.token, credential_id), "passkey")


@router.get("/identities", summary="One's own identities at OpenID providers")
async def identities(request: Request, asking: Asking, page: Paging) -> list[IdentityView]:
    """A browser links one at ``/sign-in/openid/NAME?link=1``."""
    found = [
        IdentityView(issuer=one.issuer, email=one.email, linked_at=one.linked_at)
        for one in await service_of(request, Federation).of(asking.account.account_id)
    ]
    return page.of(found, lambda item: (item.issuer, item.linked_at.isoformat()))


@router.delete("/identities", status_code=204, summary="Unlink an identity")
async def unlink(request: Request, asking: Asking, issuer: Annotated[str, Query(max_length=500)]) -> None:
    """The provider signs nobody in to this account any more."""
    _gone(await service_of(request, Federation).unlink(asking.token, issuer), "identity")
