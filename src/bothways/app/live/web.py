"""Runs the HTTP application inside the live system's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from bothways.app.live.config import ServerPart
from bothways.domain.errors import BothwaysError, InputError, Problem

_AT_ONCE = 2000


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the live system, which stops the server itself."""
        yield


class WebServer:
    """An HTTP server that starts and stops with the rest."""

    def __init__(self, app: FastAPI, part: ServerPart) -> None:
        self._host = part.web_host
        self._port = part.web_port
        tls = part.web_tls
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=5, server_header=False,
            proxy_headers=part.behind_proxy, limit_concurrency=_AT_ONCE,
            ssl_certfile=part.tls_certificate if tls else None, ssl_keyfile=part.tls_key if tls else None,
        )  # fmt: skip
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """Listens and returns the port.

        Raises:
            InputError: the address cannot be used.
        """
        listening = listening_socket(self._host, self._port, "server.web_port")
        self._task = asyncio.create_task(self._server.serve(sockets=[listening]))
        while not self._server.started:
            if self._task.done():
                self._task.result()
                msg = "the web application did not start; the log says why"
                raise BothwaysError(msg)
            await asyncio.sleep(0.005)
        port: int = listening.getsockname()[1]
        return port

    async def stop(self) -> None:
        """Answers what is being asked, then closes."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
            self._task = None


def listening_socket(host: str, port: int, key: str) -> socket.socket:
    """A listening socket.

    Args:
        host: address.
        port: port, 0 for a free one.
        key: key of the configuration, for messages.

    Raises:
        InputError: the address is in use or not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        remedy = "Choose another port or address, or stop what uses it."
        raise InputError([Problem(key, f"{host}:{port}", f"a free address ({error.strerror})", remedy)]) from error
    listening.listen(512)
    listening.setblocking(False)  # noqa: FBT003 - the name of the method says it
    return listening
