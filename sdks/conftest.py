"""Places that an SDK can be pointed at: a played provider itself, and a gateway in front of each kind of provider."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from place import TENANTS, Place, at
from upstream import Upstream, playing

HERE = Path(__file__).parent
START_LIMIT_S = 20.0
# An SDK must meet what is here, not what the shell of who runs this names.
for name in list(os.environ):
    if name.lower().endswith("_proxy") or name.startswith(("OPENAI_", "ANTHROPIC_", "LANGSMITH_", "LANGCHAIN_")):
        del os.environ[name]


@pytest.fixture(scope="session")
def upstream() -> Iterator[Upstream]:
    """The played providers."""
    with playing() as upstream:
        yield upstream


@pytest.fixture(scope="session")
def gateway_url(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``http://host:port`` of a gateway in front of them."""
    folder = tmp_path_factory.mktemp("gateway")
    config = folder / "penstock.yaml"
    config.write_text((HERE / "gateway.yaml").read_text().replace("UPSTREAM", upstream.address))
    with _serving(config) as url:
        yield url


@pytest.fixture
def place(request: pytest.FixtureRequest, upstream: Upstream) -> Place:
    """The place that the test's parameter names: `direct`, or the model of the gateway that is asked."""
    return at(request.param, upstream, request.getfixturevalue("gateway_url"))


@contextmanager
def _serving(config: Path) -> Iterator[str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [HERE.parent / ".venv/bin/penstock", "serve", "--config", config, "--port", str(port)]
    with (
        (config.parent / "log").open("wb") as log,
        subprocess.Popen(command, cwd=config.parent, env=os.environ | TENANTS, stdout=log, stderr=log) as process,
    ):
        try:
            _await_ready(f"http://127.0.0.1:{port}", process, config.parent / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _await_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up_at_s = time.monotonic() + START_LIMIT_S
    while time.monotonic() < give_up_at_s:
        if process.poll() is not None:
            pytest.exit(f"the gateway ended with status {process.returncode}:\n{log.read_text()}", returncode=2)
        try:
            with urllib.request.urlopen(f"{url}/health/readiness", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    pytest.exit(f"the gateway was not ready within {START_LIMIT_S:g} s", returncode=2)
