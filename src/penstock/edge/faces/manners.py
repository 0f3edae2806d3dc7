"""How each dialect is spoken with callers."""

from __future__ import annotations

from penstock.core.errors import PenstockError
from penstock.dialects.openai.errors import DONE, error_body, error_event
from penstock.dialects.openai.request import read_chat
from penstock.edge.faces.model_face import Manner


def _openai_error(error: PenstockError, _request_id: str) -> bytes:
    return error_body(error)


CHAT = Manner(
    endpoint="/v1/chat/completions",
    dialect="openai",
    read=read_chat,
    error_body=_openai_error,
    error_event=error_event,
    tail=DONE,
)
