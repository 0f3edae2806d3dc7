"""The transport runs on uvloop in service and on asyncio's own loop elsewhere: its faults are tested on both."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import uvloop

from support.tls import make_certificates, server_context


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    del config
    if item.path.name.startswith(("test_transport_", "test_gateway_")):
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``ca.pem`` and, signed by it for localhost and llm.test alone, ``server.pem`` with ``server.key``."""
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command makes the certificates")
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server_tls(certificates: Path) -> ssl.SSLContext:
    return server_context(certificates)
