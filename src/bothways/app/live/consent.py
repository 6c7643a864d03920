"""Which energy transfer a driver agreed to, from what drivers said."""

from __future__ import annotations

from bothways.operations.ports import Store
from bothways.operations.stations import energy_transfer


class StatedConsent:
    """Two-way transfer is offered to drivers who agreed to it, one-way to those who said something else.

    Whoever said nothing is told nothing, and is not discharged: the loop's own gate asks for consent as well.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def allowed(self, station_id: str, id_token: str) -> tuple[str, ...]:  # noqa: ARG002 - the same everywhere
        """OCPP's names of energy transfer modes; empty to say nothing."""
        need = (await self._store.needs([id_token])).get(id_token)
        if need is None:
            return ()
        return energy_transfer(discharge_consent=need.discharge_consent)
