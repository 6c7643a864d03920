"""New stations and new secrets: made here, told once, kept as a hash."""

from __future__ import annotations

from bothways.adapters.db.credentials import hash_secret, new_secret
from bothways.operations.stations import StationRecord


class Enrolment:
    """Fulfils :class:`bothways.operations.desk.onboarding.Enrolments` for stores that keep stations by hash."""

    async def add_station(self, record: StationRecord, secret_hash: str) -> None:
        """Adds a station."""
        raise NotImplementedError

    async def rotate_secret(self, station_id: str, secret_hash: str) -> None:
        """Gives a station a new secret."""
        raise NotImplementedError

    async def enrol(self, record: StationRecord) -> str:
        """Adds a station and returns its secret, which is not told again.

        Raises:
            InputError: the id exists or existed before.
        """
        secret = new_secret()
        await self.add_station(record, hash_secret(secret))
        return secret

    async def renew_secret(self, station_id: str) -> str:
        """Gives a station a new secret and returns it; the earlier one holds until the new one is used.

        Raises:
            InputError: no such station.
        """
        secret = new_secret()
        await self.rotate_secret(station_id, hash_secret(secret))
        return secret
