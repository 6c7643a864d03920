"""Wrong tries to sign in, and what was used once.

Revision: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the tables."""
    op.create_table(
        "sign_in_try",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("last_s", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_sign_in_try")),
    )
    op.create_index(op.f("ix_sign_in_try_last_s"), "sign_in_try", ["last_s"])
    op.create_table(
        "used_once",
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("until_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("what", name=op.f("pk_used_once")),
    )
    op.create_index(op.f("ix_used_once_until_us"), "used_once", ["until_us"])


def downgrade() -> None:
    """What was counted is not thrown away by going back."""
    raise NotImplementedError
