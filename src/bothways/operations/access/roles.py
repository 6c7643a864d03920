"""Roles, what each may do, and the check that every use case makes before it acts.

A grant ties a role to a scope: one site (``site:house``), one holder of a driver's card (``token:ABC``), or everything
(``*``). An action on an object is allowed when any grant of the account has both the right and the scope. Nothing is
allowed by default.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bothways.domain.errors import BothwaysError


class Role(StrEnum):
    """What somebody is to the system."""

    DRIVER = "driver"
    SITE_OPERATOR = "site_operator"
    FRONT_DESK = "front_desk"
    FLEET_OPERATOR = "fleet_operator"
    CONTRACTOR = "contractor"
    GRID_VIEWER = "grid_viewer"
    ADMINISTRATOR = "administrator"


class Action(StrEnum):
    """What can be done. The part before the dot is the kind of object."""

    SITE_VIEW = "site.view"
    SITE_POWER = "site.power"
    SITE_OVERRIDE = "site.override"
    SITE_STOP = "site.stop"
    SITE_RELEASE = "site.release"
    SITE_PERMISSION = "site.permission"
    SESSION_VIEW = "session.view"
    NEED_VIEW = "need.view"
    NEED_SET = "need.set"
    STATION_VIEW = "station.view"
    STATION_ADD = "station.add"
    STATION_COMMAND = "station.command"
    ACCOUNT_MANAGE = "account.manage"
    AUDIT_VIEW = "audit.view"


_VIEW = frozenset({Action.SITE_VIEW, Action.SITE_POWER, Action.SESSION_VIEW, Action.STATION_VIEW})
_RUN = _VIEW | {
    Action.SITE_OVERRIDE, Action.SITE_STOP, Action.SITE_RELEASE, Action.NEED_VIEW, Action.NEED_SET,
    Action.STATION_COMMAND, Action.AUDIT_VIEW,
}  # fmt: skip

RIGHTS: dict[Role, frozenset[Action]] = {
    Role.DRIVER: frozenset({Action.NEED_VIEW, Action.NEED_SET, Action.SESSION_VIEW}),
    Role.FRONT_DESK: frozenset(
        {Action.SITE_VIEW, Action.SITE_POWER, Action.NEED_VIEW, Action.NEED_SET, Action.SITE_STOP}
    ),
    Role.SITE_OPERATOR: _RUN,
    Role.FLEET_OPERATOR: _RUN | {Action.STATION_ADD, Action.SITE_PERMISSION},
    Role.CONTRACTOR: frozenset({Action.STATION_VIEW, Action.STATION_ADD, Action.STATION_COMMAND}),
    Role.GRID_VIEWER: frozenset({Action.SITE_POWER}),
    Role.ADMINISTRATOR: frozenset(Action),
}
"""What each role may do within the scope of its grant."""

EVERYTHING = "*"


class NotAllowed(BothwaysError):  # noqa: N818 - read as a sentence where it is raised
    """The account may not do this to that object."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A role within a scope."""

    role: Role
    scope: str


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is acting: an account as far as permissions need it.

    Attributes:
        account_id: unique, never reused.
        name: for audit and screens.
        grants: what it may do, and where.
    """

    account_id: str
    name: str
    grants: tuple[Grant, ...]

    def may(self, action: Action, *scopes: str) -> bool:
        """Whether an action is allowed on an object that lies in any of ``scopes``.

        >>> desk = Actor("1", "desk", (Grant(Role.FRONT_DESK, "site:house"),))
        >>> desk.may(Action.NEED_SET, "site:house"), desk.may(Action.NEED_SET, "site:mill")
        (True, False)
        """
        return any(
            action in RIGHTS[grant.role] and (grant.scope == EVERYTHING or grant.scope in scopes)
            for grant in self.grants
        )

    def require(self, action: Action, *scopes: str) -> None:
        """Returns, or raises.

        Raises:
            NotAllowed: where no grant allows it.
        """
        if not self.may(action, *scopes):
            msg = f"{self.name} may not do {action.value} on {' or '.join(scopes) or 'this'}"
            raise NotAllowed(msg)

    def scopes_for(self, action: Action) -> frozenset[str]:
        """Scopes in which an action is allowed; ``*`` among them means everywhere."""
        return frozenset(grant.scope for grant in self.grants if action in RIGHTS[grant.role])


def site_scope(site_id: str) -> str:
    """Scope of everything at a site."""
    return f"site:{site_id}"


def token_scope(token: str) -> str:
    """Scope of what belongs to the holder of a token."""
    return f"token:{token}"
