"""Answers to ``/v1/completions`` of providers that still have it, whole and streamed: passed on but for the name."""

from __future__ import annotations

from penstock.core.answer import Answer
from penstock.core.call import Call, Usage
from penstock.core.errors import UpstreamMalformed
from penstock.dialects.openai.legacy import read_legacy_chunk
from penstock.dialects.openai.response import rename_model
from penstock.providers.openai_reader import ChunkReader


def decode_legacy(body: bytes, call: Call, alias: str) -> Answer:
    """A whole answer. Raises ``UpstreamMalformed``."""
    completion = read_legacy_chunk(body)
    choices = completion.choices
    if not choices:
        raise UpstreamMalformed("The provider's answer holds no choices.")
    usage = completion.usage
    if usage is None:
        said = sum(choice.delta.estimated_tokens for choice in choices if choice.delta is not None)
        usage = Usage(call.input_tokens, said, estimated=True)
    answer = Answer("openai", body=rename_model(body, alias, completion.model), usage=usage)
    answer.finish_reason = choices[0].finish_reason
    return answer


def legacy_reader(call: Call, alias: str) -> ChunkReader:
    """The reader of one stream, whose chunks are completions too."""
    return ChunkReader(call, alias, read_legacy_chunk)
