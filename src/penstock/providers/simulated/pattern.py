r"""A short text that a regular expression matches, read off the expression without ever running it.

Understands what schemas commonly hold: literals, classes, ``\d \w \s .``, groups, alternatives (the first is taken)
and repeats (the fewest are taken). Look-arounds and back-references are left out of the text.
"""

from __future__ import annotations

_CLASSES = {"d": "0", "w": "a", "s": " ", "D": "a", "W": "-", "S": "a", "n": "\n", "t": "\t", "r": "\r"}
_MAX_CHARACTERS = 4096


class Unsatisfiable(ValueError):
    """No finite value was found: a schema contradicts itself, refers to itself without a way out, or asks too much."""


def match_of(pattern: str, min_characters: int = 0) -> str:
    """A text that ``pattern`` matches, grown to ``min_characters`` where it lets it grow. Raises ``Unsatisfiable``."""
    reader = _Reader(pattern)
    text = reader.alternatives()
    missing = min_characters - len(text)
    if missing > 0 and reader.open_repeat is not None:
        at, unit = reader.open_repeat
        text = text[:at] + unit * -(-missing // max(len(unit), 1)) + text[at:]
    return text


class _Reader:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._depth = 0
        # Where the text may grow, and by what: the first repeat outside groups that has no upper bound.
        self.open_repeat: tuple[int, str] | None = None

    def alternatives(self) -> str:
        first = self._sequence()
        while self._peek() == "|":
            self._at += 1
            kept = self.open_repeat
            self._sequence()
            self.open_repeat = kept
        return first

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _next(self) -> str:
        character = self._peek()
        self._at += 1
        return character

    def _sequence(self) -> str:
        text = ""
        while self._peek() not in {"", "|", ")"}:
            unit = self._unit()
            fewest, unbounded = self._repeat()
            if unbounded and unit and self._depth == 0 and self.open_repeat is None:
                self.open_repeat = (len(text), unit)
            if len(text) + len(unit) * fewest > _MAX_CHARACTERS:
                msg = f"the pattern asks for more than {_MAX_CHARACTERS} characters"
                raise Unsatisfiable(msg)
            text += unit * fewest
        return text

    def _unit(self) -> str:
        character = self._next()
        if character in "^$":
            return ""
        if character == ".":
            return "a"
        if character == "\\":
            escaped = self._next()
            return "" if escaped in "bBAZ" or escaped.isdigit() else _CLASSES.get(escaped, escaped)
        if character == "[":
            return self._class()
        return self._group() if character == "(" else character

    def _group(self) -> str:
        silent = False
        if self._peek() == "?":
            kind = self._pattern[self._at : self._at + 3]
            silent = kind[1:2] in {"=", "!"} or kind[1:3] in {"<=", "<!"}
            if kind[1:2] in {"P", "<"} and not silent:
                self._at = self._pattern.find(">", self._at) + 1 or len(self._pattern)
            else:
                self._at += 3 if kind[1:2] == "<" else 2
        self._depth += 1
        text = self.alternatives()
        self._depth -= 1
        self._at += 1  # the closing parenthesis
        return "" if silent else text

    def _class(self) -> str:
        negated = self._peek() == "^"
        if negated:
            self._at += 1
        members: list[str] = []
        while self._peek() != "" and (self._peek() != "]" or not members):
            member = self._next()
            if member == "\\":
                escaped = self._next()
                member = _CLASSES.get(escaped, escaped)
            members.append(member)
        self._at += 1  # the closing bracket
        if not negated:
            return members[0] if members else ""
        free = next((character for character in "a0-~ \x00" if character not in members), None)
        if free is None:
            raise Unsatisfiable("no character is left that this pattern takes")
        return free

    def _repeat(self) -> tuple[int, bool]:
        """The fewest times that the unit must come, and whether it may come without end."""
        mark = self._peek()
        fewest, unbounded = {"*": (0, True), "+": (1, True), "?": (0, False)}.get(mark, (1, False))
        if mark and mark in "*+?":
            self._at += 1
        elif mark == "{":
            end = self._pattern.find("}", self._at)
            low, comma, high = self._pattern[self._at + 1 : max(end, 0)].partition(",")
            if end > 0 and low.isdigit():
                self._at = end + 1
                fewest, unbounded = int(low), bool(comma) and not high
            else:
                return 1, False
        if self._peek() and self._peek() in "?+":  # lazy or possessive
            self._at += 1
        return fewest, unbounded
