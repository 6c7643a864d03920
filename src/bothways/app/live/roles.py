"""What a process of the live system does: hold the stations' sockets, lead sites, serve people, or all of it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from bothways.adapters.bus.options import BusOptions
from bothways.app.live.config import Config
from bothways.domain.errors import InputError, Problem


class Role(StrEnum):
    """One kind of work."""

    GATEWAY = "gateway"
    PLANNER = "planner"
    WEB = "web"


ALL = frozenset(Role)


def roles_of(words: Iterable[str], config: Config) -> frozenset[Role]:
    """The roles that were asked for.

    Args:
        words: ``gateway``, ``planner``, ``web`` or ``all``; nothing means all.
        config: the configuration; only with a bus a process can have a part of the roles.

    Raises:
        InputError: an unknown role, or a part of the roles without a bus.
    """
    given = [part.strip() for word in words for part in word.split(",") if part.strip()]
    unknown = sorted(set(given) - {role.value for role in Role} - {"all"})
    if unknown:
        allowed = f"{', '.join(role.value for role in Role)} or all"
        raise InputError([Problem("--role", ", ".join(unknown), allowed, "Give one or several of these.")])
    roles = ALL if not given or "all" in given else frozenset(Role(word) for word in given)
    if roles != ALL and not config.bus.url:
        remedy = "Name the bus in [bus] (docs/how-to/scale-out.md), or leave --role out: one process does everything."
        found = ", ".join(sorted(roles))
        raise InputError([Problem("--role", found, "all, where no bus connects processes", remedy)])
    return roles


def bus_options(config: Config) -> BusOptions:
    """The bus as the configuration names it."""
    part = config.bus
    return BusOptions(
        servers=tuple(item.strip() for item in part.url.split(",")), user=part.user, password=part.password,
        token=part.token, credentials=part.credentials or "", ca=part.ca or "", prefix=part.name,
        lease_s=part.lease_s,
    )  # fmt: skip
