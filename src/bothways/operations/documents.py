"""Small records that are written whole: standing wishes, links for guests, queues. One port keeps them all."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from bothways.domain.errors import StoreError


@runtime_checkable
class Documents(Protocol):
    """Records by kind and subject, of plain values; the one that was kept last is the one there is."""

    async def documents(self, kind: str, subjects: Collection[str] | None = None) -> Mapping[str, Mapping[str, Any]]:
        """Records of a kind by subject: all, or those of the given subjects."""
        ...

    async def keep_document(self, kind: str, subject: str, at: datetime, body: Mapping[str, Any]) -> None:
        """Replaces a record; returns when it is durable.

        Raises:
            StoreError: it could not be kept.
        """
        ...

    async def swap_document(
        self, kind: str, subject: str, at: datetime, body: Mapping[str, Any], seen: Mapping[str, Any] | None
    ) -> bool:
        """Replaces a record that is still as it was seen (``None`` for none), as one step that nobody gets between.

        Of several who saw the same, in any process, exactly one gets ``True``; the others changed nothing.
        """
        ...

    async def noted(self, kind: str, subject: str, since: datetime, until: datetime) -> Sequence[Mapping[str, Any]]:
        """Details of the audit log's lines of a kind about a subject with ``since <= at < until``, the first first."""
        ...

    async def drop_document(self, kind: str, subject: str) -> None:
        """Deletes a record; one that is not there is no fault."""
        ...


def documents_in(store: object) -> Documents:
    """The store, as one that keeps records.

    Raises:
        StoreError: it keeps none.
    """
    if isinstance(store, Documents):
        return store
    msg = f"{type(store).__name__} keeps no records of drivers; nothing was changed"
    raise StoreError(msg)
