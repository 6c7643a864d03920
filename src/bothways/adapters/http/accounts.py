"""Accounts and invitations over HTTP, for administrators."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field

from bothways.adapters.http.description import takes_if_match
from bothways.adapters.http.paging import Paging
from bothways.adapters.http.session import Asking, Body, GrantModel, access_of, service_of
from bothways.adapters.http.sites import desk_of
from bothways.adapters.http.tags import replacing, tagged
from bothways.operations.access.factors import SecondFactors
from bothways.operations.desk.people import AccountView, People

router = APIRouter(tags=["accounts"])
Id = Annotated[str, Path(max_length=64)]
Grants = Annotated[list[GrantModel], Field(min_length=1, max_length=50)]


class Invitation(Body):
    """A new account to be; ``email`` lets an OpenID provider with the same verified address open it, once."""

    name: Annotated[str, Field(min_length=2, max_length=64)]
    grants: Grants
    email: Annotated[str, Field(max_length=255)] = ""


class Invited(BaseModel):
    """The invitation's token, shown once; the link is ``/invitation/TOKEN``, valid for three days."""

    account_id: str
    token: str


class Acceptance(Body):
    """An invitation taken up."""

    token: Annotated[str, Field(max_length=128)]
    password: Annotated[str, Field(max_length=256)]


class Accepted(BaseModel):
    """Whose invitation was taken up."""

    account_id: str
    name: str


class NewGrants(Body):
    """All roles of an account."""

    grants: Grants


def _people(request: Request) -> People:
    return People(access_of(request), desk_of(request))


def _wanted(grants: list[GrantModel]) -> list[tuple[str, str]]:
    return [(item.role.value, item.scope) for item in grants]


@router.get("/accounts", summary="All accounts")
async def accounts(request: Request, asking: Asking, page: Paging) -> list[AccountView]:
    """By name."""
    return page.of(await _people(request).accounts(asking.actor), lambda item: (item.name.casefold(),))


@router.get("/accounts/{account_id}", summary="An account")
async def account(request: Request, response: Response, asking: Asking, account_id: Id) -> AccountView:
    """What it may do, and whether it was taken up."""
    return tagged(response, await _people(request).account(asking.actor, account_id))


@router.put("/accounts/{account_id}/grants", summary="Change what an account may do", openapi_extra=takes_if_match())
async def change_grants(
    request: Request, response: Response, asking: Asking, account_id: Id, form: NewGrants
) -> AccountView:
    """Replaces all roles; holds from the account's next request on. Its ``ETag`` is the account's."""
    people = _people(request)
    async with replacing(request, lambda: people.account(asking.actor, account_id)):
        return tagged(response, await people.change_grants(asking.actor, account_id, _wanted(form.grants)))


@router.post("/accounts/{account_id}/disable", status_code=204, summary="Send somebody away")
async def disable(request: Request, asking: Asking, account_id: Id) -> None:
    """Ends all sessions and tokens at once; the account signs in no more."""
    await _people(request).disable(asking.actor, account_id)


@router.post("/accounts/{account_id}/enable", status_code=204, summary="Let somebody in again")
async def enable(request: Request, asking: Asking, account_id: Id) -> None:
    """Password and second factor are as they were."""
    await _people(request).enable(asking.actor, account_id)


@router.post("/accounts/{account_id}/invite", status_code=201, summary="A new invitation")
async def invite_again(request: Request, asking: Asking, account_id: Id) -> Invited:
    """For a lost link or password; ends the sessions of the account and the invitation before."""
    return Invited(account_id=account_id, token=await _people(request).invite_again(asking.actor, account_id))


@router.delete("/accounts/{account_id}/second-factor", status_code=204, summary="Remove a lost second factor")
async def remove_factor(request: Request, asking: Asking, account_id: Id) -> None:
    """For somebody who lost phone and recovery codes, after you made sure who it is."""
    other = await _people(request).other(asking.actor, account_id)
    await service_of(request, SecondFactors).remove(other, asking.actor.name)


@router.post("/invitations", status_code=201, summary="Invite somebody")
async def invite(request: Request, asking: Asking, form: Invitation) -> Invited:
    """Creates an account without password, and the token of its invitation link, valid for three days."""
    view, token = await _people(request).invite(asking.actor, form.name, _wanted(form.grants), form.email)
    return Invited(account_id=view.account_id, token=token)


@router.post("/invitations/accept", status_code=201, summary="Take up an invitation")
async def accept(request: Request, form: Acceptance) -> Accepted:
    """Sets the first password; the invitation is used up. Sign in with it afterwards."""
    taken = await access_of(request).accept(form.token, form.password)
    return Accepted(account_id=taken.account_id, name=taken.name)
