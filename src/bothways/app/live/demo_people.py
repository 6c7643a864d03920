"""People of the demonstration: weeks of wishes, neighbours who share charging points, a guest without an account."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from bothways.app.live.server import LiveServer
from bothways.domain.errors import DomainError
from bothways.operations.access.roles import EVERYTHING, Actor, Grant, Role, token_scope
from bothways.operations.desk.driver.wishes import Wishes, WishForm
from bothways.operations.wishes import DayWish

QUEUE = "garage"
SHARED = ("DEMO-CP-19/1", "DEMO-CP-20/1")
NEIGHBOURS = ("DEMO-21", "DEMO-22")
"""Cards without a charging point of their own, who wait for a shared one."""
DRIVER = "DEMO-12"
"""Whose page the account ``driver`` sees."""
BY_WEEK = (DRIVER, "DEMO-15", "DEMO-18")
"""Who says once for every week what is needed, instead of at each plug-in."""
GUEST_STATION, GUEST = "DEMO-CP-01", "DEMO-01"
"""Where a visitor charges who says nothing: whoever scans the code there may speak for that stay."""
_LEAVES = ("07:30", "08:15", "17:45")
_STEWARD = Actor("", "the demonstration", (Grant(Role.ADMINISTRATOR, EVERYTHING),))
_EVERY_S = 20.0


async def invite_driver(live: LiveServer, password: str) -> None:
    """Makes the account of a driver."""
    await live.access.create("driver", password, [Grant(Role.DRIVER, token_scope(DRIVER))])


async def wish_by_week(live: LiveServer) -> None:
    """Records what some drivers wish on each day of the week."""
    for holder, wall in zip(BY_WEEK, _LEAVES, strict=True):
        workday, weekend = DayWish(wall, soc=0.8), DayWish("10:00", soc=0.6)
        days = {day: workday if day < 5 else weekend for day in range(7)}
        form = WishForm(days=days, floor_soc=0.3, discharge_consent=holder == DRIVER, discharge_cap_kwh=12.0)
        await Wishes(live.desk).keep(_STEWARD, holder, form)


async def guest_address(live: LiveServer) -> str:
    """What the QR code on the guests' charging point opens."""
    link = await live.guests.link(_STEWARD, GUEST_STATION, 1)
    return f"http://127.0.0.1:{live.web_port}/guest/{link.secret}"


async def share(live: LiveServer, site_id: str, members: Sequence[str]) -> None:
    """Lets neighbours share charging points, and wait for them for as long as the demonstration runs."""
    while live.loops[site_id].snapshot().image is None:
        await asyncio.sleep(0.2)
    await live.queues.define(_STEWARD, site_id, QUEUE, SHARED, tuple(members))
    while True:
        for holder in NEIGHBOURS:
            with contextlib.suppress(DomainError):  # waits already
                await live.queues.join(_STEWARD, holder, site_id, QUEUE, 2.0)
        await asyncio.sleep(_EVERY_S)
