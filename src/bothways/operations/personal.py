"""What is a person's own in a store: told whole to the person, and forgotten when the person asks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from bothways.operations.stations import DriverNeed


@runtime_checkable
class PersonalStore(Protocol):
    """A store that can tell and forget everything of one person."""

    async def said(self, holder: str) -> Sequence[DriverNeed]:
        """Every need that was stated for a holder, the latest first."""
        ...

    async def noted_about(self, names: Collection[str]) -> Sequence[tuple[datetime, str, str, Mapping[str, Any]]]:
        """Lines of the audit log whose subject, or any value of whose detail, is one of the names; the first first."""
        ...

    async def erase_person(self, account_id: str, holders: Sequence[str]) -> int:
        """Forgets an account and its cards in one commit; energies and times stay under a random name.

        Returns:
            How many transactions had one of the cards.

        Raises:
            StoreError: nothing was erased.
        """
        ...


def without_holder(value: Any, holder: str) -> Any:
    """Plain values as they were learnt, without what is known of a holder.

    Keys that name the holder, alone or with a charger (``holder@model``), are left out; elsewhere its name becomes
    ``None``.

    >>> without_holder({"capacity": {"T-1": [60.0], "T-2": [40.0]}, "stays": [[1, "T-1"]]}, "T-1")
    {'capacity': {'T-2': [40.0]}, 'stays': [[1, None]]}
    """
    if isinstance(value, Mapping):
        return {
            key: without_holder(inner, holder)
            for key, inner in value.items()
            if key != holder and not str(key).startswith(f"{holder}@")
        }
    if isinstance(value, list | tuple):
        return [without_holder(inner, holder) for inner in value]
    return None if value == holder else value
