"""Serves the demo config for the suites here, in a folder that is removed afterwards."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
START_LIMIT_S = 20.0


@pytest.fixture(scope="session")
def gateway_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``http://host:port`` of a running gateway."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [ROOT / ".venv/bin/penstock", "serve", "--config", ROOT / "config/demo.yaml", "--port", str(port)]
    with subprocess.Popen(command, cwd=tmp_path_factory.mktemp("gateway")) as process:
        try:
            _await_ready(f"http://127.0.0.1:{port}", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _await_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    give_up_at_s = time.monotonic() + START_LIMIT_S
    while time.monotonic() < give_up_at_s:
        if process.poll() is not None:
            pytest.exit(f"the gateway ended with status {process.returncode}", returncode=2)
        try:
            with urllib.request.urlopen(f"{url}/health/readiness", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    pytest.exit(f"the gateway was not ready within {START_LIMIT_S:g} s", returncode=2)
