"""Keeps the garbage collector from standing in the way of a fleet's orders.

With thousands of stations a full collection walks a million objects, which takes longer than telling all of them a new
setpoint; Python begins one whenever enough objects have been made, so in the middle of exactly that. Here what the
program itself consists of is left out for good, and full collections come once an hour.
"""

from __future__ import annotations

import asyncio
import gc

EVERY_S = 3600.0
_THRESHOLDS = (50_000, 50, 1000)


def settle() -> None:
    """Everything made so far stays; from now on young objects are collected now and then, old ones when asked."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)


async def keep_collected() -> None:
    """Settles, then collects old objects once an hour: what stations that went away have left behind."""
    settle()
    while True:
        await asyncio.sleep(EVERY_S)
        gc.collect()
