"""The schema of the SQLite index: Alembic's scripts, and how a database is brought to the one this code needs."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from penstock.core.errors import StoreFailed
from penstock.stores.seals import START
from penstock.stores.tables import SCHEMA

# Stated here so that only a database of an older version imports Alembic; a test compares it with the scripts.
HEAD = "0003"


def upgrade(connection: sqlite3.Connection) -> None:
    """Bring the database of ``connection``, which has no transaction open, to ``HEAD``: wholly or not at all.

    Raises ``StoreFailed`` when a newer version of penstock has written it.
    """
    found = revision(connection)
    if found is None:
        _create(connection)
    elif found != HEAD:
        run_scripts(connection, found)


def revision(connection: sqlite3.Connection) -> str | None:
    """The schema version that the database carries; ``None`` in a new one."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone() is None:
        return None
    row: tuple[str] | None = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else row[0]


def run_scripts(connection: sqlite3.Connection, found: str | None) -> None:
    """Run the scripts behind revision ``found``, ``None`` for all. Raises ``StoreFailed`` when there is no such one."""
    import sqlalchemy as sa  # noqa: PLC0415 - half a second and 25 MB that only an old database costs
    from alembic import command  # noqa: PLC0415 - as above
    from alembic.config import Config  # noqa: PLC0415 - as above
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise StoreFailed(
            f"The database was written by a newer penstock (schema {found}, this one knows {HEAD}): run that version, "
            "or restore a backup made before the upgrade."
        )
    engine = sa.create_engine("sqlite://", creator=lambda: connection, poolclass=sa.StaticPool)
    try:
        with engine.connect() as lent:
            lent.exec_driver_sql("BEGIN IMMEDIATE")
            config.attributes["connection"] = lent
            command.upgrade(config, "head")
            lent.commit()
    except sa.exc.SQLAlchemyError as error:
        raise sqlite3.DatabaseError(*error.args) from error


def _create(connection: sqlite3.Connection) -> None:
    """What the scripts would make of an empty database, which a test compares."""
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        for statement in SCHEMA:
            connection.execute(statement)
        first = (START.segment, START.offset, START.sequence, START.mac)
        connection.execute('INSERT INTO "indexed" VALUES (1, ?, ?, ?, ?)', first)
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        connection.execute("INSERT INTO alembic_version VALUES (?)", (HEAD,))
