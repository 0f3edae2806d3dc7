"""``Face``: what a data-plane path is, as the connection sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from msgspec import Struct

from penstock.core.answer import Answer
from penstock.core.errors import PenstockError
from penstock.edge.http1.head import Head


class Reply(Struct, frozen=True):
    """A complete response. ``lines`` are headers as they stand on the wire; framing, date and connection are not ours."""

    status: int
    lines: bytes
    body: bytes


class StreamReply(Struct, frozen=True):
    """A response whose body is an answer's stream, with ``tail`` behind a clean end and nothing else.

    ``closing`` gives what stands before the tail, once the answer has ended.
    """

    status: int
    lines: bytes
    answer: Answer
    tail: bytes = b""
    closing: Callable[[], bytes] | None = None


class Face(Protocol):
    """One dialect on one path. Nothing here may raise anything but ``PenstockError``."""

    def authorize(self, head: Head) -> Any:
        """Decide from the head alone whether the body is read; what is returned comes back in ``answer``."""

    def answer(self, head: Head, ticket: Any, body: bytes) -> Awaitable[Reply | StreamReply]:
        """Answer at the first content. Cancelled when the client goes before that."""

    def render_error(self, error: PenstockError, head: Head) -> Reply:
        """Say an error in this dialect, before any content."""

    def render_broken_stream(self, error: PenstockError) -> bytes:
        """Say an error in this dialect, after content."""
