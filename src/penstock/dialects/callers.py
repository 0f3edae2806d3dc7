"""``CALLER_SIDES``: the dialects that calls come in and that others can be translated for, each loaded when it is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from penstock.core.call import Dialect
from penstock.dialects.translation import CallerSide


@cache
def _chat() -> CallerSide:
    from penstock.dialects.openai.sides import ChatCaller  # noqa: PLC0415 - see above

    return ChatCaller()


@cache
def _responses() -> CallerSide:
    from penstock.dialects.responses.caller import ResponsesCaller  # noqa: PLC0415 - see above

    return ResponsesCaller()


@cache
def _messages() -> CallerSide:
    from penstock.dialects.anthropic.caller import MessagesCaller  # noqa: PLC0415 - see above

    return MessagesCaller()


CALLER_SIDES: Mapping[Dialect, Callable[[], CallerSide]] = {
    "openai": _chat,
    "responses": _responses,
    "anthropic": _messages,
}
