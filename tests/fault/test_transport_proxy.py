"""Providers behind a proxy: tunnels for https, whole URLs for http, and what is told when the proxy will not."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from penstock.core.errors import UpstreamError, UpstreamMisconfigured, UpstreamUnavailable
from penstock.core.ports import Endpoint, Origin
from penstock.transport import HttpTransport, Proxies, TransportLimits
from support.tunnels import Tunnels
from support.wire import Script, answering, peer_closed, read_request, scripted_server

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
NAME = "llm.test"
CREDENTIALS = b"Basic dXNlcjpodW50ZXIy"  # user:hunter2


def proxies(port: int, *, bypass: str = "", user: str = "user:hunter2@", host: str = "127.0.0.1") -> Proxies:
    address = f"http://{user}{host}:{port}"
    return Proxies.of({"HTTPS_PROXY": address, "HTTP_PROXY": address, "NO_PROXY": bypass})


async def ask(transport: HttpTransport, origin: Origin) -> bytes:
    response = await transport.bind(Endpoint(origin, b"POST", b"/v1", ((b"authorization", b"Bearer key"),)))(b"{}")
    return await response.read(1000)


@asynccontextmanager
async def asking(
    script: Script, *, ca_file: Path | None = None, connect_s: float = 5.0
) -> AsyncIterator[HttpTransport]:
    """A transport whose proxy does as ``script`` says."""
    async with scripted_server(script) as (_, port):
        transport = HttpTransport(
            TransportLimits(connect_s=connect_s), ca_file=str(ca_file) if ca_file else None, proxies=proxies(port)
        )
        try:
            yield transport
        finally:
            await transport.aclose()


# --- https: CONNECT ---


async def test_a_tunnel_is_asked_for_once_and_the_origin_proves_itself_through_it(
    certificates: Path, server_tls: ssl.SSLContext
) -> None:
    """The proxy resolves: the gateway itself looks up no name."""
    seen: list[bytes] = []

    async def origin_script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            head, body = await read_request(reader)
            seen.append(head + body)
            writer.write(OK)
        await peer_closed(reader)

    async with scripted_server(origin_script, tls=server_tls) as (_, port):
        tunnels = Tunnels(port)
        origin = Origin("https", NAME, 443)
        async with asking(tunnels.script, ca_file=certificates / "ca.pem") as transport:
            assert [await ask(transport, origin) for _ in range(2)] == [b"ok", b"ok"]
    assert tunnels.heads == [
        b"CONNECT llm.test:443 HTTP/1.1\r\nhost: llm.test:443\r\nproxy-authorization: %b\r\n\r\n" % CREDENTIALS
    ]
    for request in seen:
        assert request.startswith(b"POST /v1 HTTP/1.1\r\nhost: llm.test\r\n")
        assert b"proxy" not in request


async def test_a_proxy_that_answers_in_the_origins_place_is_found_out(
    certificates: Path, server_tls: ssl.SSLContext
) -> None:
    async with scripted_server(answering(OK), tls=server_tls) as (_, port):
        origin = Origin("https", "other.test", 443)
        async with asking(Tunnels(port).script, ca_file=certificates / "ca.pem") as transport:
            with pytest.raises(UpstreamUnavailable, match="its certificate is for another name"):
                await ask(transport, origin)


@pytest.mark.parametrize(
    ("answer", "error", "told"),
    [
        (b"HTTP/1.1 407 Auth\r\ncontent-length: 3\r\n\r\nwho", UpstreamMisconfigured, "another user and password"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", UpstreamMisconfigured, "its proxy answered with status 403"),
        (b"HTTP/1.1 302 Found\r\nlocation: http://login/\r\n\r\n", UpstreamMisconfigured, "with status 302"),
        (b"HTTP/1.1 429 Slow\r\n\r\n", UpstreamUnavailable, "its proxy answered with status 429"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", UpstreamUnavailable, "its proxy answered with status 502"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", UpstreamUnavailable, "its proxy does not answer as an HTTP proxy does"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000, UpstreamUnavailable, "does not answer as an HTTP proxy does"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", UpstreamUnavailable, "does not answer as an HTTP proxy does"),
        (b"", UpstreamUnavailable, "its proxy closed the connection"),
        (b"HTTP/1.1 200 OK\r\n", UpstreamUnavailable, "its proxy closed the connection"),
        (b"HTTP/1.1 200 OK\r\n\r\nnot TLS at all", UpstreamUnavailable, "does not answer as an HTTP proxy does"),
        (b"HTTP/1.1 200 OK\r\n\r\n", UpstreamUnavailable, "was closed while it was being opened"),
    ],
)
async def test_a_tunnel_that_does_not_come_about_says_why_and_leaves_no_socket(
    answer: bytes, error: type[UpstreamError], told: str
) -> None:
    closed = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)
        writer.write_eof()
        await peer_closed(reader)
        closed.set()

    origin = Origin("https", NAME, 443)
    async with asking(script) as transport:
        with pytest.raises(error, match=f"The provider cannot be reached: .*({told})") as caught:
            await ask(transport, origin)
        await asyncio.wait_for(closed.wait(), 1)
    assert "hunter2" not in str(caught.value)


async def test_a_proxy_that_says_nothing_is_left_in_time() -> None:
    closed = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del writer
        await peer_closed(reader)
        closed.set()

    origin = Origin("https", NAME, 443)
    async with asking(script, connect_s=0.2) as transport:
        with pytest.raises(UpstreamUnavailable, match=r"no connection through its proxy within 0\.2 s"):
            await ask(transport, origin)
        await asyncio.wait_for(closed.wait(), 0.1)


async def test_cancelling_while_the_tunnel_is_opened_closes_it() -> None:
    taken, closed = asyncio.Event(), asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del writer
        taken.set()
        await peer_closed(reader)
        closed.set()

    origin = Origin("https", NAME, 443)
    async with asking(script) as transport:
        sending = asyncio.create_task(ask(transport, origin))
        await taken.wait()
        sending.cancel()
        await asyncio.wait_for(closed.wait(), 0.1)
        with pytest.raises(asyncio.CancelledError):
            await sending


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_is_not_there_is_told_from_a_provider_that_is_not(scheme: str) -> None:
    async def lookup(name: str) -> list[str]:
        assert name == "proxy.test"
        raise socket.gaierror(socket.EAI_NONAME, "")

    async with scripted_server(answering(OK)) as (_, port):
        pass
    for host, why in (("127.0.0.1", "connection refused"), ("proxy.test", "name not found")):
        transport = HttpTransport(proxies=proxies(port, host=host), lookup=lookup)
        with pytest.raises(UpstreamUnavailable, match=f"its proxy cannot be reached: {why}"):
            await ask(transport, Origin(scheme, NAME, 80))


# --- http: the whole URL ---


async def test_an_http_origin_is_asked_for_by_its_whole_url() -> None:
    seen: list[bytes] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            head, body = await read_request(reader)
            seen.append(head + body)
            writer.write(OK)
        await peer_closed(reader)

    origin = Origin("http", NAME, 8000)
    async with asking(script) as transport:
        assert [await ask(transport, origin) for _ in range(2)] == [b"ok", b"ok"]
    assert (
        seen
        == [
            b"POST http://llm.test:8000/v1 HTTP/1.1\r\nhost: llm.test:8000\r\naccept-encoding: identity\r\n"
            b"authorization: Bearer key\r\nproxy-authorization: %b\r\ncontent-length: 2\r\n\r\n{}" % CREDENTIALS
        ]
        * 2
    )


async def test_a_407_to_a_whole_url_is_the_proxys_and_told_as_such() -> None:
    refused = b"HTTP/1.1 407 Auth\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\n\r\n"
    origin = Origin("http", NAME, 80)
    async with asking(answering(refused)) as transport:
        with pytest.raises(UpstreamMisconfigured, match="its proxy asks for another user and password"):
            await ask(transport, origin)


# --- which way ---


async def test_what_no_proxy_names_and_this_machine_are_reached_directly() -> None:
    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader, writer
        raise AssertionError("the proxy is not asked")

    async def lookup(name: str) -> list[str]:
        assert name == NAME
        return ["127.0.0.1"]

    async with scripted_server(answering(OK)) as (_, port), scripted_server(proxy) as (_, proxy_port):
        for origin, bypass in ((Origin("http", NAME, port), ".test"), (Origin("http", "127.0.0.1", port), "")):
            named = frozenset({origin})
            transport = HttpTransport(named_origins=named, proxies=proxies(proxy_port, bypass=bypass), lookup=lookup)
            assert await ask(transport, origin) == b"ok"
            await transport.aclose()


async def test_a_private_address_that_nobody_named_is_not_asked_of_a_proxy_either() -> None:
    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader, writer
        raise AssertionError("the proxy is not asked")

    for scheme in ("http", "https"):
        origin = Origin(scheme, "169.254.169.254", 80)
        async with asking(proxy) as transport:
            with pytest.raises(UpstreamUnavailable, match="its address is private"):
                await ask(transport, origin)
