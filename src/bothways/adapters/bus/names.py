"""Names on the bus: subjects, streams and buckets of one installation."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PLAIN = re.compile(r"[A-Za-z0-9_-]")


def token(text: str) -> str:
    """A name as one part of a subject or a key: what these do not allow is written as ``=`` and two hex digits.

    >>> token("CP-1"), token("a.b*c"), untoken(token("a.b*c"))
    ('CP-1', 'a=2Eb=2Ac', 'a.b*c')
    """
    return "".join(
        char if _PLAIN.fullmatch(char) else "".join(f"={byte:02X}" for byte in char.encode()) for char in text
    )


def untoken(text: str) -> str:
    """What :func:`token` was given."""
    return re.sub(rb"=([0-9A-F]{2})", lambda found: bytes([int(found[1], 16)]), text.encode()).decode()


@dataclass(frozen=True, slots=True)
class Names:
    """All names of one installation.

    Attributes:
        prefix: tells installations apart that share a NATS server.
    """

    prefix: str = "bothways"

    @property
    def events(self) -> str:
        """Stream of what stations said."""
        return f"{self.prefix}-events"

    @property
    def links(self) -> str:
        """Bucket: which gateway holds a station's connection."""
        return f"{self.prefix}-links"

    @property
    def leases(self) -> str:
        """Bucket: which planner leads a site."""
        return f"{self.prefix}-leases"

    @property
    def all_events(self) -> str:
        """Subjects of the stream of events."""
        return f"{self.prefix}.event.>"

    def event(self, site_id: str, station_id: str) -> str:
        """Subject of a station's events."""
        return f"{self.prefix}.event.{token(site_id)}.{token(station_id)}"

    def site_events(self, site_id: str) -> str:
        """Subjects of all events of a site."""
        return f"{self.prefix}.event.{token(site_id)}.>"

    def orders(self, worker: str) -> str:
        """Subject at which a gateway takes orders."""
        return f"{self.prefix}.do.{token(worker)}"

    @property
    def beats(self) -> str:
        """Subject at which gateways say that they live."""
        return f"{self.prefix}.beat"

    @property
    def gaps(self) -> str:
        """Subject at which gateways say that events did not reach the bus, though the store has them."""
        return f"{self.prefix}.gap"

    def asked(self, site_id: str) -> str:
        """Subject at which a site's planner takes what people want."""
        return f"{self.prefix}.ask.{token(site_id)}"

    def watched(self, site_id: str) -> str:
        """Subject at which somebody says that a site is being looked at."""
        return f"{self.prefix}.watch.{token(site_id)}"

    def picture(self, site_id: str) -> str:
        """Subject at which a site's planner shows the site."""
        return f"{self.prefix}.picture.{token(site_id)}"

    def plan(self, site_id: str) -> str:
        """Subject at which a site's planner shows its plan."""
        return f"{self.prefix}.plan.{token(site_id)}"
