"""Tells systemd that the service is ready, alive or stopping (sd_notify); says nothing where nobody listens."""

from __future__ import annotations

import asyncio
import os
import socket


def notify(state: str) -> bool:
    """Sends one state such as ``READY=1``; returns whether somebody was told.

    The protocol is a datagram to the socket in ``NOTIFY_SOCKET`` (systemd's sd_notify(3)).
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            out.setblocking(False)  # noqa: FBT003 - the name of the method says it
            out.connect(address)
            out.sendall(state.encode())
    except OSError:  # a supervisor that does not listen stops nothing
        return False
    return True


async def keep_watchdog() -> None:
    """Says that the event loop turns, twice per interval of the watchdog; returns where there is none."""
    interval_us = os.environ.get("WATCHDOG_USEC", "")
    if not interval_us.isdigit() or int(interval_us) == 0:
        return
    while True:
        notify("WATCHDOG=1")
        await asyncio.sleep(int(interval_us) / 2e6)
