"""Lists in pages: ``limit``, an opaque ``cursor``, and the address of the next page in the ``Link`` header."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import Depends, Query, Request, Response

from bothways.adapters.http.faults import Fault

T = TypeVar("T")
MOST = 1000
USUAL = 100
Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """The page that was asked for.

    Attributes:
        limit: most entries.
        after: key of the last entry of the page before, ``None`` for the first page.
    """

    limit: int
    after: Key | None
    request: Request
    response: Response

    def of(self, items: Iterable[T], key: Callable[[T], Key]) -> list[T]:
        """The page of a list that lies in memory, sorted by ``key``.

        Args:
            items: the whole list.
            key: a tuple of strings, numbers and booleans that sorts the list and differs between any two entries.
        """
        ordered = sorted(items, key=key)
        if self.after is not None:
            after = self.after
            try:
                ordered = [item for item in ordered if key(item) > after]
            except TypeError as error:
                raise _foreign() from error
        return self.cut(ordered, key)

    def cut(self, rows: Sequence[T], key: Callable[[T], Key]) -> list[T]:
        """The page of rows that a store already sorted, read from ``after`` on with one more than ``limit``."""
        if len(rows) > self.limit:
            last = [self.request.url.path, *key(rows[self.limit - 1])]
            cursor = base64.urlsafe_b64encode(orjson.dumps(last)).decode().rstrip("=")
            target = self.request.url.include_query_params(limit=self.limit, cursor=cursor)
            self.response.headers["link"] = f'<{target.path}?{target.query}>; rel="next"'
        return list(rows[: self.limit])

    def words(self) -> tuple[str, str] | None:
        """``after`` as two texts, ``None`` on the first page; for stores.

        Raises:
            Fault: 422 where the cursor is of another list.
        """
        if self.after is None:
            return None
        if len(self.after) != 2 or not all(isinstance(item, str) for item in self.after):
            raise _foreign()
        return self.after[0], self.after[1]

    def number(self) -> int | None:
        """``after`` as one whole number, ``None`` on the first page; for stores.

        Raises:
            Fault: 422 where the cursor is of another list.
        """
        if self.after is None:
            return None
        if len(self.after) != 1 or type(self.after[0]) is not int or abs(self.after[0]) >= 2**62:
            raise _foreign()
        return int(self.after[0])


def page(
    request: Request,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=MOST, description="Most entries of a page.")] = USUAL,
    cursor: Annotated[
        str | None, Query(max_length=1000, description="From the `Link` header of the page before; opaque.")
    ] = None,
) -> Page:
    """Reads ``limit`` and ``cursor``."""
    if cursor is None:
        return Page(limit, None, request, response)
    try:
        path, *key = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True))
    except (binascii.Error, orjson.JSONDecodeError, TypeError, ValueError) as error:
        raise _foreign() from error
    if path != request.url.path:
        raise _foreign()
    return Page(limit, tuple(key), request, response)


Paging = Annotated[Page, Depends(page)]


def _foreign() -> Fault:
    remedy = "Take it from the Link header, or leave it out."
    return Fault(422, "No such page", "The cursor is not of this list.", remedy)
