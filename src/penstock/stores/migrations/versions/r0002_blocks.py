"""The index points into the log in place of holding a copy of it.

Rows of the old table do not say where in the log their records stand, so nothing is carried over: the table is dropped
and the index begins again. The next start reads the whole log anew, and with it the daily cost and the open intents,
which is why both are emptied here: what was settled before must not count twice. The file keeps its size, and its free
pages are used again; `VACUUM` gives them back.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_INDEXED = sa.table("indexed", *(sa.column(name) for name in ("segment", "byte_offset", "sequence", "mac")))


def upgrade() -> None:
    """Drop the copies, make the tables of pointers, and go back to the beginning of the log."""
    op.drop_table("audit")
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
    )
    op.create_table(
        "block_tenants",
        sa.Column("tenant_id", sa.Text, primary_key=True),
        sa.Column("first", sa.Integer, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.execute("DELETE FROM daily_cost")
    op.execute("DELETE FROM open_intents")
    op.execute(_INDEXED.update().values(segment=1, byte_offset=0, sequence=0, mac="0" * 64))
