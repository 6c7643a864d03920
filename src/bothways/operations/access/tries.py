"""Waiting after wrong tries, one memory for every way to sign in: by account, and by the address they come from.

The memory is the store's, so that it holds for every process and over a restart.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from bothways.domain.errors import BothwaysError
from bothways.operations.ports import Clock

FREE = 5
FORGOTTEN_S = 3600.0
REMEMBERED = 10_000
_LONGEST_WAIT_S = 900.0
_LONGEST_NAME_WAIT_S = 30.0  # whoever guesses from elsewhere must not keep a person out who has to stop a site
_NETWORK = 64
_TOLD_V4, _TOLD_V6 = 24, 48


class SignInRefused(BothwaysError):  # noqa: N818 - read as a sentence where it is raised
    """Name, password or second factor are wrong, or it was tried too often. Says no more than that on purpose."""

    def __init__(self, wait_s: float = 0.0) -> None:
        self.wait_s = wait_s
        text = "The name, the password or the code is not right."
        super().__init__(f"{text} Try again in {wait_s:.0f} s." if wait_s > 0.0 else text)


class TriesStore(Protocol):
    """Durable counts of tries, and what may be used only once."""

    async def begin_try(self, keys: Sequence[str], at_s: float) -> tuple[float, Mapping[str, int]]:
        """Counts a try under each key, if none of them makes wait: how long to wait [s], and the new counts.

        Whether and how long is told by :func:`waiting_s`, the new count by :func:`counted`; counts older than
        ``FORGOTTEN_S`` are let go of, and at most ``REMEMBERED`` are kept. Tries at the same time, also of other
        processes, are counted one after the other.
        """
        ...

    async def forget_tries(self, keys: Sequence[str]) -> None:
        """Lets go of counts."""
        ...

    async def use_once(self, what: str, now: datetime, until: datetime) -> bool:
        """Notes a use until an instant; false where it was used already."""
        ...


def keys_of(name: str = "", source: str = "") -> list[str]:
    """What a try is counted under.

    An IPv6 address counts as its network, which one person usually has as a whole.

    >>> keys_of("Ada", "2001:db8:1:2:3::4")
    ['name:ada', 'source:2001:db8:1:2::']
    """
    keys = [f"name:{name.casefold()}"] if name else []
    if source:
        try:
            address = ipaddress.ip_address(source)
        except ValueError:
            return [*keys, f"source:{source}"]
        if address.version == 6:
            address = ipaddress.ip_network((address, _NETWORK), strict=False).network_address
        keys.append(f"source:{address}")
    return keys


def network_of(source: str) -> str:
    """The network of an address, as much as an audit log that nobody can change should tell.

    >>> network_of("192.0.2.77"), network_of("2001:db8:1:2:3::4"), network_of("testclient")
    ('192.0.2.0/24', '2001:db8:1::/48', '')
    """
    try:
        address = ipaddress.ip_address(source)
    except ValueError:
        return ""
    return str(ipaddress.ip_network((address, _TOLD_V4 if address.version == 4 else _TOLD_V6), strict=False))


def counted(count: int, last_s: float, now_s: float) -> int:
    """The count with one more try.

    Args:
        count: before.
        last_s: when the last try was [s].
        now_s: when this one is [s].

    >>> counted(4, 0.0, 10.0), counted(4, 0.0, 3600.0)
    (5, 1)
    """
    return count + 1 if now_s - last_s < FORGOTTEN_S else 1


def waiting_s(key: str, count: int, last_s: float, now_s: float) -> float:
    """How long to wait before the next try [s]: 5 are free, then 2, 4, 8 … s.

    >>> waiting_s("name:ada", 4, 0.0, 0.0), waiting_s("name:ada", 5, 0.0, 0.5), waiting_s("name:ada", 50, 0.0, 0.0)
    (0.0, 1.5, 30.0)
    >>> waiting_s("source:192.0.2.1", 50, 0.0, 0.0)
    900.0
    """
    if count < FREE:
        return 0.0
    longest = _LONGEST_WAIT_S if key.startswith("source:") else _LONGEST_NAME_WAIT_S
    return max(0.0, min(longest, 2.0 ** min(count - FREE + 1, 20)) - (now_s - last_s))


class Tries:
    """Counts tries.

    Args:
        store: where the counts are kept.
        clock: time.
    """

    def __init__(self, store: TriesStore, clock: Clock) -> None:
        self._store, self._clock = store, clock

    async def begin(self, keys: Sequence[str]) -> Mapping[str, int]:
        """Counts a try as wrong from its beginning, so that many at once are no way around the waiting.

        Returns:
            How many tries there were under each key, this one included.

        Raises:
            SignInRefused: too early after wrong tries.
        """
        wait, counts = await self._store.begin_try(keys, self._clock.now().timestamp())
        if wait > 0.0:
            raise SignInRefused(max(wait, 1.0))
        return counts

    async def good(self, keys: Sequence[str]) -> None:
        """Forgets the wrong tries before a right one."""
        await self._store.forget_tries(keys)
