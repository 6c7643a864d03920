"""When each station was heard of last, and how long the certificate that it showed is valid."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bothways.operations.stations import StationRecord


class Presence:
    """Memory of connections; fulfils :class:`bothways.operations.desk.quality.Presences`."""

    def __init__(self) -> None:
        self._heard: dict[str, datetime] = {}
        self._until: dict[str, datetime] = {}
        self.listens: tuple[int, bool] = (0, False)

    def admitted(self, record: StationRecord, certificate: Mapping[str, Any]) -> StationRecord:
        """Notes what a station that was let in has shown; returns its record."""
        ends = certificate.get("notAfter")
        if ends:
            self._until[record.station_id] = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(ends)), tz=UTC)
        return record

    def heard(self, station_id: str, now: datetime) -> None:
        """Notes that a station said something."""
        self._heard[station_id] = now

    def heard_at(self, station_id: str) -> datetime | None:
        """When a station said something for the last time since the server began; ``None`` for never."""
        return self._heard.get(station_id)

    def certificate_until(self, station_id: str) -> datetime | None:
        """When the certificate ends with which a station connected last; ``None`` where it showed none."""
        return self._until.get(station_id)
