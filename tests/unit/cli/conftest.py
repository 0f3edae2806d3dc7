"""What commands that look for a running gateway find: a config, and a process that stands for the gateway."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock.config import run_file_path
from support.configs import WHOLE


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "c.yaml"
    path.write_text(f"{WHOLE}store: {{url: 'sqlite:///{tmp_path}/p.db'}}\n")
    return path


@pytest.fixture
def stand_in(config: Path) -> Iterator[Callable[..., None]]:
    """Runs a script, with the path of the run file and more words, until it prints `ready`, and ends it after the test.

    Its name is how the commands know a gateway.
    """
    script = config.with_name("penstock_gateway.py")
    started: list[subprocess.Popen[str]] = []

    def run(source: str, *words: str) -> None:
        script.write_text(source)
        arguments = [sys.executable, str(script), str(run_file_path(config.with_name("p.db"))), *words]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    yield run
    for process in started:
        process.kill()
        process.communicate()
