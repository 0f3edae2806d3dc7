"""Audit events, daily cost, open intents, and how far the log is indexed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "audit",
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("event_type", sa.Text),
        sa.Column("time", sa.Float),
        sa.Column("tenant_id", sa.Text),
        sa.Column("trace_id", sa.Text),
        sa.Column("record", sa.Text, nullable=False),
    )
    op.create_index("audit_tenant", "audit", ["tenant_id"])
    op.create_index("audit_time", "audit", ["time"])
    op.create_index("audit_trace", "audit", [sa.text("substr(trace_id, 1, 2)")])
    op.create_table(
        "daily_cost",
        sa.Column("day", sa.Integer, primary_key=True),
        sa.Column("tenant_id", sa.Text, primary_key=True),
        sa.Column("nano_usd", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "open_intents",
        sa.Column("call_id", sa.Text, primary_key=True),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("nano_usd", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("open_intents_day", "open_intents", ["day"])
    indexed = op.create_table(
        "indexed",
        sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
        sa.Column("segment", sa.Integer, nullable=False),
        sa.Column("byte_offset", sa.Integer, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("mac", sa.Text, nullable=False),
    )
    op.bulk_insert(indexed, [{"id": 1, "segment": 1, "byte_offset": 0, "sequence": 0, "mac": "0" * 64}])
