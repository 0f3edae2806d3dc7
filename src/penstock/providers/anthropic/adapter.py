"""The adapter of Anthropic's Messages API."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from penstock.core.answer import Answer
from penstock.core.call import Call, Dialect, Usage
from penstock.core.errors import UnsupportedEndpoint, UpstreamMalformed
from penstock.core.plan import Target
from penstock.core.ports import Transport
from penstock.dialects.anthropic import MessagesProvider, read_passed_message, write_count, write_messages
from penstock.dialects.openai.response import rename_model
from penstock.providers.account import Account
from penstock.providers.anthropic.stream import MessageStreamReader
from penstock.providers.hosted import Hosted
from penstock.providers.relay import StreamReader
from penstock.providers.translated import translations
from penstock.providers.way import Way

_PATH = "/messages"
# The one that there is (platform.claude.com/docs/en/api/versioning, 2026-11-21).
_VERSION = (("anthropic-version", "2023-06-01"),)


class Anthropic(Hosted):
    """One account at Anthropic, or at a service that speaks its API. Raises ``ValueError`` as ``Account`` does."""

    def __init__(self, name: str, *, base_url: str | None, api_key: str | None, transport: Transport) -> None:
        super().__init__(Account(name, base_url, transport, auth="x-api-key", api_key=api_key, headers=_VERSION))

    def ways(self, target: Target) -> Mapping[Dialect, Way]:
        """Messages pass as they are; other dialects are translated."""
        provider = MessagesProvider(target.model_id, self.name, target.max_output_tokens)
        return {
            **translations(provider, path=_PATH, stream_path=_PATH),
            "anthropic": MessagesWay(target),
            "count_tokens": CountWay(target),
        }


class MessagesWay:
    """Messages of one deployment, for callers who speak them too. See ``Way``."""

    path = stream_path = _PATH
    passes_lines = True

    def __init__(self, target: Target) -> None:
        self._target = target

    def encode(self, call: Call) -> bytes:
        """The caller's body with the deployment's model and the least of the token caps."""
        return write_messages(call, self._target.model_id, self._target.max_output_tokens)

    def decode(self, body: bytes, call: Call) -> Answer:
        """The provider's message under the name that the caller used."""
        message = read_passed_message(body)
        usage = message.usage or Usage(0, message.estimated_tokens)
        if not usage.input_tokens:  # nobody is asked nothing
            usage = replace(usage, input_tokens=call.input_tokens, estimated=True)
        alias = call.model or self._target.alias
        answer = Answer("anthropic", body=rename_model(body, alias, message.model), usage=usage)
        answer.finish_reason = message.finish_reason
        return answer

    def reader(self, call: Call) -> StreamReader:
        """The provider's events under the name that the caller used."""
        return MessageStreamReader(call, call.model or self._target.alias)


class _Count(msgspec.Struct):
    input_tokens: int


_read_count = msgspec.json.Decoder(_Count).decode


class CountWay:
    """How many tokens a request would be, counted by the provider; that costs nothing."""

    path = stream_path = "/messages/count_tokens"
    passes_lines = True

    def __init__(self, target: Target) -> None:
        self._model_id = target.model_id

    def encode(self, call: Call) -> bytes:
        """The caller's body with the deployment's model."""
        return write_count(call, self._model_id)

    def decode(self, body: bytes, _call: Call) -> Answer:
        """The provider's count as it came."""
        try:
            _read_count(body)
        except msgspec.DecodeError:
            raise UpstreamMalformed("The provider did not answer with a count of tokens.") from None
        return Answer("count_tokens", body=body, usage=Usage())

    def reader(self, call: Call) -> StreamReader:
        """A number is never streamed: its request has no ``stream``."""
        raise UnsupportedEndpoint(f"{call.endpoint} has no stream.")
