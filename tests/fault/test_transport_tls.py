"""TLS of the transport with certificates made here: always verified, told clearly when it fails."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from penstock.core.errors import UpstreamCut, UpstreamUnavailable
from penstock.core.ports import Endpoint, Origin
from penstock.transport import HttpTransport, Proxies, TransportLimits
from penstock.transport.dialing import Dialer
from penstock.transport.lane import Lane
from penstock.transport.message import RequestHead
from penstock.transport.names import Names, system_lookup
from penstock.transport.tls import client_context
from support.tls import server_context
from support.wire import Script, answering, peer_closed, read_request, scripted_server

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def transport_to(origin: Origin, ca_file: Path | None = None) -> HttpTransport:
    return HttpTransport(ca_file=str(ca_file) if ca_file else None, named_origins=frozenset({origin}))


async def ask(transport: HttpTransport, origin: Origin) -> bytes:
    return await (await transport.bind(Endpoint(origin, b"POST", b"/", ()))(b"{}")).read(1000)


async def test_a_ca_of_ones_own_is_trusted_and_http_1_1_is_agreed_on(
    certificates: Path, server_tls: ssl.SSLContext
) -> None:
    seen: list[tuple[bytes, str | None, str | None]] = []

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("ssl_object")
        for _ in range(2):
            head, _ = await read_request(reader)
            seen.append((head.split(b"\r\n")[1], connection.selected_alpn_protocol(), connection.version()))
            writer.write(OK)
        await peer_closed(reader)

    async with scripted_server(script, tls=server_tls) as (_, port):
        origin = Origin("https", "localhost", port)
        transport = transport_to(origin, certificates / "ca.pem")
        assert [await ask(transport, origin) for _ in range(2)] == [b"ok", b"ok"]
        await transport.aclose()
    assert seen == [(b"host: localhost:%d" % port, "http/1.1", "TLSv1.3")] * 2


@pytest.mark.parametrize(
    ("host", "trusted", "reason"),
    [
        ("localhost", (), "give the CA with `ca_file`"),
        ("127.0.0.1", ("ca.pem",), "its certificate is for another name"),
    ],
)
async def test_a_certificate_that_does_not_prove_the_name_is_refused(
    certificates: Path, server_tls: ssl.SSLContext, host: str, trusted: tuple[str, ...], reason: str
) -> None:
    async with scripted_server(answering(OK), tls=server_tls) as (_, port):
        origin = Origin("https", host, port)
        transport = transport_to(origin, *(certificates / name for name in trusted))
        with pytest.raises(UpstreamUnavailable, match=f"The provider cannot be reached: .*{reason}"):
            await ask(transport, origin)
        await transport.aclose()


async def test_a_server_without_tls_is_told_apart(certificates: Path) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(OK)
        await peer_closed(reader)

    async with scripted_server(script) as (_, port):
        origin = Origin("https", "localhost", port)
        transport = transport_to(origin, certificates / "ca.pem")
        with pytest.raises(UpstreamUnavailable, match="The provider cannot be reached: the TLS handshake failed"):
            await ask(transport, origin)
        await transport.aclose()


@pytest.mark.parametrize("end", ["in order", "cut"])
async def test_a_body_without_a_length_counts_only_when_tls_was_closed_in_order(
    certificates: Path, server_tls: ssl.SSLContext, end: str
) -> None:
    if end == "cut" and not isinstance(asyncio.get_running_loop(), uvloop.Loop):
        pytest.skip("asyncio's own TLS does not tell a cut from an orderly end; uvloop's does")
    cut = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhello")
        if end == "cut":
            await cut.wait()
            writer.transport.abort()

    async with scripted_server(script, tls=server_tls) as (_, port):
        origin = Origin("https", "localhost", port)
        transport = transport_to(origin, certificates / "ca.pem")
        response = await transport.bind(Endpoint(origin, b"POST", b"/", ()))(b"{}")
        cut.set()
        if end == "in order":
            assert await response.read(100) == b"hello"
        else:
            with pytest.raises(UpstreamCut):
                await response.read(100)
        await transport.aclose()


# --- resumed sessions: asked for here where the interpreter would rather not ---


def resuming_dialer(origin: Origin, certificates: Path) -> Callable[[], Coroutine[Any, Any, bytes]]:
    """Asks ``origin``; the server closes after each answer."""
    context = client_context(str(certificates / "ca.pem"))
    context.resumes = True
    dialer = Dialer(
        context,
        Names(system_lookup, lambda: 0.0),
        named_origins=frozenset({origin}),
        proxies=Proxies(),
        limits=TransportLimits(),
    )

    lane = Lane(origin, TransportLimits(), dialer)
    head = RequestHead(Endpoint(origin, b"POST", b"/", ()))

    async def ask_once() -> bytes:
        return await (await lane.send(head, b"{}")).read(100)

    return ask_once


def noting(resumed: list[bool]) -> Script:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        resumed.append(writer.get_extra_info("ssl_object").session_reused)
        writer.write(OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))

    return script


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_session_is_resumed_by_the_next_connections_and_not_needed_by_a_server_that_forgot_it(
    certificates: Path, version: ssl.TLSVersion
) -> None:
    resumed: list[bool] = []
    async with scripted_server(noting(resumed), tls=server_context(certificates, version)) as (_, port):
        ask_once = resuming_dialer(Origin("https", "localhost", port), certificates)
        assert await ask_once() == b"ok"
        assert await asyncio.gather(*(ask_once() for _ in range(10))) == [b"ok"] * 10
    async with scripted_server(noting(resumed), tls=server_context(certificates, version), port=port):
        assert await ask_once() == b"ok"
        assert await asyncio.gather(*(ask_once() for _ in range(10))) == [b"ok"] * 10
    assert resumed == ([False] + [True] * 10) * 2


async def test_many_first_connections_at_once_wait_for_no_session(certificates: Path) -> None:
    resumed: list[bool] = []
    async with scripted_server(noting(resumed), tls=server_context(certificates)) as (_, port):
        ask_once = resuming_dialer(Origin("https", "localhost", port), certificates)
        assert await asyncio.gather(*(ask_once() for _ in range(20))) == [b"ok"] * 20


async def test_a_connection_that_could_not_be_opened_leaves_nothing_for_the_next(certificates: Path) -> None:
    """A server that breaks the handshake of a resumed session would otherwise be out of reach for good."""

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad\r\n\r\n")

    resumed: list[bool] = []
    tls = server_context(certificates)
    async with scripted_server(noting(resumed), tls=tls) as (_, port):
        ask_once = resuming_dialer(Origin("https", "localhost", port), certificates)
        for _ in range(2):
            assert await ask_once() == b"ok"
    async with scripted_server(plain, port=port):
        with pytest.raises(UpstreamUnavailable, match="the TLS handshake failed"):
            await ask_once()
    async with scripted_server(noting(resumed), tls=tls, port=port):
        assert await ask_once() == b"ok"
    assert resumed == [False, True, False]


@pytest.mark.skipif(sys.version_info >= (3, 12, 8), reason="this interpreter can be asked for sessions")
def test_an_interpreter_that_leaks_sessions_is_not_asked_for_them() -> None:
    assert not client_context().resumes


# --- verification ---


async def test_without_verification_whoever_answers_is_trusted(server_tls: ssl.SSLContext) -> None:
    async with scripted_server(answering(OK), tls=server_tls) as (_, port):
        for host in ("localhost", "127.0.0.1"):
            origin = Origin("https", host, port)
            transport = HttpTransport(verify=False, named_origins=frozenset({origin}))
            assert await ask(transport, origin) == b"ok"
            await transport.aclose()


def test_verification_is_on_with_and_without_a_ca(certificates: Path) -> None:
    for context in (client_context(), client_context(str(certificates / "ca.pem"))):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_ca_file_that_cannot_be_read_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    for name in ("empty.pem", "absent.pem"):
        with pytest.raises(OSError):  # noqa: PT011 - ssl.SSLError or FileNotFoundError, whose texts are not ours
            HttpTransport(ca_file=str(tmp_path / name))
