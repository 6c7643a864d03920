"""One's own data on the driver's page: everything in one file, or erased."""

from __future__ import annotations

from html import escape

from nicegui import ui

from bothways.adapters.web.frame import Screens, Viewer, dialog, heading, in_words
from bothways.adapters.web.words import later
from bothways.domain.errors import BothwaysError
from bothways.operations.access.accounts import SignInAgain
from bothways.operations.access.roles import Role
from bothways.operations.desk.driver.own_data import OwnData

_AGAIN = later("For safety this asks for a sign-in that is fresh: sign out, sign in again, and come back here.")


class DataCard:
    """The card, for drivers; staff have their account's page."""

    def __init__(self, screens: Screens, viewer: Viewer) -> None:
        self.screens, self.viewer, self.words = screens, viewer, viewer.words

    def build(self) -> None:
        """Lays the card out."""
        if not any(grant.role == Role.DRIVER for grant in self.viewer.actor.grants):
            return
        words = self.words
        with ui.element("section").classes("bw-card").props(f'aria-label="{escape(words("My data"))}"'):
            heading(words("My data"))
            ui.label(words("Wishes, stays, measured values, statements and sign-ins, as CSV and JSON.")).classes(
                "bw-small"
            )
            ui.html(
                f'<a class="bw-link" href="/api/v1/account/data" download>{escape(words("Download everything"))}</a>',
                sanitize=False,
            )
            ui.button(words("Erase my data …"), on_click=self._ask, color=None).props("no-caps").classes("bw-plain")

    def _ask(self) -> None:
        words = self.words
        with dialog(words("Erase my data")) as asked:
            ui.label(
                words("Your account, cards, wishes and what was learnt of your vehicle are deleted for good. Energies "
                      "stay under a random name, for the accounts of the building.")
            )  # fmt: skip
            name = ui.input(words("Type your name to confirm: {name}", name=self.viewer.actor.name)).props("outlined")
            said = ui.label("").classes("bw-alarm critical").props('role="alert"')
            said.set_visibility(False)

            async def erase() -> None:
                own = OwnData(self.screens.desk, self.screens.access)
                try:
                    await own.erase(self.viewer.token, name.value or "")
                except BothwaysError as error:
                    again = isinstance(error, SignInAgain)
                    said.text = words(_AGAIN) if again else in_words(error, words)
                    said.set_visibility(True)
                else:
                    ui.navigate.to("/sign-in")

            with ui.element("div").classes("bw-line"):
                ui.button(words("Erase for good"), on_click=erase, color=None).props("no-caps").classes("bw-stop")
                ui.button(words("Cancel"), on_click=asked.close, color=None).props("no-caps flat").classes("bw-plain")
        asked.open()
