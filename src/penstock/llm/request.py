"""``compose_call``: what a program asks for, as a ``Call``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import getrandbits
from time import monotonic
from typing import Any, TypeAlias

import msgspec

from penstock.core.call import Call, Identity, Trail
from penstock.core.errors import InvalidParameter
from penstock.core.policy import RetryPolicy, TimeLimits
from penstock.dialects.openai import read_chat

# A question, or the messages of a conversation as OpenAI's chat completions take them.
Prompt: TypeAlias = str | Sequence[Mapping[str, Any]]

# What the LLM and its methods say themselves, or a gateway alone understands.
_NOT_HERE = frozenset(("model", "messages", "stream", "stream_options", "prompt_id"))
_NOBODY = Identity("", "python")


def compose_call(
    name: str, prompt: Prompt, params: Mapping[str, Any], *, stream: bool, limits: TimeLimits, retry: RetryPolicy
) -> Call:
    """A call for the LLM of this name; ``params`` are those of chat completions. Raises ``InvalidParameter``."""
    for param in params.keys() & _NOT_HERE:
        raise InvalidParameter(f"`{param}` is no parameter here: the LLM and its methods say it.", param=param)
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    asked = read_chat(msgspec.json.encode({"model": name, "messages": messages, **params}))
    call_id = f"call_{getrandbits(96):024x}"
    return Call(
        call_id=call_id,
        request_id=call_id,
        trace_id=f"{getrandbits(128):032x}",
        endpoint="python",
        dialect="openai",
        identity=_NOBODY,
        model="",  # so that an answer says which of several models it comes from
        task=name,
        fields=asked.fields,
        limits=limits,
        trail=Trail(received_at_s=monotonic()),
        stream=stream,
        temperature=asked.temperature,
        max_output_tokens=asked.max_output_tokens,
        input_tokens=asked.input_tokens,
        choices=asked.choices,
        retry=retry,
    )
