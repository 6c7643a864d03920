"""Pages that are lists: all sites by exception, and charging stations."""

from __future__ import annotations

from nicegui import ui

from bothways.adapters.web.frame import NOT_KNOWN, Screens, Viewer, age, power
from bothways.adapters.web.tables import Table, cell
from bothways.domain.errors import BothwaysError
from bothways.operations.desk.views import SiteLine

_SITES_EVERY_S = 2.0
_STATIONS_EVERY_S = 5.0


class SitesPage:
    """All sites, those that need somebody first; a site without exceptions takes one quiet line."""

    def __init__(self, screens: Screens, viewer: Viewer) -> None:
        self.screens, self.viewer, self.words = screens, viewer, viewer.words

    def build(self) -> None:
        """Lays the page out."""
        words = self.words
        self.total = ui.label("").props('role="status"')
        head = (
            words("Site"), words("What calls for attention"), "#" + words("Import"), "#" + words("Limit"),
            "#" + words("Vehicles"), "#" + words("Plugged in"), words("As of"),
        )  # fmt: skip
        self.table = Table(words("Sites"), head, words("There is no site that you may see."))
        self.refresh()
        ui.timer(_SITES_EVERY_S, self.refresh, immediate=False)

    def refresh(self) -> None:
        """Brings the list up to date."""
        lines = self.screens.desk.sites(self.viewer.actor)
        calling = sum(line.stopped or bool(line.alarms) for line in lines)
        self.total.text = (
            self.words("{calling} of {all} sites need attention.", calling=calling, all=len(lines))
            if calling
            else self.words("No site needs attention.")
        )
        self.table.show([self._row(line) for line in lines])

    def _row(self, line: SiteLine) -> list[str]:
        old = None if line.at is None else (self.screens.desk.now() - line.at).total_seconds()
        # coarse on purpose: an age that changes every second would send the table every second
        as_of = self.words("starting") if old is None else age(0.0 if old < 90.0 else old, self.words)
        return [
            cell(line.site_id, f"/site/{line.site_id}"), cell(self._calls(line)), cell(power(line.import_kw)),
            cell(power(line.import_limit_kw)), cell(power(line.vehicles_kw)), cell(str(line.connected)), cell(as_of),
        ]  # fmt: skip

    def _calls(self, line: SiteLine) -> str:
        words = self.words
        parts = [words("emergency stop")] if line.stopped else []
        worst = sorted(line.alarms, key=lambda alarm: ("critical", "warning", "information").index(alarm.severity))
        parts += [f"{alarm.subject}: {alarm.text}" for alarm in worst[:2] if alarm.kind != "emergency-stop"]
        if len(worst) > 2:
            parts.append(words("and {count} more", count=len(worst) - 2))
        if line.stations_offline:
            parts.append(words("{count} stations offline", count=line.stations_offline))
        return "; ".join(parts) or words("nothing")


class StationsPage:
    """Charging stations: whether each is there, accepted, how it is secured, and what it is."""

    def __init__(self, screens: Screens, viewer: Viewer) -> None:
        self.screens, self.viewer, self.words = screens, viewer, viewer.words

    async def build(self) -> None:
        """Lays the page out."""
        words = self.words
        head = (
            words("Station"), words("Site"), words("Connection"), words("Accepted"), words("Security profile"),
            words("Model"), words("Discharging"), "#" + words("Charging points"),
        )  # fmt: skip
        self.state = ui.label("").classes("bw-stale").props('role="status"')
        self.state.set_visibility(False)
        self.table = Table(words("Stations"), head, words("No station is registered; see `bothways station add`."))
        await self.refresh()
        ui.timer(_STATIONS_EVERY_S, self.refresh, immediate=False)

    async def refresh(self) -> None:
        """Brings the list up to date."""
        words = self.words
        try:
            stations = await self.screens.desk.stations(self.viewer.actor)
        except BothwaysError as error:
            self.state.text = words("The list is not up to date: {why}", why=str(error))
            self.state.set_visibility(True)
            return
        self.state.set_visibility(False)
        rows = []
        for item in sorted(stations, key=lambda one: (one.online, one.site_id, one.station_id)):
            accepted = NOT_KNOWN if item.accepted_at is None else f"{item.accepted_at:%Y-%m-%d}"
            discharge = words("can discharge") if item.discharge != "none" else words("charges only")
            rows.append([
                cell(item.station_id), cell(item.site_id), cell(words("online") if item.online else words("offline")),
                cell(accepted), cell(str(item.security_profile)), cell(item.model or NOT_KNOWN), cell(discharge),
                cell(str(item.evses)),
            ])  # fmt: skip
        self.table.show(rows)
