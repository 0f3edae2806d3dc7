"""``CALLERS``: the dialects that calls come in and that others can be translated for."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.core.call import Dialect
from penstock.dialects.anthropic import MessagesCaller
from penstock.dialects.openai.sides import ChatCaller
from penstock.dialects.responses import ResponsesCaller
from penstock.dialects.translation import CallerSide

CALLERS: Mapping[Dialect, CallerSide] = {
    "openai": ChatCaller(),
    "responses": ResponsesCaller(),
    "anthropic": MessagesCaller(),
}
