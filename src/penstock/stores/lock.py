"""One process at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from penstock.core.errors import StoreTaken


class ProcessLock:
    """An advisory lock on ``path``, held until ``release`` or the end of the process, however it ends.

    The file names the process that holds it. Raises ``StoreTaken`` when another one does.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            # Empty when that process has only just begun.
            holder = os.pread(self._descriptor, 20, 0).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise StoreTaken(
                f"Another penstock process{f' ({holder})' if holder.isdigit() else ''} has {path}: stop it, or give "
                "this one a `store.url` of its own."
            ) from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)

    def release(self) -> None:
        """Let the next process in. May be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
