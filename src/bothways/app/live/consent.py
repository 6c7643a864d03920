"""Which energy transfer a driver agreed to, from what drivers said."""

from __future__ import annotations

from bothways.adapters.db.store import SqlStore
from bothways.operations.ports import Clock
from bothways.operations.stations import energy_transfer
from bothways.operations.wishes import KIND, chosen, subject, wish_from


class StatedConsent:
    """Two-way transfer is offered to drivers who agreed to it, one-way to those who said something else.

    What was said for a departure that lies ahead counts, else the standing wish, else what was said last. Whoever said
    nothing is told nothing, and is not discharged: the loop's own gate asks for consent as well.
    """

    def __init__(self, store: SqlStore, clock: Clock) -> None:
        self._store, self._clock = store, clock

    async def allowed(self, station_id: str, id_token: str) -> tuple[str, ...]:
        """OCPP's names of energy transfer modes; empty to say nothing."""
        need = (await self._store.needs([id_token])).get(id_token)
        if need is not None and need.ready_by > self._clock.now():
            return energy_transfer(discharge_consent=need.discharge_consent)
        station = await self._store.station(station_id)
        site_id = "" if station is None else station.site_id
        names = {subject(id_token), subject(id_token, site_id)}
        kept = {name: wish_from(name, body) for name, body in (await self._store.documents(KIND, names)).items()}
        wish = chosen(kept, id_token, site_id)
        if wish is not None:
            return energy_transfer(discharge_consent=wish.discharge_consent)
        return () if need is None else energy_transfer(discharge_consent=need.discharge_consent)
