"""Lookups that are read together."""

from __future__ import annotations

import asyncio

import pytest

from bothways.adapters.db.gathering import Gathered


class Table:
    """Counts its queries."""

    def __init__(self) -> None:
        self.queries: list[int] = []
        self.broken = False

    async def fetch(self, keys: list[str]) -> dict[str, int]:
        self.queries.append(len(keys))
        await asyncio.sleep(0)
        if self.broken:
            msg = "away"
            raise OSError(msg)
        return {key: int(key) for key in keys if key != "13"}


@pytest.mark.asyncio
async def test_many_lookups_are_few_queries() -> None:
    table = Table()
    rows: Gathered[int] = Gathered(table.fetch)
    found = await asyncio.gather(*(rows.get(str(number % 1200)) for number in range(2400)))
    assert found == [None if number % 1200 == 13 else number % 1200 for number in range(2400)]
    assert table.queries == [500, 500, 200]
    assert await rows.get("7") == 7
    assert len(table.queries) == 4


@pytest.mark.asyncio
async def test_a_failure_is_everybodys_and_over_with_the_next() -> None:
    table = Table()
    rows: Gathered[int] = Gathered(table.fetch)
    table.broken = True
    results = await asyncio.gather(*(rows.get(str(number)) for number in range(3)), return_exceptions=True)
    assert all(isinstance(result, OSError) for result in results)
    table.broken = False
    assert await rows.get("1") == 1


@pytest.mark.asyncio
async def test_who_is_cancelled_does_not_disturb_the_others() -> None:
    rows: Gathered[int] = Gathered(Table().fetch)
    gone, stays = asyncio.ensure_future(rows.get("1")), asyncio.ensure_future(rows.get("1"))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays == 1
    with pytest.raises(asyncio.CancelledError):
        await gone
