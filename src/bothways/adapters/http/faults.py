"""Errors as ``application/problem+json`` (RFC 9457): what is wrong, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from bothways.domain.errors import BothwaysError, DomainError, GatewayError, InputError, StoreError
from bothways.operations.access.accounts import SignInAgain, SignInRefused
from bothways.operations.access.roles import NotAllowed
from bothways.operations.desk.desk import Unknown

_SECRET = ("password", "token", "code")
_EACH = "Each problem says what is allowed and what to do."
_REMEDIES = {
    404: "Addresses are listed in /api/openapi.json.",
    405: "Methods are listed in /api/openapi.json.",
}
MEDIA_TYPE = "application/problem+json"


class Fault(BothwaysError):  # noqa: N818 - RFC 9457 calls it a problem, which is another class here
    """A fault with its HTTP status."""

    def __init__(
        self, status: int, title: str, detail: str, remedy: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        self.status, self.title, self.detail, self.remedy = status, title, detail, remedy
        self.headers = dict(headers or {})
        super().__init__(detail)


def body(status: int, title: str, detail: str, remedy: str = "", **more: object) -> dict[str, object]:
    """The JSON object of a fault."""
    content: dict[str, object] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if remedy:
        content["remedy"] = remedy
    return content | more


def _answer(status: int, content: Mapping[str, object], headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(dict(content), status, dict(headers or {}), media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Makes every error of the application a problem document."""

    @app.exception_handler(Fault)
    async def _fault(_: Request, error: Fault) -> JSONResponse:
        return _answer(error.status, body(error.status, error.title, error.detail, error.remedy), error.headers)

    @app.exception_handler(InputError)
    async def _input(_: Request, error: InputError) -> JSONResponse:
        listed = [
            {"where": item.where, "found": item.found, "allowed": item.allowed, "remedy": item.remedy}
            for item in error.problems
        ]
        detail = f"{len(listed)} problem(s) in the input; nothing was changed."
        return _answer(422, body(422, "The input is not right", detail, _EACH, problems=listed))

    @app.exception_handler(RequestValidationError)
    async def _validation(_: Request, error: RequestValidationError) -> JSONResponse:
        listed = [_listed(item) for item in error.errors()]
        detail = f"{len(listed)} problem(s) in the request; nothing was changed."
        return _answer(422, body(422, "The request is not right", detail, _EACH, problems=listed))

    @app.exception_handler(SignInRefused)
    async def _sign_in(_: Request, error: SignInRefused) -> JSONResponse:
        status = 429 if error.wait_s > 0.0 else 401
        headers = {"Retry-After": str(int(error.wait_s) + 1)} if error.wait_s > 0.0 else {}
        remedy = "Wait, then try again." if error.wait_s > 0.0 else "Correct it, or ask an administrator for help."
        return _answer(status, body(status, "Not signed in", str(error), remedy), headers)

    @app.exception_handler(SignInAgain)
    async def _sign_in_again(_: Request, error: SignInAgain) -> JSONResponse:
        remedy = "Sign out, sign in with name and password or a passkey, and do it again."
        return _answer(403, body(403, "Sign in again", f"{error}.", remedy))

    @app.exception_handler(NotAllowed)
    async def _not_allowed(_: Request, error: NotAllowed) -> JSONResponse:
        remedy = "Ask an administrator for a role that includes it."
        return _answer(403, body(403, "Not allowed", f"{error}.", remedy))

    @app.exception_handler(DomainError)
    async def _domain(_: Request, error: DomainError) -> JSONResponse:
        return _answer(409, body(409, "Not possible now", f"{error}.", "Look at the site's state first."))

    @app.exception_handler(Unknown)
    async def _unknown(_: Request, error: Unknown) -> JSONResponse:
        remedy = "Look it up in the list of what you may see."
        return _answer(404, body(404, "Not found", f"{error}.", remedy))

    @app.exception_handler(StoreError)
    async def _store(_: Request, error: StoreError) -> JSONResponse:
        return _answer(503, body(503, "The store is away", str(error), "Try again soon."), {"Retry-After": "5"})

    @app.exception_handler(GatewayError)
    async def _gateway(_: Request, error: GatewayError) -> JSONResponse:
        return _answer(502, body(502, "The station did not do it", str(error), "Look at the station's connection."))

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> JSONResponse:
        title = str(error.detail)
        remedy = _REMEDIES.get(error.status_code, "")
        return _answer(error.status_code, body(error.status_code, title, title, remedy), error.headers)


def _listed(item: Mapping[str, Any]) -> dict[str, str]:
    where = ".".join(str(part) for part in item["loc"])
    secret = any(word in where.casefold() for word in _SECRET)
    found = "nothing" if item["type"] == "missing" else "[hidden]" if secret else repr(item.get("input"))[:120]
    allowed = str(item["msg"]).removeprefix("Value error, ")
    return {"where": where, "found": found, "allowed": allowed, "remedy": "Correct it; see /api/openapi.json."}
