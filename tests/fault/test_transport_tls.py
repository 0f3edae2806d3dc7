"""TLS of the transport with certificates made here: always verified, told clearly when it fails."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
import uvloop

from penstock.core.errors import UpstreamCut, UpstreamUnavailable
from penstock.core.ports import Endpoint, Origin
from penstock.transport import HttpTransport
from penstock.transport.tls import verified_context
from support.wire import answering, peer_closed, read_request, scripted_server

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command makes the certificates")

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``ca.pem`` and, signed by it for localhost alone, ``server.pem`` with ``server.key``."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc")
    ca_use = ("-addext", "keyUsage=critical,keyCertSign")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Test CA", *ca_use)
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName=DNS:localhost\nauthorityKeyIdentifier=keyid\n")
    signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
    openssl("x509", "-req", "-in", "server.csr", "-out", "server.pem", *signing)
    return folder


@pytest.fixture
def server_tls(certificates: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


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


def test_verification_is_on_with_and_without_a_ca(certificates: Path) -> None:
    for context in (verified_context(), verified_context(str(certificates / "ca.pem"))):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_ca_file_that_cannot_be_read_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    for name in ("empty.pem", "absent.pem"):
        with pytest.raises(OSError):  # noqa: PT011 - ssl.SSLError or FileNotFoundError, whose texts are not ours
            HttpTransport(ca_file=str(tmp_path / name))
