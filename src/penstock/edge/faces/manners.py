"""How each dialect is spoken with callers: a path of the data plane each."""

from __future__ import annotations

from penstock.core.errors import PenstockError
from penstock.dialects import anthropic
from penstock.dialects.openai.embeddings import read_embeddings
from penstock.dialects.openai.errors import DONE, error_body, error_event
from penstock.dialects.openai.legacy import read_legacy
from penstock.dialects.openai.request import ChatRequest, read_chat
from penstock.dialects.responses.errors import error_event as response_error_event
from penstock.dialects.responses.request import read_response_request
from penstock.edge.faces.model_face import Manner


def _openai_error(error: PenstockError, _request_id: str) -> bytes:
    return error_body(error)


def _read_embeddings(body: bytes) -> ChatRequest:
    asked = read_embeddings(body)
    return ChatRequest(
        fields=asked.fields,
        model=asked.model,
        stream=False,
        include_usage=False,
        temperature=None,
        max_output_tokens=0,  # vectors are not billed as output
        input_tokens=asked.input_tokens,
        choices=1,
        user=asked.user,
        prompt=None,
        tool_names=(),
    )


CHAT = Manner(
    endpoint="/v1/chat/completions",
    dialect="openai",
    read=read_chat,
    error_body=_openai_error,
    error_event=error_event,
    tail=DONE,
)
RESPONSES = Manner(
    endpoint="/v1/responses",
    dialect="responses",
    read=read_response_request,
    error_body=_openai_error,
    error_event=response_error_event,
)
COMPLETIONS = Manner(
    endpoint="/v1/completions",
    dialect="completions",
    read=read_legacy,
    error_body=_openai_error,
    error_event=error_event,
    tail=DONE,
)
EMBEDDINGS = Manner(
    endpoint="/v1/embeddings",
    dialect="embeddings",
    read=_read_embeddings,
    error_body=_openai_error,
    error_event=error_event,
)
# Betas are asked for in a header and change what the body may hold; the clients look for their request's id in
# `request-id` (anthropic 2.12, _client.py and _response.py, 2026-11-21).
_BETAS = (b"anthropic-beta",)
MESSAGES = Manner(
    endpoint="/v1/messages",
    dialect="anthropic",
    read=anthropic.read_messages,
    error_body=anthropic.error_body,
    error_event=anthropic.error_event,
    passed_on=_BETAS,
    id_header=b"request-id",
)
COUNT_TOKENS = Manner(
    endpoint="/v1/messages/count_tokens",
    dialect="count_tokens",
    read=anthropic.read_count,
    error_body=anthropic.error_body,
    error_event=anthropic.error_event,
    passed_on=_BETAS,
    id_header=b"request-id",
)
MANNERS = (CHAT, RESPONSES, COMPLETIONS, EMBEDDINGS, MESSAGES, COUNT_TOKENS)
