"""How much an object holds on to."""

from __future__ import annotations

import gc
import sys
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType

_SHARED = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType)


def held_bytes(root: object) -> int:
    """Bytes of ``root`` and of all that it refers to, code left out; each object counts once."""
    seen: dict[int, object] = {}
    left = [root]
    while left:
        each = left.pop()
        if id(each) not in seen and not isinstance(each, _SHARED):
            seen[id(each)] = each
            left.extend(gc.get_referents(each))
    return sum(sys.getsizeof(each) for each in seen.values())
