"""``Remote``: a gateway over HTTP, by its OpenAI endpoint. What becomes of a call stands in headers (facts.py)."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from http import HTTPStatus
from time import monotonic

from penstock.client.facts import note
from penstock.client.failures import no_gateway, read_failure
from penstock.client.incoming import Incoming
from penstock.client.question import Question
from penstock.client.told import Told, Way
from penstock.core.answer import Answer
from penstock.core.call import Trail
from penstock.core.errors import GatewayUnreachable, UpstreamError
from penstock.core.ports import Endpoint, HttpResponse, Origin, Send
from penstock.transport import HttpTransport, Proxies
from penstock.transport.message import RequestHead

# A gateway bounds what a provider may send; this is against what is no gateway.
_MOST_BYTES = 256 * 1024 * 1024


class Remote:
    """A ``Way``."""

    def __init__(self, send: Send) -> None:
        self._send = send

    @classmethod
    def at(cls, url: str, api_key: str | None, ca_file: str | None) -> Callable[[], AbstractAsyncContextManager[Way]]:
        """How the gateway at ``url`` is opened. Raises ``ValueError`` for an URL or a key that cannot be used."""
        endpoint = _endpoint(url, api_key)
        RequestHead(endpoint)  # what it would refuse, a line end in the key for one, is told now
        return partial(cls._open, endpoint, ca_file)

    @classmethod
    @asynccontextmanager
    async def _open(cls, endpoint: Endpoint, ca_file: str | None) -> AsyncIterator[Way]:
        transport = HttpTransport(
            ca_file=ca_file, named_origins=frozenset({endpoint.origin}), proxies=Proxies.of(os.environ)
        )
        try:
            yield cls(transport.bind(endpoint))
        finally:
            await transport.aclose()

    async def ask(self, question: Question) -> Told:
        """See ``Way.ask``."""
        lines = b"".join([b"%b: %b\r\n" % line for line in question.headers.items()])
        try:
            response = await self._send(question.body, lines)
            if response.status == HTTPStatus.OK and question.stream:
                return _streamed(response)
            body = await response.read(_MOST_BYTES)
        except UpstreamError as error:  # the transport's word for whoever it talks to
            raise GatewayUnreachable(_of_gateway(error)) from None
        if response.status != HTTPStatus.OK:
            raise read_failure(response.status, dict(response.headers), body)
        return _told(response, Answer("openai", body=body))


def _endpoint(url: str, api_key: str | None) -> Endpoint:
    origin = Origin.of(url)
    _, _, path = url.partition("://")[2].partition("/")
    path = path.strip("/").removesuffix("v1").strip("/")  # OpenAI's SDKs are given it with /v1
    path = f"/{path}/v1/chat/completions" if path else "/v1/chat/completions"
    headers = [(b"content-type", b"application/json"), (b"user-agent", b"penstock")]
    if api_key is not None:
        headers.append((b"authorization", b"Bearer " + api_key.encode()))
    return Endpoint(origin, b"POST", path.encode(), headers)


def _streamed(response: HttpResponse) -> Told:
    try:
        incoming = Incoming(response)
        told = incoming.told = _told(response, incoming.answer)
        response.attach(incoming)
    except BaseException:
        response.close()
        raise
    return told


def _told(response: HttpResponse, answer: Answer) -> Told:
    told = Told(answer=answer, trail=Trail(received_at_s=monotonic()), request_id="", priced=False)
    note(told, response.headers)
    if not told.trail.provider:
        raise no_gateway(response.status)
    return told


def _of_gateway(error: UpstreamError) -> str:
    return error.message.replace("The provider", "The gateway").replace("the provider", "the gateway")
