"""``GenerateContent``: a conversation asked of a Gemini model, and its answer read."""

from __future__ import annotations

from penstock.core.call import Call
from penstock.core.conversation import Conversation, Reply
from penstock.dialects.gemini.model import Model
from penstock.dialects.gemini.request import write_request
from penstock.dialects.gemini.response import read_reply
from penstock.dialects.gemini.stream import ResponseReader


class GenerateContent:
    """The provider's side of Gemini's dialect, for one deployment.

    ``provider`` is its name in what a caller is told. The body is the same for ``:generateContent`` and
    ``:streamGenerateContent?alt=sse``: the path says which, and which model.
    """

    def __init__(self, model_id: str, *, provider: str, max_output_tokens: int | None) -> None:
        self._model = Model(model_id, provider)
        self._max_output_tokens = max_output_tokens

    def request(self, conversation: Conversation, call: Call) -> bytes:
        """The body that asks it. Raises ``UnsupportedParameter``, and ``InvalidParameter`` for a result without a call."""
        caps = [cap for cap in (call.max_output_tokens, self._max_output_tokens) if cap is not None]
        return write_request(conversation, call, self._model, min(caps, default=None))

    def reply(self, body: bytes) -> Reply:
        """What a whole answer says. Raises ``UpstreamMalformed``, and ``ContentBlocked`` for a prompt that was blocked."""
        return read_reply(body)

    def reader(self) -> ResponseReader:
        """For one stream."""
        return ResponseReader()
