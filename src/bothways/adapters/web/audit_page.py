"""The audit log: who did what, filtered, a page at a time."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from html import escape
from zoneinfo import ZoneInfo

from fastapi import Request
from nicegui import ui

from bothways.adapters.web.audit_sayings import kind_meant, kind_said, plain, subject_said
from bothways.adapters.web.figures import instant
from bothways.adapters.web.frame import Screens, Viewer, frame
from bothways.adapters.web.tables import Table, cell
from bothways.domain.errors import BothwaysError
from bothways.operations.access.roles import Action
from bothways.operations.desk.audit import AuditFilter, audit
from bothways.operations.ports import AuditLine

_PAGE = 50
_LONGEST = 300


async def audit_screen(screens: Screens, viewer: Viewer, _: Request) -> None:
    """The page, for who may see an audit log."""
    viewer.actor.require(Action.AUDIT_VIEW, *viewer.actor.scopes_for(Action.AUDIT_VIEW))
    with frame(screens, viewer, viewer.words("Audit log"), "/audit"):
        await AuditPage(screens, viewer).build()


class AuditPage:
    """The log with its filter; further pages are added below."""

    def __init__(self, screens: Screens, viewer: Viewer) -> None:
        self.screens, self.viewer, self.words = screens, viewer, viewer.words
        sites = screens.desk.sites(viewer.actor)
        self.tz = screens.desk.site(viewer.actor, sites[0].site_id).tz if sites else "UTC"
        self._lines: list[AuditLine] = []

    async def build(self) -> None:
        """Lays the page out."""
        words = self.words
        with ui.element("section").classes("bw-card").props(f'aria-label="{words("Filter")}"'):
            with ui.element("div").classes("bw-line"):
                self.kind = ui.input(words("What was done")).props("outlined dense")
                self.subject = ui.input(words("To what (beginning)")).props("outlined dense")
                self.text = ui.input(words("Who, or a word of the detail")).props("outlined dense")
                self.day = ui.input(words("Day")).props("outlined dense stack-label type=date")
                ui.button(words("Show"), on_click=self.show, color=None).props("no-caps").classes("bw-do")
            for field in (self.kind, self.subject, self.text, self.day):
                field.on("keydown.enter", self.show)
            ui.label(words("Times are those of {zone}.", zone=self.tz)).classes("bw-small")
        self.state = ui.label("").props('role="status"')
        head = (words("When"), words("What"), words("Subject"), words("Who"), words("Detail"))
        self.table = Table(words("Audit log"), head, words("Nothing is on record for this."))
        self.more = ui.button(words("Earlier ones"), on_click=self.earlier, color=None).props("no-caps flat")
        self.more.classes("bw-plain")
        await self.show()

    async def show(self) -> None:
        """Reads the latest lines for the filter."""
        self._lines = []
        await self.earlier()

    async def earlier(self) -> None:
        """Adds the next page."""
        words = self.words
        before = self._lines[-1].number if self._lines else None
        try:
            wanted = self._wanted()
            found = await audit(self.screens.desk, self.viewer.actor, wanted, before=before, limit=_PAGE + 1)
        except (BothwaysError, ValueError) as error:
            self.state.text = words("This cannot be shown: {why}", why=str(error))
            return
        self._lines += found[:_PAGE]
        self.more.set_visibility(len(found) > _PAGE)
        self.state.text = words("{count} lines, the latest first.", count=len(self._lines))
        self.table.show([self._row(line) for line in self._lines])

    def _wanted(self) -> AuditFilter:
        since = until = None
        if day := (self.day.value or "").strip():
            zone = ZoneInfo(self.tz)
            first = datetime.combine(datetime.fromisoformat(day).date(), time(), zone)
            since, until = first.astimezone(UTC), (first + timedelta(days=1)).astimezone(UTC)
        kind, subject, text = ((field.value or "").strip() for field in (self.kind, self.subject, self.text))
        return AuditFilter(kind_meant(kind, self.words), subject, text, since, until)

    def _row(self, line: AuditLine) -> list[str]:
        at, detail = instant(line.at, self.tz, self.words), dict(line.detail)
        who = next((str(detail.pop(name)) for name in ("who", "ended_by") if name in detail), "")
        told = ", ".join(
            f"{name.replace('_', ' ')}: {plain(value, self.tz, self.words)}" for name, value in detail.items()
        )
        short = told if len(told) <= _LONGEST else told[: _LONGEST - 1] + "…"
        return [
            f'<span class="bw-when">{at}</span>', cell(kind_said(line.kind, self.words)),
            cell(subject_said(line.subject)), cell(who),
            f'<span title="{escape(told)}">{escape(short)}</span>',
        ]  # fmt: skip
