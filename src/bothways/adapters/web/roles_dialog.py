"""Changing what an account may do: all its roles in one dialog, shown before and after, done on a second press."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from html import escape

from nicegui import ui

from bothways.adapters.web.frame import Screens, Viewer, dialog, tried
from bothways.adapters.web.words import Words, later
from bothways.domain.errors import DomainError
from bothways.operations.access.roles import EVERYTHING, Grant, Role
from bothways.operations.desk.people import AccountView, People

ROLES = {
    Role.DRIVER: later("driver"), Role.SITE_OPERATOR: later("site operator"), Role.FRONT_DESK: later("front desk"),
    Role.FLEET_OPERATOR: later("fleet operator"), Role.CONTRACTOR: later("contractor"),
    Role.GRID_VIEWER: later("grid viewer"), Role.ADMINISTRATOR: later("administrator"),
}  # fmt: skip
_MEANWHILE = later("somebody changed the roles of this account meanwhile; look at them again")


def role_said(grant: Grant, words: Words) -> str:
    """A role with what it reaches.

    >>> role_said(Grant(Role.DRIVER, "token:A"), Words("en")), role_said(Grant(Role.ADMINISTRATOR, "*"), Words("en"))
    ('driver of token:A', 'administrator of everything')
    """
    reach = words("everything") if grant.scope == EVERYTHING else grant.scope
    return words("{role} of {reach}", role=words(ROLES[grant.role]), reach=reach)


@dataclass(slots=True)
class _Line:
    """One role being edited."""

    place: ui.element
    role: ui.select
    scope: ui.input


class RolesDialog:
    """The dialog of one account.

    Args:
        screens: the use cases.
        viewer: the administrator.
        account: as the page shows it; where it is another by now, nothing is changed.
        changed: called when it is done.
    """

    def __init__(
        self, screens: Screens, viewer: Viewer, account: AccountView, changed: Callable[[], Awaitable[None]]
    ) -> None:
        self.screens, self.viewer, self.account, self._changed = screens, viewer, account, changed
        self.words, self.people = viewer.words, People(screens.access, screens.desk)
        self._lines: list[_Line] = []

    def open(self) -> None:
        """Shows the roles as they are, to be edited."""
        words, name = self.words, self.account.name
        with dialog(words("Roles of {name}", name=name)) as self.made:
            with ui.element("div").classes("bw-stack") as self.edit:
                ui.label(
                    words("They hold from the next thing that this person does. Reach: token:CARD, site:NAME or *")
                )
                self.place = ui.element("div").classes("bw-stack")
                for grant in self.account.grants:
                    self._line(grant.role, grant.scope)
                add = ui.button(words("Add a role"), on_click=lambda: self._line(Role.DRIVER, ""), color=None)
                add.props("no-caps flat").classes("bw-plain")
                self._ends(words("Go on"), self._ask)
            self.sure = ui.element("div").classes("bw-stack")
            self.sure.set_visibility(False)
        self.made.open()

    def _line(self, role: Role, scope: str) -> None:
        words = self.words
        with self.place, ui.element("div").classes("bw-line") as place:
            names = {item.value: words(text) for item, text in ROLES.items()}
            line = _Line(
                place, ui.select(names, value=role.value, label=words("Role")).props("outlined dense"),
                ui.input(words("Reaches"), value=scope).props("outlined dense"),
            )  # fmt: skip
            away = ui.button("✕", on_click=lambda: self._remove(line), color=None).props("flat")
            away.props(f'aria-label="{escape(words("Remove this role"))}"').classes("bw-plain")
        self._lines.append(line)

    def _remove(self, line: _Line) -> None:
        self._lines.remove(line)
        line.place.delete()

    def _wanted(self) -> list[Grant]:
        return [Grant(Role(str(line.role.value)), (line.scope.value or "").strip()) for line in self._lines]

    def _ask(self) -> None:
        """Shows what would be, beside what is."""
        words, wanted = self.words, self._wanted()
        self.edit.set_visibility(False)
        self.sure.set_visibility(True)
        self.sure.clear()
        with self.sure:
            self._told(words("Now:"), self.account.grants)
            self._told(words("From then on:"), wanted)
            ui.label(words("It is written to the audit log with your name.")).classes("bw-small")
            self._ends(words("Change the roles"), lambda: self._go(wanted))

    def _told(self, head: str, grants: Sequence[Grant]) -> None:
        ui.label(head).classes("bw-strong")
        for grant in grants:
            ui.label(role_said(grant, self.words))
        if not grants:
            ui.label(self.words("none"))

    async def _go(self, wanted: list[Grant]) -> None:
        actor, account = self.viewer.actor, self.account

        async def act() -> None:
            now = await self.people.account(actor, account.account_id)
            if now.grants != account.grants:
                raise DomainError(self.words(_MEANWHILE))
            pairs = [(grant.role.value, grant.scope) for grant in wanted]
            await self.people.change_grants(actor, account.account_id, pairs)

        if await tried(self.screens, self.viewer, act, self.words("Saved.")):
            self.made.close()
            await self._changed()
        else:
            self.sure.set_visibility(False)
            self.edit.set_visibility(True)

    def _ends(self, label: str, act: Callable[[], object]) -> None:
        with ui.element("div").classes("bw-line").style("justify-content: flex-end; width: 100%"):
            cancel = ui.button(self.words("Cancel"), on_click=self.made.close, color=None)
            cancel.props("no-caps flat").classes("bw-plain")
            ui.button(label, on_click=act, color=None).props("no-caps unelevated").classes("bw-do")
