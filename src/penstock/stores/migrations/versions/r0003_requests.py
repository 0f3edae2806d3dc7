"""Blocks can be searched by request id.

What is indexed already does not say which requests it holds, so the index begins again, as in ``r0002_blocks``: the next
start reads the whole log anew, and with it the daily cost and the open intents.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_INDEXED = sa.table("indexed", *(sa.column(name) for name in ("segment", "byte_offset", "sequence", "mac")))


def upgrade() -> None:
    """Make the table of blocks anew, and go back to the beginning of the log."""
    op.drop_table("blocks")
    op.create_table(
        "blocks",
        sa.Column("first", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("segment", sa.Integer, nullable=False),
        sa.Column("byte_offset", sa.Integer, nullable=False),
        sa.Column("end_offset", sa.Integer, nullable=False),
        sa.Column("mac", sa.Text, nullable=False),
        sa.Column("oldest_s", sa.Float),
        sa.Column("newest_s", sa.Float),
        sa.Column("traces", sa.LargeBinary, nullable=False),
        sa.Column("requests", sa.LargeBinary, nullable=False),
    )
    op.execute("DELETE FROM block_tenants")
    op.execute("DELETE FROM daily_cost")
    op.execute("DELETE FROM open_intents")
    op.execute(_INDEXED.update().values(segment=1, byte_offset=0, sequence=0, mac="0" * 64))
