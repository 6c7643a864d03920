"""Runs the live system until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import structlog

from bothways.app.live.checks_tls import certificates
from bothways.app.live.config import Config, load_config
from bothways.app.live.logs import configure
from bothways.app.live.memory import keep_collected
from bothways.app.live.notify import keep_watchdog, notify
from bothways.app.live.roles import Role, roles_of
from bothways.app.live.server import LiveServer, open_live, screens_installed
from bothways.domain.errors import StoreError

_log = structlog.get_logger("bothways.live")
STOP_S = 25.0
"""What a graceful end may take; below the time after which service managers kill."""

_TRY_AGAIN_S = 2.0
_AT_ONCE = 130  # as shells tell of an interrupted program
_NO_SCREENS = "no screens: the package nicegui is not installed (it comes with bothways[web]); the API runs"


def serve(path: Path, duration_s: float, roles: Sequence[str] = ()) -> None:
    """Serves the configured sites until SIGTERM or SIGINT, or for ``duration_s`` seconds where that is above 0.

    Args:
        path: the configuration.
        duration_s: 0 for ever.
        roles: what this process does of it; nothing means everything.
    """
    config = load_config(path)
    chosen = roles_of(roles, config)
    configure(config.server.log_format, config.server.log_level)
    warn_of_certificates(config, datetime.now(tz=UTC))
    asyncio.run(_serve(config, path.parent, duration_s, chosen))


def warn_of_certificates(config: Config, now: datetime) -> None:
    """Says which certificates have ended or end soon: nobody sees it before stations are refused."""
    if config.server.tls_certificate is None:
        return
    for finding in certificates(config, now):
        if finding.verdict != "good":
            _log.warning("a certificate needs care", which=finding.check, found=finding.text, remedy=finding.remedy)


async def _serve(config: Config, folder: Path, duration_s: float, roles: frozenset[Role]) -> None:
    from bothways.app.live.sources import parts_of  # noqa: PLC0415 - meters and signals are heavy

    screens = screens_installed()
    if not screens and Role.WEB in roles:
        print(_NO_SCREENS, file=sys.stderr)
    parts = replace(parts_of(config, folder), screens=screens)
    live = await patiently(lambda: open_live(config, parts, roles), config.store.wait_s)
    await run_until_told(live, live.start, live.stop, duration_s)


async def patiently(
    open_it: Callable[[], Awaitable[LiveServer]], patience_s: float, again_s: float = _TRY_AGAIN_S
) -> LiveServer:
    """Opens the live system, again and again while its database does not answer.

    Args:
        open_it: opens it once.
        patience_s: for how long [s].
        again_s: time between two tries [s].

    Raises:
        StoreError: the database did not answer for so long.
    """
    end = time.monotonic() + patience_s
    while True:
        try:
            return await open_it()
        except StoreError as error:
            left = end - time.monotonic()
            if left <= 0.0:
                raise
            _log.warning("the database does not answer; trying again", seconds_left=round(left), why=str(error))
            await asyncio.sleep(min(again_s, left))


def serve_demo(port: int, web_port: int, speed: float, duration_s: float) -> None:
    """Serves the demonstration."""
    began = time.perf_counter()
    configure("text", "warning")
    asyncio.run(_serve_demo(port, web_port, speed, duration_s, began))


async def _serve_demo(port: int, web_port: int, speed: float, duration_s: float, began: float) -> None:
    from bothways.app.live.demo import make_demo  # noqa: PLC0415

    demo = await make_demo(port, web_port, speed)

    async def start() -> None:
        await demo.start()
        print(
            f"ready after {time.perf_counter() - began:.1f} s: 20 virtual stations, time runs {speed:g} times as fast"
        )
        print(f"  look at     http://127.0.0.1:{demo.live.web_port}/" if demo.live.parts.screens else _NO_SCREENS)
        print(f"  sign in     {demo.user}  {demo.password}   (made for this run alone)")
        print("  a driver    driver, with the same password: a week of wishes, a queue for shared charging points")
        print(f"  a guest     {demo.guest}")
        print(f"  stations    ws://127.0.0.1:{demo.live.port}/ocpp/STATION-ID")
        print(f"  metrics     http://127.0.0.1:{demo.live.web_port}/metrics")
        print("  stop        Ctrl-C; nothing is kept", flush=True)

    await run_until_told(demo.live, start, demo.stop, duration_s)


async def run_until_told(
    live: LiveServer, start: Callable[[], Awaitable[None]], stop: Callable[[], Awaitable[None]], duration_s: float,
    stop_s: float = STOP_S,
) -> None:  # fmt: skip
    """Starts, waits for a signal or the end of the duration, stops gracefully; a second signal stops at once.

    Args:
        live: what runs.
        start: brings it to life.
        stop: ends it.
        duration_s: 0 for ever [s].
        stop_s: what the graceful end may take; then the process ends all the same, and says what it waited for [s].
    """
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _tell, told)
    beside: list[asyncio.Task[None]] = []
    try:
        await start()
        notify("READY=1")
        beside = [asyncio.create_task(keep_watchdog()), asyncio.create_task(keep_collected())]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(duration_s or None):
                await told.wait()
        print("stopping …", file=sys.stderr)
        for line in live.lacking():
            print(f"at the end: {line}", file=sys.stderr)
        notify("STOPPING=1")
    finally:
        for task in beside:
            task.cancel()
        await _end(stop, stop_s)


async def _end(stop: Callable[[], Awaitable[None]], stop_s: float) -> None:
    ending = asyncio.ensure_future(stop())
    done, _ = await asyncio.wait({ending}, timeout=stop_s)
    if not done:  # what was acknowledged is in the store; nobody gains from a process that never ends
        print(f"the graceful end takes longer than {stop_s:g} s; stopped at once. It waits for:", file=sys.stderr)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            where = [f"{frame.f_code.co_qualname} (line {frame.f_lineno})" for frame in task.get_stack(limit=3)]
            print(f"  {task.get_name()}: {' < '.join(where)}", file=sys.stderr)
        sys.stderr.flush()
        os._exit(_AT_ONCE)
    ending.result()


def _tell(told: asyncio.Event) -> None:
    if told.is_set():  # whatever holds up the graceful end: what was acknowledged is in the store
        print("stopped at once", file=sys.stderr, flush=True)
        os._exit(_AT_ONCE)
    told.set()
