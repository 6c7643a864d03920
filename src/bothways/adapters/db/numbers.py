"""Ids that are given once: blocks of transaction numbers, and the dictionary of words and series."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TypeVar

from sqlalchemy import Connection, Engine, Table, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from bothways.adapters.db import schema

T = TypeVar("T")
BLOCK = 200
"""Transaction numbers that a process reserves at a time; what is left of a block at a crash stays unused."""

SeriesKey = tuple[str, int, str, str, str, str, str]
"""Station, EVSE, measurand, unit, phase, context, location."""


def insert_new(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that leaves rows alone whose key is there already."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()


class Numbers:
    """Transaction numbers from blocks. Reserving is a commit of its own, so that a number never comes twice."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._next = 0
        self._end = 0

    def ensure(self, count: int) -> None:
        """Reserves so that ``count`` numbers can be taken without asking again."""
        if self._end - self._next >= count:
            return
        size = max(BLOCK, count)
        table = schema.counter
        with self._engine.connect().execution_options(write=True) as connection, connection.begin():
            connection.execute(insert_new(connection, table), [{"name": "transaction", "next_value": 1}])
            raised = (
                update(table)
                .where(table.c.name == "transaction")
                .values(next_value=table.c.next_value + size)
                .returning(table.c.next_value)
            )
            end = connection.execute(raised).scalar_one()
        self._next, self._end = end - size, end

    def take(self) -> int:
        """The next number; :meth:`ensure` must have been called."""
        if self._next >= self._end:
            msg = "no transaction numbers are reserved"
            raise RuntimeError(msg)
        self._next += 1
        return self._next - 1


class Words:
    """Dictionary of words and series with a cache. New ones are committed at once, apart from any batch.

    Belongs to one writer.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.known_ids: dict[str, int] = {}
        self.known_series: dict[SeriesKey, int] = {}

    def ensure(self, words: Collection[str], series: Collection[SeriesKey] = ()) -> None:
        """Makes sure that words and series have ids in the caches."""
        new_words = {word for word in words if word not in self.known_ids}
        new_series = {key for key in series if key not in self.known_series}
        if not new_words and not new_series:
            return
        with self._engine.connect().execution_options(write=True) as connection, connection.begin():
            ids = self._number_words(connection, new_words, new_series)
            numbers = _number_series(connection, new_series, ids)
        self.known_ids.update(ids)
        self.known_series.update(numbers)

    def _number_words(self, connection: Connection, new_words: set[str], new_series: set[SeriesKey]) -> dict[str, int]:
        wanted = new_words | {word for key in new_series for word in (key[0], *key[2:])}
        ids = {word: number for word in wanted if (number := self.known_ids.get(word)) is not None}
        unknown = sorted(wanted - ids.keys())
        table = schema.term
        ids |= ids_of_words(connection, unknown)
        unknown = [word for word in unknown if word not in ids]
        if unknown:
            connection.execute(insert_new(connection, table), [{"word": word} for word in unknown])
            ids |= ids_of_words(connection, unknown)
        return ids


def words_of_ids(connection: Connection, ids: Collection[int]) -> dict[int, str]:
    """The words of ids."""
    table = schema.term
    words: dict[int, str] = {}
    for part in chunks(sorted(ids)):
        found = connection.execute(select(table.c.id, table.c.word).where(table.c.id.in_(part)))
        words.update((number, word) for number, word in found)
    return words


def ids_of_words(connection: Connection, words: Collection[str]) -> dict[str, int]:
    """The ids of words that have one."""
    table = schema.term
    ids: dict[str, int] = {}
    for part in chunks(sorted(words)):
        found = connection.execute(select(table.c.word, table.c.id).where(table.c.word.in_(part)))
        ids.update((word, number) for word, number in found)
    return ids


def _number_series(connection: Connection, new_series: set[SeriesKey], ids: dict[str, int]) -> dict[SeriesKey, int]:
    if not new_series:
        return {}
    numbered = {(ids[key[0]], key[1], *(ids[word] for word in key[2:])): key for key in sorted(new_series)}
    table = schema.series
    names = [column.name for column in table.c if column.name != "id"]
    connection.execute(insert_new(connection, table), [dict(zip(names, key, strict=True)) for key in numbered])
    columns = [table.c[name] for name in names]
    numbers: dict[SeriesKey, int] = {}
    for part in chunks(list(numbered)):
        for number, *key in connection.execute(select(table.c.id, *columns).where(tuple_(*columns).in_(part))):
            numbers[numbered[tuple(key)]] = number
    return numbers


def chunks(items: list[T], size: int = 500) -> Iterable[list[T]]:
    """Cuts a list, so that no statement holds more variables than a database takes."""
    return (items[begin : begin + size] for begin in range(0, len(items), size))
