"""The tables of the index. ``migrations/`` makes them; a test holds the two together."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

# One row per block of consecutive records: where in the log it stands, and what a query must know to pass it over.
blocks = sa.Table(
    "blocks",
    metadata,
    sa.Column("first", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("segment", sa.Integer, nullable=False),
    sa.Column("byte_offset", sa.Integer, nullable=False),
    sa.Column("end_offset", sa.Integer, nullable=False),
    sa.Column("mac", sa.Text, nullable=False),  # of the seal before it: what makes a block provable by itself
    sa.Column("oldest_s", sa.Float),
    sa.Column("newest_s", sa.Float),
    sa.Column("traces", sa.LargeBinary, nullable=False),  # the fingerprint of each event's trace id
    sa.Column("requests", sa.LargeBinary, nullable=False),  # the same of its request id
)

# Which blocks have events of a tenant.
block_tenants = sa.Table(
    "block_tenants",
    metadata,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("first", sa.Integer, primary_key=True),
    sqlite_with_rowid=False,
)

# Settled cost per UTC day (days since 1970) and tenant, so that a start need not read a day of records.
daily_cost = sa.Table(
    "daily_cost",
    metadata,
    sa.Column("day", sa.Integer, primary_key=True),
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("nano_usd", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)

# Calls that were about to cost money and whose end is not indexed yet.
open_intents = sa.Table(
    "open_intents",
    metadata,
    sa.Column("call_id", sa.Text, primary_key=True),
    sa.Column("day", sa.Integer, nullable=False),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("nano_usd", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)
sa.Index("open_intents_day", open_intents.c.day)

# How far the log is indexed: one row, written in the same transaction as the records.
indexed = sa.Table(
    "indexed",
    metadata,
    sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    sa.Column("segment", sa.Integer, nullable=False),
    sa.Column("byte_offset", sa.Integer, nullable=False),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("mac", sa.Text, nullable=False),
)
