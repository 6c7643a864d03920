"""All sites on one page, by exception: what is wrong first, who is quiet counted."""

from __future__ import annotations

from nicegui import ui

from bothways.adapters.web.figures import age, power
from bothways.adapters.web.frame import Screens, Viewer
from bothways.adapters.web.sayings import alarm_told
from bothways.adapters.web.tables import Table, cell
from bothways.operations.desk.views import SiteLine

_SITES_EVERY_S = 2.0
_WORST = ("critical", "warning", "information")


class SitesPage:
    """Sites that need somebody, the worst first; a search finds any; quiet ones are counted, and listed on demand."""

    def __init__(self, screens: Screens, viewer: Viewer) -> None:
        self.screens, self.viewer, self.words = screens, viewer, viewer.words

    def build(self) -> None:
        """Lays the page out."""
        words = self.words
        self.total = ui.label("").props('role="status"')
        self.search = ui.input(words("Search: site, alarm, station")).props("outlined dense clearable")
        self.search.style("max-width: 26rem; width: 100%").on_value_change(self.refresh)
        head = (
            words("Site"), words("What calls for attention"), "#" + words("Import"), "#" + words("Limit"),
            "#" + words("Vehicles"), "#" + words("Plugged in"), words("As of"),
        )  # fmt: skip
        self.table = Table(words("Sites that need attention"), head, words("No site needs attention, or none fits."))
        with ui.element("details") as self.rest:
            with ui.element("summary"):
                self.quiet = ui.label("").style("display: inline")
            self.others = Table(words("Quiet sites"), head, words("There is no site that you may see."))
        self.refresh()
        ui.timer(_SITES_EVERY_S, self.refresh, immediate=False)

    def refresh(self) -> None:
        """Brings the list up to date."""
        words = self.words
        lines = self.screens.desk.sites(self.viewer.actor)
        calling = sorted((line for line in lines if calls(line)), key=_rank)
        quiet = [line for line in lines if not calls(line)]
        self.total.text = (
            words("Need attention: {calling} of {all} sites.", calling=len(calling), all=len(lines))
            if calling
            else words("No site needs attention.")
        )
        self.quiet.text = words("Quiet sites: {count}", count=len(quiet))
        sought = (self.search.value or "").strip().casefold()
        self.table.show([self._row(line) for line in calling if sought in self._text(line)])
        self.others.show([self._row(line) for line in quiet if sought in self._text(line)])

    def _text(self, line: SiteLine) -> str:
        told = [f"{alarm.kind} {alarm.subject} {alarm.text}" for alarm in line.alarms]
        return " ".join((line.site_id, self._calls(line), *told)).casefold()

    def _row(self, line: SiteLine) -> list[str]:
        old = None if line.at is None else (self.screens.desk.now() - line.at).total_seconds()
        # coarse on purpose: an age that changes every second would send the table every second
        as_of = self.words("starting") if old is None else age(0.0 if old < 90.0 else old, self.words)
        return [
            cell(line.site_id, f"/site/{line.site_id}"), cell(self._calls(line)),
            *(cell(power(kw, self.words)) for kw in (line.import_kw, line.import_limit_kw, line.vehicles_kw)),
            cell(str(line.connected)), cell(as_of),
        ]  # fmt: skip

    def _calls(self, line: SiteLine) -> str:
        words = self.words
        parts = [words("emergency stop")] if line.stopped else []
        worst = sorted(line.alarms, key=lambda alarm: _WORST.index(alarm.severity))
        shown = [alarm for alarm in worst[:2] if alarm.kind != "emergency-stop"]
        parts += [f"{alarm.subject}: {alarm_told(alarm.text, line.tz, words)}" for alarm in shown]
        if len(worst) > 2:
            parts.append(words("and {count} more", count=len(worst) - 2))
        if line.stations_offline:
            parts.append(words("stations offline: {count}", count=line.stations_offline))
        return "; ".join(parts) or words("nothing")


def calls(line: SiteLine) -> bool:
    """Whether a site needs somebody."""
    return line.stopped or bool(line.alarms) or line.at is None


def _rank(line: SiteLine) -> tuple[bool, int, int, str]:
    worst = min((_WORST.index(alarm.severity) for alarm in line.alarms), default=len(_WORST))
    return (not line.stopped, worst, -len(line.alarms), line.site_id)
