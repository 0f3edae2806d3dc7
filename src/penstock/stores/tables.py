"""The tables of the index. ``migrations/`` makes them; a test holds the two together."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

# One row per event. What an event has beyond these columns is in `detail`, as JSON.
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("event_type", sa.Text),
    sa.Column("time", sa.Float),
    sa.Column("call_id", sa.Text),
    sa.Column("request_id", sa.Text),
    sa.Column("trace_id", sa.Text),
    sa.Column("tenant_id", sa.Text),
    sa.Column("tier", sa.Text),
    sa.Column("user_id_hash", sa.Text),
    sa.Column("endpoint", sa.Text),
    sa.Column("task", sa.Text),
    sa.Column("alias", sa.Text),
    sa.Column("target", sa.Text),
    sa.Column("provider", sa.Text),
    sa.Column("model", sa.Text),
    sa.Column("prompt_id", sa.Text),
    sa.Column("prompt_version", sa.Text),
    sa.Column("schema_version", sa.Text),
    sa.Column("stream", sa.Boolean),
    sa.Column("cache_hit", sa.Boolean),
    sa.Column("retry_count", sa.Integer),
    sa.Column("fallback_used", sa.Boolean),
    sa.Column("degraded", sa.Boolean),
    sa.Column("input_tokens", sa.Integer),
    sa.Column("output_tokens", sa.Integer),
    sa.Column("usage_estimated", sa.Boolean),
    sa.Column("estimated_cost_usd", sa.Float),
    sa.Column("cost_nano_usd", sa.Integer),
    sa.Column("latency_ms", sa.Float),
    sa.Column("first_content_ms", sa.Float),
    sa.Column("policy_decision", sa.Text),
    sa.Column("status", sa.Text),
    sa.Column("error_code", sa.Text),
    sa.Column("tool_names", sa.JSON),
    sa.Column("tags", sa.JSON),
    sa.Column("decision", sa.JSON),
    sa.Column("detail", sa.JSON),
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
