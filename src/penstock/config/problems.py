"""What is wrong with a config file, said so that it can be mended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

if TYPE_CHECKING:
    from penstock.config.settings import Settings


class Problem(Struct, frozen=True):
    """One mistake. ``line`` and ``column`` count from 1; 0 when it is not in the file (an environment variable).

    ``path`` is the dotted way to the value, such as ``models.fast.provider``. A message never holds a secret.
    """

    line: int
    column: int
    path: str
    message: str
    suggestion: str = ""
    severity: Literal["error", "warning"] = "error"


class ConfigError(Exception):
    """The config cannot be used; ``problems`` holds every reason, and the warnings beside them, in file order.

    ``rest`` is what the file says without its mistakes, where it can be read at all: to look further, never to be served.
    """

    def __init__(self, problems: Sequence[Problem], rest: Settings | None = None) -> None:
        self.problems = tuple(problems)
        self.rest = rest
        errors = [each for each in problems if each.severity == "error"]
        super().__init__("\n".join(map(_line, errors)))


def _line(problem: Problem) -> str:
    parts = (f"line {problem.line}" if problem.line else "", problem.path, problem.message)
    return ": ".join(part for part in parts if part)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``did you mean `x`?`` for the nearest known name, else the names there are."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    if near:
        return f"did you mean `{near[0]}`?"
    return f"one of: {', '.join(names)}" if names else ""
