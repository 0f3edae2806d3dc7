"""``/v1/completions``: what a call asks, and what is read of its answer, whole or chunk by chunk.

Shapes are those of openai 3.54 (``types/completion_create_params.py``, ``types/completion.py``, 2026-11-21).
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from penstock.core.errors import UpstreamMalformed
from penstock.dialects.json_body import malformed, read_object
from penstock.dialects.openai.request import ChatRequest
from penstock.dialects.openai.response import Chunk, Delta, read_chunk
from penstock.dialects.openai.token_input import count_input, explain_plain

_MUST_BE = {
    "model": "a non-empty string: the name of a model or route",
    "prompt": "a string, an array of strings, or token ids",
    "stream": "true or false",
    "stream_options": "an object",
    "stream_options.include_usage": "true or false",
    "temperature": "a number from 0 to 2",
    "max_tokens": "an integer of at least 0",
    "n": "an integer from 1 to 128",
    "best_of": "an integer of at least 0",
    "user": "a string",
}


class _StreamOptions(Struct):
    include_usage: bool | None = None


class _Asked(Struct):
    model: Annotated[str, Meta(min_length=1)]
    prompt: Raw = Raw()
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    # With `echo`, 0 asks for the prompt's own logprobs.
    max_tokens: Annotated[int, Meta(ge=0)] | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    best_of: Annotated[int, Meta(ge=0)] | None = None
    user: str | None = None


class _Said(Struct, gc=False):
    text: str | None = None


class _AllSaid(Struct, gc=False):
    choices: list[_Said] | None = None


_read_typed = msgspec.json.Decoder(_Asked).decode
_read_said = msgspec.json.Decoder(_AllSaid).decode


def read_legacy(body: bytes) -> ChatRequest:
    """Decode and check a request body. Raises ``MalformedJson``, ``JsonTooDeep``, ``InvalidParameter``.

    ``choices`` are those of all prompts. No prompt is one, as at OpenAI: the start of a document.
    """
    fields = read_object(body)
    try:
        asked = _read_typed(body)
    except msgspec.ValidationError as error:
        raise explain_plain(str(error), _MUST_BE) from None
    except msgspec.DecodeError as error:
        raise malformed(body, error) from None
    prompts, input_tokens = 1, 1
    if bytes(asked.prompt) not in (b"", b"null"):
        prompts, input_tokens = count_input(asked.prompt, "prompt")
    options = asked.stream_options
    return ChatRequest(
        fields=fields,
        model=asked.model,
        stream=asked.stream is True,
        include_usage=options is not None and options.include_usage is True,
        temperature=asked.temperature,
        max_output_tokens=asked.max_tokens,
        input_tokens=input_tokens,
        choices=prompts * (asked.n or 1),
        user=asked.user or "",
        prompt=None,
        tool_names=(),
    )


def read_legacy_chunk(payload: bytes) -> Chunk:
    """A whole completion or a chunk of one, which have one shape, as if its texts were a chat's.

    Raises ``UpstreamMalformed`` for anything else, an error in a 200 too.
    """
    try:
        said = _read_said(payload).choices
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamMalformed("The provider's answer is not a completion.") from None
    chunk = read_chunk(payload)
    for choice, text in zip(chunk.choices or (), said or (), strict=True):
        choice.delta = Delta(content=text.text)
    return chunk
