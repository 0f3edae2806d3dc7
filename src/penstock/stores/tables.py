"""The tables of the index. ``migrations/`` makes them; a test holds the two together."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

# One row per event: the columns that it is found by, and the whole of it as JSON.
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("event_type", sa.Text),
    sa.Column("time", sa.Float),
    sa.Column("tenant_id", sa.Text),
    sa.Column("trace_id", sa.Text),
    sa.Column("record", sa.Text, nullable=False),
)
# An index holds the sequence too, so a tenant's newest records are read in order without sorting.
sa.Index("audit_tenant", audit.c.tenant_id)
sa.Index("audit_time", audit.c.time)
# Trace ids are random: indexed whole, every row would dirty a page of its own. By two digits new rows go to the ends
# of 256 runs, however large the table is, and a search reads a 256th of it.
sa.Index("audit_trace", sa.func.substr(audit.c.trace_id, 1, 2))

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
