"""OpenAI chat completions on the wire: request, response, stream and error bodies."""

from penstock.dialects.openai.body import ChatWriter, compose_fields
from penstock.dialects.openai.errors import DONE, error_body, error_event
from penstock.dialects.openai.request import ChatRequest, read_chat
from penstock.dialects.openai.response import (
    Chunk,
    ChunkRewriter,
    Completion,
    read_chunk,
    read_completion,
    rename_model,
)
from penstock.dialects.sse import SseSplitter

__all__ = [
    "DONE",
    "ChatRequest",
    "ChatWriter",
    "Chunk",
    "ChunkRewriter",
    "Completion",
    "SseSplitter",
    "compose_fields",
    "error_body",
    "error_event",
    "read_chat",
    "read_chunk",
    "read_completion",
    "rename_model",
]
