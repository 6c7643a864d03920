"""The compatibility register as the loop asks it: read from the store, renewed now and then."""

from __future__ import annotations

from bothways.adapters.db.store import SqlStore
from bothways.operations.site.gate import PairAbility

_TO_BUILDINGS_OR_GRID = frozenset({"V2H", "V2B", "V2G"})


class StoredRegister:
    """Which vehicle at which charger is known to discharge (R55). What is not recorded does not discharge."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self._pairs: dict[tuple[str, str], PairAbility] = {}

    async def refresh(self) -> None:
        """Reads the register anew."""
        pairs: dict[tuple[str, str], PairAbility] = {}
        for row in await self._store.compatibility_register():
            able = bool(_TO_BUILDINGS_OR_GRID & set(row.uses)) and row.discharge_kw > 0.0
            reason = "" if able else f"{row.source} says that this pair does not discharge to a building or the grid"
            found = PairAbility(
                able, row.discharge_kw if able else 0.0, row.source, row.as_of.date(), reason, resumes=row.resumes,
                to_grid="V2G" in row.uses,
            )  # fmt: skip
            known = pairs.get((row.vehicle, row.charger))
            if known is None or found.discharge_kw < known.discharge_kw:  # by which connector is not known here
                pairs[row.vehicle, row.charger] = found
        self._pairs = pairs

    def ability(self, vehicle: str, charger: str) -> PairAbility | None:
        """The entry for a vehicle (id token or model) at a charger model; ``None`` where there is none."""
        return self._pairs.get((vehicle, charger))
