"""The adapter of every service that speaks OpenAI chat completions: ``encoder``, ``decode``, ``explain``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

from penstock.core.answer import Answer
from penstock.core.call import Call, Usage
from penstock.core.chain import Handler
from penstock.core.errors import PenstockError, UpstreamError
from penstock.core.plan import Target
from penstock.core.ports import Endpoint, HttpResponse, Origin, Transport
from penstock.dialects.openai.body import ChatWriter
from penstock.dialects.openai.response import estimate_output_tokens, read_completion, rename_model
from penstock.providers.explain import explain
from penstock.providers.openai_stream import ChunkReader, Relay
from penstock.providers.table import Row

BODY_LIMIT_BYTES = 64 * 1024 * 1024
ERROR_LIMIT_BYTES = 1024 * 1024


class OpenAICompatible:
    """One account at one service. ``bind`` gives the handler of one deployment there.

    ``base_url`` overrides the row's; ``api_key`` is sent to that origin alone and never shown. Raises ``ValueError``
    for an address or a key that cannot be used.
    """

    def __init__(self, name: str, row: Row, *, base_url: str | None, api_key: str | None, transport: Transport) -> None:
        self.name = name
        self._row = row
        self._secret = (api_key or "").strip()
        origin, path = _address(name, base_url or row.base_url, row.query)
        headers = [(b"content-type", b"application/json")]
        headers += [(key.encode("latin-1"), value.encode("latin-1")) for key, value in row.headers]
        if self._secret:
            headers.append(_authorization(name, row.auth, self._secret))
        self._send = transport.bind(Endpoint(origin, b"POST", path, headers))

    def bind(self, target: Target) -> Handler:
        """The handler that answers calls with ``target``."""
        return partial(self._answer, target.alias, encoder(target, self._row))

    async def _answer(self, alias: str, encode: Callable[[Call], bytes], call: Call) -> Answer:
        response = await self._send(encode(call))
        if not 200 <= response.status < 300:  # noqa: PLR2004 - success
            raise await self._refusal(response)
        alias = call.model or alias
        if call.stream:
            return await _stream(response, ChunkReader(call, alias))
        return decode(await response.read(BODY_LIMIT_BYTES), call, alias)

    async def _refusal(self, response: HttpResponse) -> PenstockError:
        try:
            body = await response.read(ERROR_LIMIT_BYTES)
        except UpstreamError:
            body = b""  # the status alone says enough
        return explain(response.status, response.headers, body, secret=self._secret)


def encoder(target: Target, row: Row) -> Callable[[Call], bytes]:
    """What turns calls into request bodies for ``target`` at the service that ``row`` describes."""
    return ChatWriter(
        target.model_id,
        max_output_tokens=target.max_output_tokens,
        max_tokens_field=row.max_tokens_field,
        ask_usage=row.asks_usage,
        withhold=row.withheld,
    ).write


def decode(body: bytes, call: Call, alias: str) -> Answer:
    """A whole answer. Raises ``UpstreamMalformed``."""
    completion = read_completion(body)
    usage = completion.usage or Usage(call.input_tokens, estimate_output_tokens(body), estimated=True)
    answer = Answer("openai", body=rename_model(body, alias, completion.model), usage=usage)
    answer.finish_reason = completion.finish_reason
    return answer


async def _stream(response: HttpResponse, reader: ChunkReader) -> Answer:
    handed_on = False
    try:
        relay = Relay(reader, response)
        await relay.first_content
        handed_on = True
    finally:
        if not handed_on:
            response.close()
    return relay.answer


def _address(name: str, base_url: str | None, query: str) -> tuple[Origin, bytes]:
    if not base_url:
        msg = f"provider {name!r}: base_url is needed, for example https://llm.example.com/v1"
        raise ValueError(msg)
    try:
        origin = Origin.of(base_url)
    except ValueError:
        origin = None
    if origin is None or not base_url.isascii() or not base_url.isprintable() or " " in base_url:
        msg = f"provider {name!r}: base_url must look like https://llm.example.com/v1, without a user or password"
        raise ValueError(msg)
    url = urlsplit(base_url)
    path = url.path.rstrip("/") + "/chat/completions"
    questions = "&".join(part for part in (query, url.query) if part)
    return origin, (f"{path}?{questions}" if questions else path).encode()


def _authorization(name: str, auth: str, secret: str) -> tuple[bytes, bytes]:
    if not secret.isascii() or not secret.isprintable():
        msg = f"provider {name!r}: api_key holds a character that no HTTP header may carry"
        raise ValueError(msg)
    return (b"api-key", secret.encode()) if auth == "api-key" else (b"authorization", b"Bearer " + secret.encode())
