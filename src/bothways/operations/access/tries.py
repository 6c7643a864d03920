"""Waiting after wrong tries, one memory for every way to sign in: by account, and by the address they come from."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Sequence

from bothways.domain.errors import BothwaysError
from bothways.operations.ports import Clock

_FREE = 5
_LONGEST_WAIT_S = 900.0
_LONGEST_NAME_WAIT_S = 30.0  # whoever guesses from elsewhere must not keep a person out who has to stop a site
_FORGOTTEN_S = 3600.0
_REMEMBERED = 10_000
_NETWORK = 64


class SignInRefused(BothwaysError):  # noqa: N818 - read as a sentence where it is raised
    """Name, password or second factor are wrong, or it was tried too often. Says no more than that on purpose."""

    def __init__(self, wait_s: float = 0.0) -> None:
        self.wait_s = wait_s
        text = "The name, the password or the code is not right."
        super().__init__(f"{text} Try again in {wait_s:.0f} s." if wait_s > 0.0 else text)


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


class Tries:
    """Counts tries. 5 are free, then one waits 2, 4, 8 … s.

    Args:
        clock: time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._failures)

    def begin(self, keys: Sequence[str]) -> None:
        """Counts a try as wrong from its beginning, so that many at once are no way around the waiting.

        Raises:
            SignInRefused: too early after wrong tries.
        """
        wait = max((self.wait_s(key) for key in keys), default=0.0)
        if wait > 0.0:
            raise SignInRefused(max(wait, 1.0))
        for key in keys:
            self.count(key)

    def good(self, keys: Sequence[str]) -> None:
        """Forgets the wrong tries before a right one."""
        for key in keys:
            self._failures.pop(key, None)

    def count(self, key: str) -> None:
        """Notes a try; old ones are forgotten, and the memory is bounded."""
        now = self._clock.now().timestamp()
        count, last = self._failures.pop(key, (0, now))
        self._failures[key] = (count + 1 if now - last < _FORGOTTEN_S else 1, now)
        while len(self._failures) > _REMEMBERED:
            self._failures.popitem(last=False)

    def wait_s(self, key: str) -> float:
        """How long to wait before the next try [s]."""
        now = self._clock.now().timestamp()
        count, last = self._failures.get(key, (0, now))
        if count < _FREE:
            return 0.0
        longest = _LONGEST_WAIT_S if key.startswith("source:") else _LONGEST_NAME_WAIT_S
        pause = min(longest, 2.0 ** min(count - _FREE + 1, 20))
        return max(0.0, pause - (now - last))
