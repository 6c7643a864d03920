"""Tables of the store, the same for SQLite and PostgreSQL.

Instants are integers, microseconds since 1970-01-01T00:00Z: exact, eight bytes, equal on both databases. Words that
repeat (stations, measurands, units, contexts) are numbered once in ``term``; a ``series`` is one combination of them,
so that a stored value is four numbers: series, instant, transaction, value.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

counter = Table(
    "counter",
    metadata,
    Column("name", Text, primary_key=True),
    Column("next_value", BigInteger, nullable=False),
)
"""Numbers given once and never again. Blocks are reserved in a commit of their own."""

term = Table(
    "term",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("word", Text, nullable=False, unique=True),
)
"""The dictionary of repeating words."""

series = Table(
    "series",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("station", Integer, nullable=False),
    Column("evse_id", Integer, nullable=False),
    Column("measurand", Integer, nullable=False),
    Column("unit", Integer, nullable=False),
    Column("phase", Integer, nullable=False),
    Column("context", Integer, nullable=False),
    Column("location", Integer, nullable=False),
    UniqueConstraint("station", "evse_id", "measurand", "unit", "phase", "context", "location", name="uq_series_words"),
)
"""One kind of value of one EVSE; every column but the EVSE's number refers to ``term``."""

sample = Table(
    "sample",
    metadata,
    Column("series", Integer, nullable=False),
    Column("tx", Integer, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("value", Double, nullable=False),  # last here and in SQLite's key order, or its integrity check errs
    PrimaryKeyConstraint("series", "at_us", "tx"),
    sqlite_with_rowid=False,
)
"""Measured values. The key is what makes a repeated value the same value; ``tx`` is 0 outside of transactions."""

signature = Table(
    "signature",
    metadata,
    Column("series", Integer, primary_key=True, autoincrement=False),
    Column("at_us", BigInteger, primary_key=True, autoincrement=False),
    Column("tx", Integer, primary_key=True, autoincrement=False),
    Column("signed", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""Signed meter values as the station sent them, for the few samples that have one."""

transaction = Table(
    "charging_transaction",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("station", Integer, nullable=False),
    Column("transaction_id", Text, nullable=False),
    Column("start_key", LargeBinary, unique=True),
    Column("evse_id", Integer, nullable=False),
    Column("connector_id", Integer, nullable=False),
    Column("id_token", Text, nullable=False),
    Column("first_us", BigInteger, nullable=False),
    Column("last_us", BigInteger, nullable=False),
    Column("started_us", BigInteger),
    Column("ended_us", BigInteger),
    Column("charging_state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("seen", Text, nullable=False),
    Column("start_seq", BigInteger),
    Column("meters", Text, nullable=False),
    Column("energy_import_kwh", Double, nullable=False),
    Column("energy_export_kwh", Double, nullable=False),
    Column("flags", Text, nullable=False),
    Column("thinned", Boolean, nullable=False),
    UniqueConstraint("station", "transaction_id"),
    Index("ix_charging_transaction_first_us", "first_us"),
    Index("ix_charging_transaction_ended_us", "ended_us"),
)
"""One row per transaction. ``number`` comes from ``counter``; in OCPP 1.6 it is the transaction id itself."""

transaction_event = Table(
    "transaction_event",
    metadata,
    Column("tx", Integer, primary_key=True, autoincrement=False),
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", SmallInteger, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("received_us", BigInteger, nullable=False),
    Column("offline", Boolean, nullable=False),
    Column("detail", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""Every transaction event once. ``key`` is the ``seqNo``; below 0 it is a digest of an event that has none (1.6)."""

message = Table(
    "message",
    metadata,
    Column("station", Integer, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, primary_key=True),
    Column("kind", Integer, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("received_us", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Index("ix_message_station_kind_at_us", "station", "kind", "at_us"),
    Index("ix_message_at_us", "at_us"),
)
"""Everything else that stations said, and the raw text of what was wrong in form."""

station = Table(
    "station",
    metadata,
    Column("station_id", Text, primary_key=True),
    Column("site_id", Text, nullable=False, index=True),
    Column("evses", Text, nullable=False),
    Column("security_profile", SmallInteger, nullable=False),
    Column("accepted_us", BigInteger),
    Column("discharge", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("secret_hash", Text, nullable=False),
    Column("previous_hash", Text, nullable=False),
    Column("removed_us", BigInteger),
)
"""Registered stations. A removed one keeps its row, so that its id is never given to another."""

need = Table(
    "need",
    metadata,
    Column("need_id", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("stated_us", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Index("ix_need_holder_stated_us", "holder", "stated_us"),
)
"""What drivers asked for; the latest statement of a holder counts."""

fact = Table(
    "fact",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
)
"""One current fact per kind and subject: grid permissions, register rows, what was learned, latches, last plans."""

audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at_us", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Index("ix_audit_at_us", "at_us"),
    sqlite_autoincrement=True,
)
"""Who did what, append-only: triggers of the schema refuse to change or delete a row."""
