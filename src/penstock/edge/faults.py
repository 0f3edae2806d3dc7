"""Faults that nobody expected: the caller gets a fixed text, the log the place and the request's id."""

from __future__ import annotations

import logging
import traceback

from penstock.core.errors import PenstockError

log = logging.getLogger("penstock.edge")


def log_fault(error: Exception, request_id: str) -> None:
    """Say where it happened and what kind it was; an exception's own text may hold a prompt."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    log.error("unexpected %s in request %s\n%s", type(error).__name__, request_id, frames)


def fault() -> PenstockError:
    """What the caller is told."""
    return PenstockError("The gateway failed. Give the operator the request id in `x-request-id`.")


def log_unkept(error: PenstockError, request_id: str) -> None:
    """Say that an answer, which was given, was not kept: nobody can go on from it."""
    log.error("the answer to request %s was not kept: %s", request_id, error.message)
