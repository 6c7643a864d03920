"""The API's description (OpenAPI 3.1): what every operation has in common is added to all of them here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from bothways.adapters.http.repeats import LEAST, LONGEST
from bothways.adapters.http.session import COOKIE, CSRF_HEADER, caller

_ABOUT = """Everything that a screen shows or does, for programs. Powers are in kW, energies in kWh, instants carry
their offset from UTC; import and charging are positive.

* **Sign in**: `POST /api/v1/session` opens a session (a cookie, and a CSRF token that changes need beside it);
  `POST /api/v1/tokens` makes a bearer token for a program.
* **Lists** come in pages: `limit`, and the address of the next page in the `Link` header.
* **Reads** carry an `ETag`; send it back as `If-None-Match` and get 304 where nothing changed. A write that replaces
  something takes it as `If-Match`.
* **Writes** take an `Idempotency-Key`: a request that is sent again under its key is answered as the first time.
* **Errors** are `application/problem+json` and say what to do.
"""
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string", "description": "What kind of problem."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong."},
        "remedy": {"type": "string", "description": "What to do about it."},
        "problems": {
            "type": "array",
            "description": "Every single thing that is wrong with the input.",
            "items": {
                "type": "object",
                "required": ["where", "found", "allowed", "remedy"],
                "properties": {name: {"type": "string"} for name in ("where", "found", "allowed", "remedy")},
            },
        },
    },
}
_METHODS = ("get", "post", "put", "patch", "delete")


def describe(app: FastAPI, free: Collection[tuple[str, str]]) -> None:
    """Makes the application's description on first use.

    Args:
        app: the application.
        free: address and method of what whoever is not signed in may use; see :func:`open_to_all`.
    """

    def description() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(app, free)
        return app.openapi_schema

    app.openapi = description  # type: ignore[method-assign]


def _complete(app: FastAPI, free: Collection[tuple[str, str]]) -> dict[str, Any]:
    schema = get_openapi(
        title=app.title, version=app.version, summary=app.summary, description=_ABOUT, routes=app.routes,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )  # fmt: skip
    parts = schema.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    schemas["Problem"] = _PROBLEM
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    parts["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "From `POST /api/v1/tokens`."},
        "session": {
            "type": "apiKey", "in": "cookie", "name": COOKIE,
            "description": f"From `POST /api/v1/session`; changes need the header `{CSRF_HEADER}` as well.",
        },
    }  # fmt: skip
    schema["security"] = [{"token": []}, {"session": []}]
    for place, operation in _operations(schema):
        if place in free:
            operation["security"] = []
        _common(operation, reads=place[1] == "get")
    return schema


def _operations(schema: dict[str, Any]) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    for path, item in schema["paths"].items():
        yield from (((path, method), item[method]) for method in _METHODS if method in item)


def open_to_all(routers: Iterable[APIRouter], prefix: str) -> frozenset[tuple[str, str]]:
    """Address and method of what does not ask who is asking."""
    return frozenset(
        (f"{prefix}{route.path_format}", method.lower())
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute) and not _asks(route.dependant)
        for method in route.methods or ()
    )


def _asks(dependant: Dependant) -> bool:
    return dependant.call is caller or any(_asks(inner) for inner in dependant.dependencies)


def _common(operation: dict[str, Any], *, reads: bool) -> None:
    answers, given = operation["responses"], operation.setdefault("parameters", [])
    answers.pop("422", None)
    answers["default"] = {
        "description": "A problem, with what to do about it.",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if reads:
        _readable(answers, given)
    elif operation.get("security") != []:  # whoever is not signed in has no memory here
        given.append(
            _header(
                "Idempotency-Key", {"type": "string", "minLength": LEAST, "maxLength": LONGEST, "pattern": "^[ -~]+$"},
                "A random text, new for each new request; the same request again under it is not done twice.",
            )
        )  # fmt: skip
    if any(item.get("name") == "cursor" for item in given):
        answers["200"].setdefault("headers", {})["Link"] = {
            "description": 'The next page, as `</api/v1/…>; rel="next"`; absent on the last one.',
            "schema": {"type": "string"},
        }


def _readable(answers: dict[str, Any], given: list[dict[str, Any]]) -> None:
    content = answers.get("200", {}).get("content", {})
    if "application/json" not in content:
        return
    answers["200"].setdefault("headers", {})["ETag"] = {
        "description": "The tag of what was read.",
        "schema": {"type": "string"},
    }
    answers["304"] = {"description": "What was read before is still right."}
    given.append(_header("If-None-Match", {"type": "string"}, "The `ETag` that was read before."))


def _header(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "schema": schema, "description": description}


def takes_if_match() -> dict[str, Any]:
    """For a route's ``openapi_extra``: it replaces something, and takes the tag of what it replaces."""
    return {
        "parameters": [
            _header("If-Match", {"type": "string"}, "The `ETag` of what is replaced; 412 where it changed since."),
            _header("If-None-Match", {"type": "string"}, "`*` where nothing may be there yet."),
        ]
    }
