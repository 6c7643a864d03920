"""Structured logs: one event per line, as text for people or JSON for machines, never with a secret in it."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_SECRET_KEYS = re.compile(r"secret|password|authorization|token|cookie|credential|key$", re.IGNORECASE)
_SECRET_TEXT = re.compile(
    r"\b(?:[0-9a-fA-F]{32,}|Basic\s+[A-Za-z0-9+/=]{8,}|Bearer\s+\S{8,})\b|(?<=://)[^/\s@]*(?=@)|(?<=/invitation/)[\w-]+"
)
_HARMLESS_KEYS = frozenset({"id_token_known"})
HIDDEN = "[hidden]"


def hide_secrets(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replaces what looks like a secret, by its key or by its form; the last step before a line is written.

    >>> hide_secrets(None, "", {"event": "sign in", "password": "x", "n": 3})
    {'event': 'sign in', 'password': '[hidden]', 'n': 3}
    """
    return {key: _hidden(key, value) for key, value in event.items()}


def _hidden(key: str, value: Any) -> Any:
    if _SECRET_KEYS.search(key) and key not in _HARMLESS_KEYS:
        return HIDDEN
    if isinstance(value, str):
        return _SECRET_TEXT.sub(HIDDEN, value)
    if isinstance(value, dict):
        return {inner: _hidden(str(inner), content) for inner, content in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden(key, item) for item in value]
    return value


def configure(log_format: str, level: str) -> None:
    """Sets up logging of the process to standard error.

    Args:
        log_format: ``text`` or ``json``.
        level: ``debug``, ``info``, ``warning`` or ``error``.
    """
    number = getattr(logging, level.upper())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        hide_secrets,
    ]
    last = structlog.processors.JSONRenderer() if log_format == "json" else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[*shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared], processors=[_drop_meta, last]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for noisy in ("alembic", "websockets", "bothways.ocpp.websocket", "uvicorn", "uvicorn.error", "httpx"):
        logging.getLogger(noisy).setLevel(max(number, logging.WARNING))


def _drop_meta(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event.pop("_record", None)
    event.pop("_from_structlog", None)
    return event
