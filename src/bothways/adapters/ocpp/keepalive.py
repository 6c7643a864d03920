"""Pings that find out which connections are dead."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed


class KeepAlive:
    """One task pings everybody, each at its own jittered time: thousands of timers would cost more.

    Args:
        sockets: the connections that are there now.
        interval_s: mean time between two pings of one connection [s].
        timeout_s: a connection that does not answer for so long is given up [s].
        count: counts things that happen, by name, for the metrics.
    """

    def __init__(
        self,
        sockets: Callable[[], Iterable[ServerConnection]],
        interval_s: float,
        timeout_s: float,
        count: Callable[[str], None],
    ) -> None:
        self._sockets, self._count = sockets, count
        self._interval_s, self._timeout_s = interval_s, timeout_s
        self._pings: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Pings until it is cancelled."""
        due: dict[ServerConnection, float] = {}
        mean = self._interval_s
        while True:
            now = time.monotonic()
            live = dict.fromkeys(self._sockets())
            due = {socket: due.get(socket, now + mean * random.uniform(0.1, 1.0)) for socket in live}
            for socket, at in due.items():
                if at <= now:
                    due[socket] = now + mean * random.uniform(0.75, 1.25)
                    task = asyncio.create_task(self._ping(socket))
                    self._pings.add(task)
                    task.add_done_callback(self._pings.discard)
            await asyncio.sleep(min(1.0, mean / 4.0))

    async def _ping(self, socket: ServerConnection) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await (await socket.ping())
        except TimeoutError:
            self._count("connections_silent")
            socket.transport.abort()  # whoever does not pong will not say goodbye either
        except ConnectionClosed:
            pass
