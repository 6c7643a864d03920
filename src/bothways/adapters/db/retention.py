"""What is forgotten, and when: old values and messages, and what belongs to one person."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

import orjson
from sqlalchemy import Connection, Engine, delete, select, update
from sqlalchemy.exc import SQLAlchemyError

from bothways.adapters.db import schema
from bothways.adapters.db.engine import clock_us, connect, store_error
from bothways.adapters.db.registry import audit
from bothways.adapters.db.values import clean, to_us
from bothways.operations.personal import without_holder


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How much was deleted."""

    samples: int
    messages: int


def forget(url: str, *, samples_before: datetime, messages_before: datetime) -> Forgotten:
    """Deletes values and messages older than given; transactions, their events and their energy stay.

    Goes series by series, each in a commit of its own, so that the server's writer never waits long.

    Raises:
        StoreError: the database does not answer; what was deleted before stays deleted.
    """
    engine = connect(url)
    try:
        samples = _forget_samples(engine, to_us(samples_before))
        messages = _forget_messages(engine, to_us(messages_before))
        detail: dict[str, object] = {"samples": samples, "messages": messages}
        with engine.connect().execution_options(write=True) as connection, connection.begin():
            audit(connection, "retention", "store", clock_us(), detail)
    except SQLAlchemyError as error:
        raise store_error(error) from error
    finally:
        engine.dispose()
    return Forgotten(samples, messages)


def _forget_samples(engine: Engine, before: int) -> int:
    owner, values, signed = schema.transaction, schema.sample, schema.signature
    with engine.connect().execution_options(write=True) as connection, connection.begin():
        # their energy can no longer be computed anew from values: a value that comes late is flagged instead
        connection.execute(update(owner).where(owner.c.first_us < before).values(thinned=True))
        series = list(connection.execute(select(schema.series.c.id)).scalars())
    count = 0
    for number in series:
        with engine.connect().execution_options(write=True) as connection, connection.begin():
            connection.execute(delete(signed).where(signed.c.series == number, signed.c.at_us < before))
            count += connection.execute(
                delete(values).where(values.c.series == number, values.c.at_us < before)
            ).rowcount
    return count


def _forget_messages(engine: Engine, before: int) -> int:
    table = schema.message
    count = 0
    while True:
        with engine.connect().execution_options(write=True) as connection, connection.begin():
            old = select(table.c.station, table.c.digest).where(table.c.at_us < before).limit(2000)
            keys = [(station, bytes(key)) for station, key in connection.execute(old)]
            for station, key in keys:
                connection.execute(delete(table).where(table.c.station == station, table.c.digest == key))
        count += len(keys)
        if not keys:
            return count


def erase(url: str, id_token: str) -> int:
    """Takes a person's token out of the store (R65): its transactions get a pseudonym, its needs are deleted.

    The pseudonym is random, so nobody can compute it from the token. Energy and times stay, for settlement. Messages
    that name the token in their text are deleted. Returns the number of transactions that had the token.

    Raises:
        StoreError: the database does not answer; nothing was erased.
    """
    engine = connect(url)
    try:
        with engine.connect().execution_options(write=True) as connection, connection.begin():
            return erase_token(connection, clean(id_token))
    except SQLAlchemyError as error:
        raise store_error(error) from error
    finally:
        engine.dispose()


def erase_token(connection: Connection, token: str) -> int:
    """The same within a transaction of the caller's."""
    owner, need, fact, message = schema.transaction, schema.need, schema.fact, schema.message
    pseudonym = f"erased-{secrets.token_hex(6)}"
    count = connection.execute(update(owner).where(owner.c.id_token == token).values(id_token=pseudonym)).rowcount
    connection.execute(delete(need).where(need.c.holder == token))
    learned = fact.c.subject.like("%\x1f" + _literal(token) + "\x1f%", escape="\\")
    connection.execute(delete(fact).where(fact.c.kind == "learned", learned))
    wished = fact.c.subject.like(_literal(token) + "\x1f%", escape="\\")
    connection.execute(delete(fact).where(fact.c.kind == "wish", wished))
    _unlearn(connection, token)
    needle = token.encode()
    found = select(message.c.station, message.c.digest, message.c.body, message.c.raw)
    named = [row for row in connection.execute(found) if needle in row.body or needle in row.raw]
    for row in named:
        connection.execute(delete(message).where(message.c.station == row.station, message.c.digest == row.digest))
    audit(connection, "erased", pseudonym, clock_us(), {"transactions": count, "messages": len(named)})
    return count


def _unlearn(connection: Connection, token: str) -> None:
    """Takes a token out of what whole sites have learnt of their vehicles."""
    fact = schema.fact
    mentions = fact.c.body.like("%" + _literal(token) + "%", escape="\\")
    for row in connection.execute(select(fact).where(fact.c.kind == "learned", mentions)).all():
        value = orjson.loads(row.body)["value"]
        if not isinstance(value, dict):
            continue
        kept = {name: without_holder(inner, token) for name, inner in value.items()}
        body = orjson.dumps({"value": kept}).decode()
        mine = (fact.c.kind == row.kind) & (fact.c.subject == row.subject)
        connection.execute(update(fact).where(mine).values(body=body))


def _literal(token: str) -> str:
    return token.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
