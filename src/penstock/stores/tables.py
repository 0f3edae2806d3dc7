"""The tables of the index. ``migrations/`` makes the same ones in steps; a test holds the two together."""

from __future__ import annotations

# One row per block of consecutive records: where in the log it stands, and what a query must know to pass it over.
# `mac` is of the seal before it: what makes a block provable by itself. `traces` and `requests` are the fingerprints of
# each event's ids.
_BLOCKS = """CREATE TABLE blocks (
    first INTEGER NOT NULL,
    segment INTEGER NOT NULL,
    byte_offset INTEGER NOT NULL,
    end_offset INTEGER NOT NULL,
    mac TEXT NOT NULL,
    oldest_s FLOAT,
    newest_s FLOAT,
    traces BLOB NOT NULL,
    requests BLOB NOT NULL,
    PRIMARY KEY (first)
)"""

# Which blocks have events of a tenant.
_BLOCK_TENANTS = """CREATE TABLE block_tenants (
    tenant_id TEXT NOT NULL,
    first INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, first)
) WITHOUT ROWID"""

# Settled cost per UTC day (days since 1970) and tenant, so that a start need not read a day of records.
_DAILY_COST = """CREATE TABLE daily_cost (
    day INTEGER NOT NULL,
    tenant_id TEXT NOT NULL,
    nano_usd INTEGER NOT NULL,
    PRIMARY KEY (day, tenant_id)
) WITHOUT ROWID"""

# Calls that were about to cost money and whose end is not indexed yet.
_OPEN_INTENTS = """CREATE TABLE open_intents (
    call_id TEXT NOT NULL,
    day INTEGER NOT NULL,
    tenant_id TEXT NOT NULL,
    nano_usd INTEGER NOT NULL,
    PRIMARY KEY (call_id)
) WITHOUT ROWID"""

# How far the log is indexed: one row, written in the same transaction as the records.
_INDEXED = """CREATE TABLE "indexed" (
    id INTEGER NOT NULL CHECK (id = 1),
    segment INTEGER NOT NULL,
    byte_offset INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    mac TEXT NOT NULL,
    PRIMARY KEY (id)
)"""

SCHEMA = (
    _BLOCKS,
    _BLOCK_TENANTS,
    _DAILY_COST,
    _OPEN_INTENTS,
    "CREATE INDEX open_intents_day ON open_intents (day)",
    _INDEXED,
)
