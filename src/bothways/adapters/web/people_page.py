"""The page of accounts, for administrators: who there is, inviting somebody, sending somebody away."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from nicegui import ui

from bothways.adapters.web.frame import Screens, Viewer, dialog, heading, tried
from bothways.adapters.web.roles_dialog import ROLES, RolesDialog, role_said
from bothways.operations.access.factors import SecondFactors
from bothways.operations.access.roles import Role
from bothways.operations.desk.people import AccountView, People


class PeoplePage:
    """All accounts."""

    def __init__(self, screens: Screens, viewer: Viewer, address: str) -> None:
        self.screens, self.viewer, self.words, self.address = screens, viewer, viewer.words, address
        self.people = People(screens.access, screens.desk)

    async def build(self) -> None:
        """Lays the page out."""
        words = self.words
        with ui.element("section").classes("bw-card"):
            heading(words("Invite somebody"))
            with ui.element("div").classes("bw-line"):
                self.name = ui.input(words("Name")).props("outlined dense")
                roles = {role.value: words(text) for role, text in ROLES.items()}
                self.role = ui.select(roles, value=Role.DRIVER.value, label=words("Role")).props("outlined dense")
                self.scope = ui.input(words("Reaches: token:CARD, site:NAME or *")).props("outlined dense")
                self.scope.style("min-width: 17rem")
                self.email = ui.input(words("E-mail, for signing in at a provider")).props("outlined dense type=email")
                ui.button(words("Invite"), on_click=self._invite, color=None).props("no-caps").classes("bw-do")
            self.link = ui.label("").props('role="status"').style("overflow-wrap: anywhere; user-select: all")
            self.link.set_visibility(False)
        self.list = ui.element("section").classes("bw-cards").props(f'aria-label="{words("Accounts")}"')
        await self.refresh()

    async def refresh(self) -> None:
        """Shows all accounts again."""
        accounts = await self.people.accounts(self.viewer.actor)
        self.list.clear()
        with self.list:
            for account in accounts:
                self._card(account)

    def _card(self, account: AccountView) -> None:
        words = self.words
        with ui.element("article").classes("bw-card"):
            with ui.element("div").classes("bw-apart"):
                ui.label(account.name).classes("bw-strong")
                ui.label(self._state(account)).classes("bw-small")
            for grant in account.grants:
                ui.label(role_said(grant, words)).classes("bw-small")
            if account.account_id == self.viewer.actor.account_id:
                return
            roles = RolesDialog(self.screens, self.viewer, account, self.refresh)
            with ui.element("div").classes("bw-line"):
                self._button(words("Change roles"), account, roles.open)
                if account.disabled:
                    self._button(words("Let in again"), account, lambda: self._enable(account))
                else:
                    self._button(words("New invitation"), account, self._again(account).open)
                    if account.second_factor:
                        self._button(words("Remove the second factor"), account, self._without_factor(account).open)
                    self._button(words("Send away"), account, self._sure(account).open)

    @staticmethod
    def _button(text: str, account: AccountView, act: Callable[[], object]) -> None:
        button = ui.button(text, on_click=act, color=None)
        button.props(f'no-caps flat aria-label="{escape(f"{text} {account.name}")}"').classes("bw-plain")

    async def _enable(self, account: AccountView) -> None:
        viewer = self.viewer
        if await tried(self.screens, viewer, lambda: self.people.enable(viewer.actor, account.account_id)):
            await self.refresh()

    def _again(self, account: AccountView) -> ui.dialog:
        words = self.words
        with dialog(words("Invite {name} again?", name=account.name)) as made:
            ui.label(words("For a lost link or password. Whatever is signed in as this account now ends."))

            async def go() -> None:
                made.close()
                viewer, tokens = self.viewer, list[str]()

                async def act() -> None:
                    tokens.append(await self.people.invite_again(viewer.actor, account.account_id))

                if await tried(self.screens, viewer, act):
                    self._show_link(account.name, tokens[0])
                    await self.refresh()

            with ui.element("div").classes("bw-line"):
                ui.button(words("Cancel"), on_click=made.close, color=None).props("no-caps flat").classes("bw-plain")
                ui.button(words("New invitation"), on_click=go, color=None).props("no-caps").classes("bw-do")
        return made

    def _without_factor(self, account: AccountView) -> ui.dialog:
        words = self.words
        with dialog(words("Remove the second factor of {name}?", name=account.name)) as made:
            ui.label(words("For a lost phone without recovery codes. Make sure who asks for it."))

            async def act() -> None:
                other = await self.people.other(self.viewer.actor, account.account_id)
                factors = self.screens.services[SecondFactors]
                if isinstance(factors, SecondFactors):
                    await factors.remove(other, self.viewer.actor.name)

            async def go() -> None:
                made.close()
                if await tried(self.screens, self.viewer, act):
                    await self.refresh()

            with ui.element("div").classes("bw-line"):
                ui.button(words("Cancel"), on_click=made.close, color=None).props("no-caps flat").classes("bw-plain")
                ui.button(words("Remove"), on_click=go, color=None).props("no-caps").classes("bw-stop")
        return made

    def _sure(self, account: AccountView) -> ui.dialog:
        words = self.words
        with dialog(words("Send {name} away?", name=account.name)) as made:
            ui.label(words("Every session ends at once, and the account signs in no more."))

            async def go() -> None:
                made.close()
                viewer = self.viewer
                if await tried(self.screens, viewer, lambda: self.people.disable(viewer.actor, account.account_id)):
                    await self.refresh()

            with ui.element("div").classes("bw-line"):
                ui.button(words("Cancel"), on_click=made.close, color=None).props("no-caps flat").classes("bw-plain")
                ui.button(words("Send away"), on_click=go, color=None).props("no-caps").classes("bw-stop")
        return made

    def _state(self, account: AccountView) -> str:
        if account.disabled:
            return self.words("sent away")
        if account.invited:
            return self.words("invited, not here yet")
        return self.words("with second factor") if account.second_factor else self.words("with password")

    async def _invite(self) -> None:
        viewer, name, email = self.viewer, self.name.value or "", self.email.value or ""
        role, scope = str(self.role.value), self.scope.value or ""
        tokens: list[str] = []

        async def act() -> None:
            tokens.append((await self.people.invite(viewer.actor, name, [(role, scope)], email))[1])

        if await tried(self.screens, viewer, act):
            self._show_link(name, tokens[0])
            self.name.value = self.scope.value = self.email.value = ""
            await self.refresh()

    def _show_link(self, name: str, token: str) -> None:
        link = f"{self.address}invitation/{token}"
        text = self.words("Give {name} this address; it works once, for three days: {link}", name=name, link=link)
        self.link.text = text
        self.link.set_visibility(True)
