"""The schema of the SQLite index: Alembic's scripts, and how a database is brought to the one this code needs."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from penstock.core.errors import StoreFailed

# Stated here so that a start with a database at this revision does not import Alembic; a test compares it.
HEAD = "0001"


def upgrade(connection: sa.Connection) -> None:
    """Bring the database of ``connection`` to ``HEAD``, in its transaction: wholly or not at all.

    Raises ``StoreFailed`` when a newer version of penstock has written it.
    """
    found = revision(connection)
    if found == HEAD:
        return
    from alembic import command  # noqa: PLC0415 - 60 ms and 10 MB that a start without a migration is spared
    from alembic.config import Config  # noqa: PLC0415 - as above
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise StoreFailed(
            f"The database was written by a newer penstock (schema {found}, this one knows {HEAD}): run that version, "
            "or restore a backup made before the upgrade."
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def revision(connection: sa.Connection) -> str | None:
    """The schema version that the database carries; ``None`` in a new one."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
