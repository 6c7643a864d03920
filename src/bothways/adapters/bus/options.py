"""How the bus is reached and how long things on it may take."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bothways.domain.errors import Problems


@dataclass(frozen=True, slots=True)
class BusOptions:
    """Settings of the bus; every process of one installation has the same.

    Attributes:
        servers: addresses, ``nats://`` or ``tls://``.
        user: with ``password``; ``""`` for none.
        password: of the user.
        token: instead of a user.
        credentials: file with a signed user (``.creds``).
        ca: PEM file of the authority that signed the servers' certificates; ``""`` for the machine's own.
        prefix: tells installations apart that share a server.
        lease_s: life of a planner's lease on a site [s]; after a planner was killed, another begins after so long.
        beat_s: how often gateways say that they live [s].
        gone_s: a gateway that was silent for so long is gone [s].
        answer_s: longest wait for an answer of the bus itself [s].
        order_s: longest wait for a station's answer to an order [s]; longer than the gateway waits for the station.
        links_s: life of a claim on a station in the bucket [s]; gateways renew theirs.
        kept_s: how long events stay on the bus [s]; the store keeps them for good.
        kept_bytes: how much of them at most.
        outbox: events that a gateway keeps while the bus is away.
    """

    servers: tuple[str, ...]
    user: str = ""
    password: str = ""
    token: str = ""
    credentials: str = ""
    ca: str = ""
    prefix: str = "bothways"
    lease_s: float = 3.0
    beat_s: float = 0.5
    gone_s: float = 2.5
    answer_s: float = 1.0
    order_s: float = 35.0
    links_s: float = 900.0
    kept_s: float = 600.0
    kept_bytes: int = 64 << 20
    outbox: int = 20_000

    def __repr__(self) -> str:
        """Without secrets."""
        return f"BusOptions(servers={self.servers!r}, user={self.user!r}, prefix={self.prefix!r})"


def dialling(options: BusOptions) -> dict[str, Any]:
    """How the client library is told of the servers, of TLS and of who connects.

    Raises:
        InputError: the authority's or the user's file cannot be read, or is none.
    """
    how: dict[str, Any] = {"servers": list(options.servers)}
    problems = Problems(at="bus")
    if options.user:
        how |= {"user": options.user, "password": options.password}
    if options.token:
        how["token"] = options.token
    if options.credentials:
        how["user_credentials"] = options.credentials
        _readable(options.credentials, problems)
    if any(server.startswith("tls://") for server in options.servers):
        try:
            how["tls"] = ssl.create_default_context(cafile=options.ca or None)
        except (OSError, ssl.SSLError) as error:
            remedy = "Give the authority's certificate as PEM, readable by this user."
            problems.add("ca", options.ca, f"a PEM file with certificates ({error})", remedy)
    problems.raise_if_any()
    return how


def _readable(path: str, problems: Problems) -> None:
    try:
        with Path(path).open("rb"):
            return
    except OSError as error:
        remedy = "Check the path, and that this user may read it."
        problems.add("credentials", path, f"a .creds file ({error.strerror})", remedy)
