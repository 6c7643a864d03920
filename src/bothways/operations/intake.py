"""Where gateways bring what stations say: durable first, then the live site is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from bothways.operations.events import StationEvent, TransactionChanged
from bothways.operations.ports import Receipt, StationRegistry, Store

Listener = Callable[[StationEvent], None]

ANSWERS = frozenset({"Accepted", "Blocked", "Expired", "Invalid"})


class TokenList(Protocol):
    """Who may charge."""

    async def token_status(self, station_id: str, id_token: str) -> str:
        """``Accepted``, ``Blocked``, ``Expired`` or ``Invalid``."""
        ...


class ListedTokens:
    """A fixed list of tokens with their status; whoever is not listed is ``Invalid``.

    Args:
        status: status by token; tokens are compared without regard to case, as OCPP asks.

    Raises:
        ValueError: a status that stations do not know.
    """

    def __init__(self, status: Mapping[str, str]) -> None:
        unknown = sorted(set(status.values()) - ANSWERS)
        if unknown:
            msg = f"a token's status is one of {', '.join(sorted(ANSWERS))}, not {', '.join(unknown)}"
            raise ValueError(msg)
        self._status = {token.casefold(): answer for token, answer in status.items()}

    async def token_status(self, station_id: str, id_token: str) -> str:  # noqa: ARG002 - the list is for all stations
        """The listed status, or ``Invalid``."""
        return self._status.get(id_token.casefold(), "Invalid")


class EveryToken:
    """Accepts every token that is not empty: for a private site that chose so, and for demonstrations."""

    async def token_status(self, station_id: str, id_token: str) -> str:  # noqa: ARG002 - anybody, anywhere
        """``Accepted``, but for no token at all."""
        return "Accepted" if id_token else "Invalid"


class SiteIntake:
    """Implements the ``Intake`` port.

    An event is stored, and only what is new reaches the listeners: a repeated message changes nothing twice. A
    listener that fails does not undo the fact; its error is handed to ``failed``, and the station gets its answer.

    Args:
        store: durable memory.
        registry: stations; events of unknown ones are stored and told to nobody.
        listeners: called with every new event, in order.
        tokens: who may charge; nobody where no list is given.
        failed: called with a listener's error.
    """

    def __init__(
        self,
        store: Store,
        registry: StationRegistry,
        listeners: Sequence[Listener] = (),
        *,
        tokens: TokenList | None = None,
        failed: Callable[[StationEvent, Exception], None] | None = None,
    ) -> None:
        self._store, self._registry = store, registry
        self._listeners = list(listeners)
        self._tokens = tokens or ListedTokens({})
        self._failed = failed

    def listen(self, listener: Listener) -> None:
        """Adds a listener."""
        self._listeners.append(listener)

    async def receive(self, event: StationEvent) -> Receipt:
        """Stores the event, then tells the live site of it.

        Raises:
            StoreError: it could not be stored; nothing is acknowledged and nobody is told.
        """
        receipt = await self._store.append(event)
        if isinstance(event, TransactionChanged) and not event.transaction_id:
            event = replace(event, transaction_id=receipt.transaction_id)
        if receipt.new:
            for listener in self._listeners:
                self._tell(listener, event)
        return receipt

    def _tell(self, listener: Listener, event: StationEvent) -> None:
        try:
            listener(event)
        except Exception as error:  # the fact is durable, so the station must get its answer
            if self._failed is None:
                raise
            self._failed(event, error)

    async def authorize(self, station_id: str, id_token: str) -> str:
        """Whether this token may charge here; a station that is not registered gets ``Invalid``."""
        if await self._registry.station(station_id) is None:
            return "Invalid"
        return await self._tokens.token_status(station_id, id_token)
