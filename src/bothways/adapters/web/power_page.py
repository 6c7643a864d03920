"""What the grid sees of each site: power, limits, how old that is. For who may see no more than that."""

from __future__ import annotations

from fastapi import Request
from nicegui import ui

from bothways.adapters.web.figures import age, power
from bothways.adapters.web.frame import Screens, Viewer, frame
from bothways.adapters.web.tables import Table, cell
from bothways.operations.access.roles import Action, Actor
from bothways.operations.desk.views import SitePower

_EVERY_S = 2.0


def sees_power_alone(actor: Actor) -> bool:
    """Whether a viewer may see the power of a site, and not the site itself."""
    return bool(actor.scopes_for(Action.SITE_POWER) - actor.scopes_for(Action.SITE_VIEW))


async def power_screen(screens: Screens, viewer: Viewer, _: Request) -> None:
    """The page."""
    viewer.actor.require(Action.SITE_POWER, *viewer.actor.scopes_for(Action.SITE_POWER))
    with frame(screens, viewer, viewer.words("Power"), "/power"):
        PowerPage(screens, viewer).build()


class PowerPage:
    """A table that keeps itself up to date."""

    def __init__(self, screens: Screens, viewer: Viewer) -> None:
        self.screens, self.viewer, self.words = screens, viewer, viewer.words

    def build(self) -> None:
        """Lays the page out."""
        words = self.words
        head = (
            words("Site"), "#" + words("Import"), "#" + words("Import limit"), "#" + words("Export limit"),
            words("Site meter"), words("State"),
        )  # fmt: skip
        ui.label(words("Import below zero is export.")).classes("bw-small")
        self.table = Table(words("Power"), head, words("There is no site that you may see."))
        self.refresh()
        ui.timer(_EVERY_S, self.refresh, immediate=False)

    def refresh(self) -> None:
        """Brings the table up to date."""
        self.table.show([self._row(one) for one in self.screens.desk.powers(self.viewer.actor)])

    def _row(self, one: SitePower) -> list[str]:
        words = self.words
        state = words("emergency stop") if one.stopped else words("in operation")
        if one.at is None:
            state = words("starting")
        limit = power(one.import_limit_kw, words)
        return [
            cell(one.site_id), cell(power(one.import_kw, words)), cell(limit), cell(power(one.export_limit_kw, words)),
            cell(age(one.meter_age_s, words)), cell(state),
        ]  # fmt: skip
