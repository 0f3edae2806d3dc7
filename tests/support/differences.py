"""Where our readers of HTTP/1.1 and h11 differ, each with the reason why ours is right or safe. Reviewed by people."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

_BLANK_LINE = re.compile(rb"\r?\n\r?\n")


class Message(Struct, frozen=True):
    """Bytes told apart roughly, for the patterns below: ``heads`` (interim ones too) and what stands behind them."""

    heads: bytes
    rest: bytes

    @classmethod
    def of(cls, data: bytes) -> Message:
        """Cut at the first blank line behind a head that is not an interim one."""
        at = 0
        for blank in _BLANK_LINE.finditer(data):
            if not data[at : blank.start()].strip() or re.match(rb"\s*HTTP/1\.\d 1\d\d", data[at:]):
                at = blank.end()
                continue
            return cls(data[: blank.end()], data[blank.end() :])
        return cls(data, b"")


class Difference(Struct, frozen=True, kw_only=True):
    """Messages in which one of the patterns is found may be read differently, because of ``why``.

    ``example`` is the smallest of them. ``reuse_only``: the message is read alike, the connection kept or not.
    """

    name: str
    why: str
    example: bytes
    heads: bytes | None = None
    rest: bytes | None = None
    reuse_only: bool = False

    def explains(self, message: Message) -> bool:
        """Whether the message is of this shape."""
        return any(
            pattern is not None and re.search(pattern, part, re.IGNORECASE | re.MULTILINE) is not None
            for pattern, part in ((self.heads, message.heads), (self.rest, message.rest))
        )


def named(differences: Sequence[Difference], data: bytes, *, whole: bool = False) -> list[str]:
    """The differences that the table allows for ``data``; ``whole`` where heads cannot be told from what is between."""
    message = Message(data, b"") if whole else Message.of(data)
    return [difference.name for difference in differences if difference.explains(message)]
