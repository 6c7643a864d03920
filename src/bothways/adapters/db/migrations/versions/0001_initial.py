"""The first schema: dictionary, values, transactions, stations, facts, audit log.

Revision: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_APPEND_ONLY_SQLITE = """
CREATE TRIGGER audit_keeps_{verb} BEFORE {verb} ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
"""
_APPEND_ONLY_POSTGRES = (
    """
    CREATE FUNCTION audit_keeps() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$
    """,
    """
    CREATE TRIGGER audit_keeps BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_keeps()
    """,
)


def upgrade() -> None:
    """Creates everything."""
    _stations_and_facts()
    _dictionary()
    _values()
    _transactions()
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(_APPEND_ONLY_SQLITE.format(verb=verb))
    else:
        for statement in _APPEND_ONLY_POSTGRES:
            op.execute(statement)


def downgrade() -> None:
    """There is nothing before the first schema; deleting everything is not a migration."""
    raise NotImplementedError


def _stations_and_facts() -> None:
    op.create_table(
        "station",
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("evses", sa.Text(), nullable=False),
        sa.Column("security_profile", sa.SmallInteger(), nullable=False),
        sa.Column("accepted_us", sa.BigInteger(), nullable=True),
        sa.Column("discharge", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("removed_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("station_id", name=op.f("pk_station")),
    )
    op.create_index(op.f("ix_station_site_id"), "station", ["site_id"], unique=False)
    op.create_table(
        "need",
        sa.Column("need_id", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("stated_us", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("need_id", name=op.f("pk_need")),
    )
    op.create_index("ix_need_holder_stated_us", "need", ["holder", "stated_us"], unique=False)
    op.create_table(
        "fact",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "subject", name=op.f("pk_fact")),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_at_us", "audit", ["at_us"], unique=False)


def _dictionary() -> None:
    op.create_table(
        "counter",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("next_value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_counter")),
    )
    op.create_table(
        "term",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("word", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_term")),
        sa.UniqueConstraint("word", name=op.f("uq_term_word")),
    )
    op.create_table(
        "series",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("station", sa.Integer(), nullable=False),
        sa.Column("evse_id", sa.Integer(), nullable=False),
        sa.Column("measurand", sa.Integer(), nullable=False),
        sa.Column("unit", sa.Integer(), nullable=False),
        sa.Column("phase", sa.Integer(), nullable=False),
        sa.Column("context", sa.Integer(), nullable=False),
        sa.Column("location", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_series")),
        sa.UniqueConstraint(
            "station", "evse_id", "measurand", "unit", "phase", "context", "location", name="uq_series_words"
        ),
    )


def _values() -> None:
    op.create_table(
        "sample",
        sa.Column("series", sa.Integer(), nullable=False),
        sa.Column("tx", sa.Integer(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("series", "at_us", "tx", name=op.f("pk_sample")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "signature",
        sa.Column("series", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at_us", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tx", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("signed", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("series", "at_us", "tx", name=op.f("pk_signature")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "message",
        sa.Column("station", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("received_us", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("station", "digest", name=op.f("pk_message")),
    )
    op.create_index("ix_message_at_us", "message", ["at_us"], unique=False)
    op.create_index("ix_message_station_kind_at_us", "message", ["station", "kind", "at_us"], unique=False)


def _transactions() -> None:
    op.create_table(
        "charging_transaction",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("station", sa.Integer(), nullable=False),
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column("start_key", sa.LargeBinary(), nullable=True),
        sa.Column("evse_id", sa.Integer(), nullable=False),
        sa.Column("connector_id", sa.Integer(), nullable=False),
        sa.Column("id_token", sa.Text(), nullable=False),
        sa.Column("first_us", sa.BigInteger(), nullable=False),
        sa.Column("last_us", sa.BigInteger(), nullable=False),
        sa.Column("started_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.Column("charging_state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("seen", sa.Text(), nullable=False),
        sa.Column("start_seq", sa.BigInteger(), nullable=True),
        sa.Column("meters", sa.Text(), nullable=False),
        sa.Column("energy_import_kwh", sa.Double(), nullable=False),
        sa.Column("energy_export_kwh", sa.Double(), nullable=False),
        sa.Column("flags", sa.Text(), nullable=False),
        sa.Column("thinned", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_charging_transaction")),
        sa.UniqueConstraint("start_key", name=op.f("uq_charging_transaction_start_key")),
        sa.UniqueConstraint("station", "transaction_id", name=op.f("uq_charging_transaction_station_transaction_id")),
    )
    op.create_index("ix_charging_transaction_ended_us", "charging_transaction", ["ended_us"], unique=False)
    op.create_index("ix_charging_transaction_first_us", "charging_transaction", ["first_us"], unique=False)
    op.create_table(
        "transaction_event",
        sa.Column("tx", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("received_us", sa.BigInteger(), nullable=False),
        sa.Column("offline", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tx", "key", name=op.f("pk_transaction_event")),
        sqlite_with_rowid=False,
    )
