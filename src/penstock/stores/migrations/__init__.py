"""The schema of the SQLite index: Alembic's scripts, and how a database is brought to the one this code needs."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from penstock.core.errors import StoreFailed
from penstock.stores.seals import START
from penstock.stores.tables import indexed, metadata

# Stated here so that only a database of an older version imports Alembic; a test compares it with the scripts.
HEAD = "0003"


def upgrade(connection: sa.Connection) -> None:
    """Bring the database of ``connection`` to ``HEAD``, in its transaction: wholly or not at all.

    Raises ``StoreFailed`` when a newer version of penstock has written it.
    """
    found = revision(connection)
    if found is None:
        _create(connection)
    elif found != HEAD:
        run_scripts(connection, found)


def revision(connection: sa.Connection) -> str | None:
    """The schema version that the database carries; ``None`` in a new one."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def run_scripts(connection: sa.Connection, found: str | None) -> None:
    """Run the scripts behind revision ``found``, ``None`` for all. Raises ``StoreFailed`` when there is no such one."""
    from alembic import command  # noqa: PLC0415 - 300 ms and 15 MB that only an old database costs
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
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _create(connection: sa.Connection) -> None:
    """What the scripts would make of an empty database, which a test compares."""
    metadata.create_all(connection, checkfirst=False)
    first = {"segment": START.segment, "byte_offset": START.offset, "sequence": START.sequence, "mac": START.mac}
    connection.execute(sa.insert(indexed).values(id=1, **first))
    version = "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"
    connection.exec_driver_sql(version)
    connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (HEAD,))
