"""What is wrong with a request, in our words: which parameter, and what it must be."""

from __future__ import annotations

import re
from collections.abc import Mapping

from penstock.core.errors import InvalidParameter

_INDEX = re.compile(r"\[\d+\]")


def wrong(param: str, must_be: Mapping[str, str], *, missing: bool = False) -> InvalidParameter:
    """The error for ``param``; ``must_be`` tells what each parameter must be, its path without indices."""
    words = must_be.get(_INDEX.sub("[]", param), "of another type")
    fault = "is missing: it must be" if missing else "must be"
    return InvalidParameter(f"`{param}` {fault} {words}.", param=param)


def explain(problem: str, must_be: Mapping[str, str], root: str = "") -> InvalidParameter:
    """Our words for msgspec's ``problem - at `$.path``` (msgspec 0.22); ``root`` is what ``$`` stands for."""
    what, _, where = problem.partition(" - at `$")
    param = (root + where.removesuffix("`")).removeprefix(".").replace("[...]", "")
    if what.startswith("Object missing required field `"):
        name = what.removeprefix("Object missing required field `").removesuffix("`")
        return wrong(f"{param}.{name}" if param else name, must_be, missing=True)
    return wrong(param, must_be)
