"""What asyncio, libraries and our own edges say through ``logging``, as lines of the gateway's log."""

from __future__ import annotations

import logging
import traceback

from penstock.telemetry.logs import Logger


class Forward(logging.Handler):
    """Passes warnings and errors on: of an exception its kind and place, of a message its first line.

    What else others say may hold a prompt: asyncio puts the text of exceptions behind the first line.
    """

    def __init__(self, logger: Logger) -> None:
        super().__init__(logging.WARNING)
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        event, _, rest = record.getMessage().partition("\n")
        fields = {"logger": record.name}
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            fields |= {"error": type(error).__name__, "stack": "".join(traceback.format_tb(error.__traceback__))}
        elif rest and record.name.startswith("penstock."):
            fields["stack"] = rest
        tell = self._logger.error if record.levelno >= logging.ERROR else self._logger.warning
        tell(event, **fields)
