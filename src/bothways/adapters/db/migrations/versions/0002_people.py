"""Accounts of people and programs, and what is signed in.

Revision: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates ``person`` and ``signin``."""
    op.create_table(
        "person",
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("folded_name", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("grants", sa.Text, nullable=False),
        sa.Column("totp_secret", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_person")),
        sa.UniqueConstraint("folded_name", name=op.f("uq_person_folded_name")),
    )
    op.create_table(
        "signin",
        sa.Column("token_hash", sa.Text, nullable=False),
        sa.Column("account_id", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("opened_us", sa.BigInteger, nullable=False),
        sa.Column("expires_us", sa.BigInteger, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_signin")),
    )
    op.create_index(op.f("ix_signin_account_id"), "signin", ["account_id"])


def downgrade() -> None:
    """Accounts are not thrown away by going back."""
    raise NotImplementedError
