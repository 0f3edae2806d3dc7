"""Text with ``{{ name }}`` places, split once when it is read: a value can never become a place."""

from __future__ import annotations

import re
from collections.abc import Mapping

_PLACE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")


class Template:
    """One message's text. Raises ``ValueError`` where ``{{`` opens no place.

    There is nothing but substitution: no expressions, no loops, no escapes. A literal ``{{`` is a variable's value.
    """

    def __init__(self, text: str) -> None:
        parts = _PLACE.split(text)
        self._texts = tuple(parts[0::2])
        self._names = tuple(parts[1::2])
        for literal in self._texts:
            at = literal.find("{{")
            if at >= 0:
                raise ValueError(f"`{literal[at : at + 20]}` opens no variable: write {{{{ name }}}}")

    @property
    def names(self) -> frozenset[str]:
        """The variables that stand in the text."""
        return frozenset(self._names)

    def length(self, values: Mapping[str, str]) -> int:
        """Characters that ``fill`` would make."""
        return sum(map(len, self._texts)) + sum(len(values[name]) for name in self._names)

    def fill(self, values: Mapping[str, str]) -> str:
        """The text with each place replaced by its value as it stands. Raises ``KeyError`` without one."""
        if not self._names:
            return self._texts[0]
        pieces = [self._texts[0]]
        for name, text in zip(self._names, self._texts[1:], strict=True):
            pieces.append(values[name])
            pieces.append(text)
        return "".join(pieces)
